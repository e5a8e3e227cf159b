"""Older and newer forms of the wire's schema, and which change of it would break a reader.

``python -m faults.compatibility`` writes proto/baseline.json, the form that is in use: after fields
were added, never to get past the test that compares it.
"""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.message import Message
from maskwatch_proto import alert_pb2, device_event_pb2

BASELINE = Path(__file__).resolve().parents[1] / "proto" / "baseline.json"
_ORIGINAL_FIELDS, _OLDER_FIELDS = 7, 17  # of Alert: the originals', and before episode_started_at


def in_use() -> descriptor_pb2.FileDescriptorSet:
    """Return the schema as the generated code has it."""
    files = descriptor_pb2.FileDescriptorSet()
    for module in (alert_pb2, device_event_pb2):
        module.DESCRIPTOR.CopyToProto(files.file.add())
    return files


def baseline() -> descriptor_pb2.FileDescriptorSet:
    """Return the schema that was frozen last."""
    text = BASELINE.read_text(encoding="ascii")
    return json_format.Parse(text, descriptor_pb2.FileDescriptorSet())


def original() -> type[Message]:
    """Return Alert as the original programs know it."""
    return _changed(lambda alert: _keep(alert, _ORIGINAL_FIELDS))


def older() -> type[Message]:
    """Return Alert as it was before its newest field."""
    return _changed(lambda alert: _keep(alert, _OLDER_FIELDS))


def newer() -> type[Message]:
    """Return Alert as it may become: a text, a list and a message more."""

    def add(alert: DescriptorProto) -> None:
        number = max(field.number for field in alert.field)
        one, many = Field.LABEL_OPTIONAL, Field.LABEL_REPEATED
        alert.field.add(name="shift", number=number + 1, type=Field.TYPE_STRING, label=one)
        alert.field.add(name="scores", number=number + 2, type=Field.TYPE_FLOAT, label=many)
        added = alert.field.add(name="mount", number=number + 3, type=Field.TYPE_MESSAGE, label=one)
        added.type_name = ".maskDetection.Size"

    return _changed(add)


def producers(numbers: random.Random) -> dict[str, Callable[[bytes], bytes]]:
    """Return what turns a message of ours into what a producer of another age would have sent."""
    more = {
        "shift": f"shift {numbers.randint(1, 9)}",
        "scores": [numbers.random() for _ in range(3)],
        "mount": {"width": numbers.randint(1, 99), "height": 7},
    }
    return {
        "original": lambda payload: as_known_by(original(), payload),
        "older": lambda payload: as_known_by(older(), payload),
        "newer": lambda payload: as_known_by(newer(), payload, **more),
    }


def as_known_by(schema: type[Message], payload: bytes, **more: Any) -> bytes:
    """Return a message as a producer of this schema writes it, with what only that one knows."""
    message = schema.FromString(payload)
    message.DiscardUnknownFields()  # a producer of that age never had them
    for name, value in more.items():
        if isinstance(value, list):
            getattr(message, name).extend(value)
        elif isinstance(value, dict):
            json_format.ParseDict(value, getattr(message, name))
        else:
            setattr(message, name, value)
    return message.SerializeToString()


def differences(schema: type[Message], payload: bytes) -> list[str]:
    """Return the fields, of those that this schema knows, that it reads in another way than we."""
    theirs, ours = schema.FromString(payload), alert_pb2.Alert.FromString(payload)
    return [
        field.name
        for field in schema.DESCRIPTOR.fields
        if field.name in ours.DESCRIPTOR.fields_by_name
        and _plain(getattr(theirs, field.name)) != _plain(getattr(ours, field.name))
    ]


def _plain(value: Any) -> Any:
    return value.SerializeToString(deterministic=True) if isinstance(value, Message) else value


def _keep(alert: DescriptorProto, highest: int) -> None:
    kept = [field for field in alert.field if field.number <= highest]
    del alert.field[:]
    alert.field.extend(kept)


def _changed(change: Callable[[DescriptorProto], None]) -> type[Message]:
    file = FileDescriptorProto()
    alert_pb2.DESCRIPTOR.CopyToProto(file)
    change(next(message for message in file.message_type if message.name == "Alert"))
    pool = descriptor_pool.DescriptorPool()  # of its own: ours holds the same names
    pool.Add(file)
    found: type[Message] = message_factory.GetMessageClass(
        pool.FindMessageTypeByName("maskDetection.Alert")
    )
    return found


# --- what would break a reader -------------------------------------------------------------------


def breaking(
    before: descriptor_pb2.FileDescriptorSet, after: descriptor_pb2.FileDescriptorSet
) -> list[str]:
    """Return what a reader or writer of `before` would no longer understand in `after`.

    Numbers, types and names stay; what is taken out leaves its number reserved. Adding is free.
    """
    now = {message.name: message for file in after.file for message in file.message_type}
    enums = {enum.name: enum for file in after.file for enum in file.enum_type}
    found: list[str] = []
    for file in before.file:
        for message in file.message_type:
            found += _message(message, now.get(message.name))
        for enum in file.enum_type:
            found += _enum(enum, enums.get(enum.name))
    return found


def _message(before: DescriptorProto, after: DescriptorProto | None) -> Iterator[str]:
    if after is None:
        yield f"{before.name} is gone"
        return
    fields = {field.number: field for field in after.field}
    reserved = {number for span in after.reserved_range for number in range(span.start, span.end)}
    for old in before.field:
        new = fields.get(old.number)
        if new is None and old.number not in reserved:
            yield f"{before.name}.{old.name} is gone and its number {old.number} not reserved"
        elif new is not None and _shape(old) != _shape(new):
            yield f"{before.name}.{old.name} = {old.number} was changed"


def _shape(field: Field) -> tuple[object, ...]:
    is_in_oneof = field.HasField("oneof_index")
    return field.name, field.type, field.label, field.type_name, is_in_oneof


def _enum(before: EnumDescriptorProto, after: EnumDescriptorProto | None) -> Iterator[str]:
    values = {value.number: value.name for value in after.value} if after else {}
    for old in before.value:
        if values.get(old.number) != old.name:
            yield f"{before.name}.{old.name} = {old.number} is gone or was changed"


if __name__ == "__main__":
    BASELINE.write_text(json_format.MessageToJson(in_use(), indent=1) + "\n", encoding="ascii")
