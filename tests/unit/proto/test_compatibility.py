"""What was ever published can be read for ever: the schema is compared with its frozen form."""

from collections.abc import Callable

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

from faults import compatibility


def _alert(files: FileDescriptorSet) -> DescriptorProto:
    return next(one for file in files.file for one in file.message_type if one.name == "Alert")


def _label(files: FileDescriptorSet) -> EnumDescriptorProto:
    return next(one for file in files.file for one in file.enum_type if one.name == "Label")


def _remove(files: FileDescriptorSet) -> None:
    del _alert(files).field[0]


def _remove_and_reserve(files: FileDescriptorSet) -> None:
    _alert(files).reserved_range.add(start=1, end=2)
    _remove(files)


def _renumber(files: FileDescriptorSet) -> None:
    _alert(files).field[0].number = 99


def _retype(files: FileDescriptorSet) -> None:
    _alert(files).field[0].type = Field.TYPE_BYTES


def _rename(files: FileDescriptorSet) -> None:
    _alert(files).field[0].name = "at"


def _repeat(files: FileDescriptorSet) -> None:
    _alert(files).field[0].label = Field.LABEL_REPEATED


def _add(files: FileDescriptorSet) -> None:
    _alert(files).field.add(
        name="shift", number=200, type=Field.TYPE_STRING, label=Field.LABEL_OPTIONAL
    )


def _drop_message(files: FileDescriptorSet) -> None:
    del files.file[0].message_type[0]


def _drop_enum_value(files: FileDescriptorSet) -> None:
    del _label(files).value[-1]


def _renumber_enum_value(files: FileDescriptorSet) -> None:
    _label(files).value[-1].number = 77


def _add_enum_value(files: FileDescriptorSet) -> None:
    _label(files).value.add(name="LABEL_VISOR", number=9)


def test_schema_in_use_reads_and_is_read_by_the_frozen_one() -> None:
    assert compatibility.breaking(compatibility.baseline(), compatibility.in_use()) == []


def test_additions_are_frozen_too() -> None:
    frozen, used = compatibility.baseline(), compatibility.in_use()

    assert frozen == used, "freeze it: python -m faults.compatibility"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_remove, "event_time is gone"),
        (_renumber, "event_time is gone"),
        (_retype, "event_time = 1 was changed"),
        (_rename, "event_time = 1 was changed"),
        (_repeat, "event_time = 1 was changed"),
        (_drop_message, "Alert is gone"),
        (_drop_enum_value, "LABEL_UNSURE = 4 is gone"),
        (_renumber_enum_value, "LABEL_UNSURE = 4 is gone"),
    ],
)
def test_change_that_breaks_a_reader_is_named(
    change: Callable[[FileDescriptorSet], None], says: str
) -> None:
    after = compatibility.in_use()
    change(after)

    (found,) = compatibility.breaking(compatibility.in_use(), after)

    assert says in found


@pytest.mark.parametrize("change", [_add, _add_enum_value, _remove_and_reserve])
def test_change_that_old_readers_survive_is_free(
    change: Callable[[FileDescriptorSet], None],
) -> None:
    after = compatibility.in_use()
    change(after)

    assert compatibility.breaking(compatibility.in_use(), after) == []
