from pathlib import Path

import pytest
from edge_detector import yaml_lines
from maskwatch_runtime.errors import Misconfigured

_PATH = Path("cameras.yml")


def test_values_are_read_and_have_their_lines() -> None:
    document = yaml_lines.parse("a: 1\nb:\n  - x: yes\n  - [0.5, text]\n", path=_PATH)

    assert document.data == {"a": 1, "b": [{"x": True}, [0.5, "text"]]}
    assert document.where(("a",)) == "cameras.yml:1"
    assert document.where(("b", 0, "x")) == "cameras.yml:3"
    assert document.where(("b", 1, 1)) == "cameras.yml:4"


def test_what_the_file_does_not_have_is_where_it_would_be() -> None:
    document = yaml_lines.parse("a:\n  b: 1\n", path=_PATH)

    assert document.where(("a", "missing")) == "cameras.yml:1"
    assert document.where(("a", "a type's name", "b")) == "cameras.yml:2"


def test_empty_file_is_nothing() -> None:
    assert yaml_lines.parse("", path=_PATH).data is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1, 2", r"cameras\.yml:1: expected ',' or ']'"),
        ("a: 1\n\tb: 2", r"cameras\.yml:2: found character"),
        ("a: 1\nb: 2\na: 3", r"cameras\.yml:3: a is there twice"),
        ("a: &x 1\nb: *x", r"cameras\.yml:1: anchors and aliases are not read"),
        ("[a, b]: 1", r"cameras\.yml:1: a key has to be a word"),
        ("a: 1\nb: 2026-02-30", r"cameras\.yml:2: day is out of range"),
        ("a: !!python/object/apply:os.system [id]", r"cameras\.yml:1: the tag .* is not read"),
        ("a: !unknown 3", r"cameras\.yml:1: could not determine"),
        ("a: \x07", r"cameras\.yml:1: unacceptable character"),
        ("[" * 1000, r"cameras\.yml:1: nested too deeply"),
        ("a: 1\n---\nb: 2", r"cameras\.yml:2: but found another document"),
    ],
)
def test_what_is_no_settings_file_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=said) as refused:
        yaml_lines.parse(text, path=_PATH)

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [(None, "No such file"), (b"\xff\xfe\x00", "utf-8"), (b"# " + b"x" * 1_100_000, "larger than")],
)
def test_file_that_cannot_be_read_is_named(tmp_path: Path, data: bytes | None, said: str) -> None:
    path = tmp_path / "cameras.yml"
    if data is not None:
        path.write_bytes(data)

    with pytest.raises(Misconfigured, match=said) as refused:
        yaml_lines.read(path)

    assert str(path) in str(refused.value)
