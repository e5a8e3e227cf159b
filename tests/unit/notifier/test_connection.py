import pytest
from hypothesis import given
from hypothesis import strategies as st
from notifier import connection


@pytest.mark.parametrize(
    ("data", "sent"),
    [
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a\r\n.b\r\n", b"a\r\n..b\r\n.\r\n"),
    ],
)
def test_leading_dots_are_doubled(data: bytes, sent: bytes) -> None:
    assert connection.dot_stuffed(data) == sent


@given(st.lists(st.sampled_from([b".", b"..", b"a", b"", b".a"]), max_size=8))
def test_receiver_finds_the_lines_that_were_sent(lines: list[bytes]) -> None:
    *received, end, after = connection.dot_stuffed(b"\r\n".join([*lines, b""])).split(b"\r\n")

    assert (end, after) == (b".", b"")
    assert b"." not in received
    assert [line.removeprefix(b".") for line in received] == (lines or [b""])
