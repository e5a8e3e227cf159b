"""The value of a message on `to-notify-topic` and `notify-event-topic`: a row of the archive."""

import struct

from maskwatch_proto.invalid import InvalidMessage

_NUMBER = struct.Struct("<Q")


def encode(number: int) -> bytes:
    """Return the value that asks for a mail: 8 bytes, little-endian, unsigned.

    Args:
        number: The archive's `alert.id` or `device_event.id`, as the topic says.
    """
    return _NUMBER.pack(number)


def decode(value: bytes) -> int:
    """Return the number of the row; what follows the first 8 bytes is ignored.

    Raises:
        InvalidMessage: Fewer than 8 bytes.
    """
    if len(value) < _NUMBER.size:
        raise InvalidMessage("message", f"has {len(value)} bytes, a number has {_NUMBER.size}")
    number: int = _NUMBER.unpack_from(value)[0]
    return number
