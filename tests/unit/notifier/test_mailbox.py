import pytest
from hypothesis import given
from hypothesis import strategies as st
from notifier import mailbox
from notifier.mailbox import Mailbox


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann@example.org", Mailbox("ann@example.org")),
        ("  ann+ops@sub.example.org ", Mailbox("ann+ops@sub.example.org")),
        ("ann@localhost", Mailbox("ann@localhost")),
        ("Ann Müller <ann@example.org>", Mailbox("ann@example.org", "Ann Müller")),
        ('"Müller, Ann" <ann@example.org>', Mailbox("ann@example.org", "Müller, Ann")),
        ("<ann@example.org>", Mailbox("ann@example.org")),
    ],
)
def test_mailbox_is_read(text: str, expected: Mailbox) -> None:
    assert mailbox.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "ann@",
        "@example.org",
        "ann@exa mple.org",
        "a..b@example.org",
        ".ann@example.org",
        "ann@-example.org",
        "ann@example.org, bob@example.org",
        "ann@müller.example",
        "ann@example.org\r\nBcc: all@example.org",
        "Ann\nBcc: x <ann@example.org>",
        "Ann\x00 <ann@example.org>",
        "<b>Ann</b> <ann@example.org>",
        'A"nn <ann@example.org>',
        f"{'a' * 65}@example.org",
        f"ann@{'a.' * 130}org",
        f"{'n' * 101} <ann@example.org>",
    ],
)
def test_what_is_no_mailbox_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"control character|markup|no mail address"):
        mailbox.parse(text)


@given(st.text())
def test_no_text_gives_a_mailbox_that_could_end_a_header(text: str) -> None:
    try:
        parsed = mailbox.parse(text)
    except ValueError:
        return
    assert (parsed.address + parsed.name).isprintable()
    assert not set('<>"\\') & set(parsed.name)
