import pytest
from maskwatch_proto import notification
from maskwatch_proto.invalid import InvalidMessage


def test_notification_is_eight_bytes_little_endian() -> None:
    assert notification.encode(0x0102) == bytes.fromhex("02 01 00 00 00 00 00 00")
    assert notification.decode(bytes.fromhex("ff ff ff ff ff ff ff ff 61")) == 2**64 - 1


@pytest.mark.parametrize("size", range(8))
def test_shorter_notification_is_invalid(size: int) -> None:
    with pytest.raises(InvalidMessage, match=f"has {size} bytes"):
        notification.decode(bytes(size))
