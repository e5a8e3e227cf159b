import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maskwatch_training.datasets import labelled
from maskwatch_training.datasets.labelled import Box, Entry, InvalidAnnotation

GOOD: dict[str, Any] = {
    "file": "a.jpg",
    "width": 20,
    "height": 10,
    "boxes": [{"xyxy": [1, 2, 6, 7], "label": "mask"}],
    "dataset": "own",
    "licence": "CC0",
}


def _with_box(**fields: Any) -> dict[str, Any]:
    return GOOD | {"boxes": [GOOD["boxes"][0], GOOD["boxes"][0] | fields]}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({}, "file: is missing"),
        (GOOD | {"file": ""}, "file: "),
        (GOOD | {"file": "/etc/passwd"}, "file: '/etc/passwd' leads out of the folder"),
        (GOOD | {"file": "../a.jpg"}, "leads out of the folder"),
        (GOOD | {"width": 0}, "width: Input should be greater than 0, not 0"),
        (GOOD | {"height": "10"}, "height: Input should be a valid integer, not '10'"),
        (GOOD | {"boxes": None}, "boxes: "),
        (GOOD | {"group": [1]}, "group"),
        (_with_box(label="veil"), r"boxes\[1\]\.label: .*no_mask.*, not 'veil'"),
        (_with_box(xyxy=[1, 2, 3]), r"boxes\[1\]\.xyxy"),
        (_with_box(xyxy=[1, 2, 3, "4"]), r"boxes\[1\]\.xyxy\[3\]: .*, not '4'"),
        (_with_box(xyxy=[5, 2, 5, 4]), r"boxes\[1\]\.xyxy: \[5.0, 2.0, 5.0, 4.0\] has no area"),
        (_with_box(xyxy=[6, 2, 5, 4]), "has no area"),
        (_with_box(xyxy=[-1, 2, 5, 4]), r"boxes\[1\].*outside the picture of 20x10 px"),
        (_with_box(xyxy=[1, 2, 21, 4]), "outside the picture"),
    ],
)
def test_field_that_cannot_be_used_is_named(
    tmp_path: Path, entry: dict[str, Any], said: str
) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps(GOOD | {"file": "first.jpg"}) + "\n\n" + json.dumps(entry))
    with pytest.raises(InvalidAnnotation, match=rf"own\.jsonl:3: .*{said}"):
        labelled.read(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"file": ', "own.jsonl:1: is no JSON: EOF"),
        (b"[1]", r"own.jsonl:1: line: .*, not \[1\]"),
        (b'{"width": NaN}', "own.jsonl:1: "),
        (b"\xff\xfe", "own.jsonl: is no UTF-8 text"),
    ],
)
def test_damaged_file_is_named(tmp_path: Path, text: bytes, said: str) -> None:
    (tmp_path / "own.jsonl").write_bytes(text)
    with pytest.raises(InvalidAnnotation, match=said):
        labelled.read(tmp_path / "own.jsonl")


def test_coordinate_that_is_not_finite_is_refused() -> None:
    line = json.dumps(_with_box(xyxy=[1, 2, float("inf"), 4])).replace("Infinity", "1e999")
    with pytest.raises(InvalidAnnotation, match=r"boxes\[1\]\.xyxy\[2\]"):
        labelled.parse(line, "own.jsonl:1")


def test_picture_that_is_described_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps(GOOD | {"boxes": []}))
    with pytest.raises(InvalidAnnotation, match=r"own\.jsonl:2: file: a\.jpg stands in line 1"):
        labelled.read(path)


def test_empty_file_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text("")
    assert labelled.read(tmp_path / "own.jsonl") == []


def test_picture_without_group_stands_alone() -> None:
    assert labelled.parse(json.dumps(GOOD), "x").scene == "a.jpg"
    assert labelled.parse(json.dumps(GOOD | {"group": 7}), "x").scene == "7"


_side = st.floats(0, 50, allow_nan=False, width=32)
_boxes = st.builds(
    lambda x, y, width, height, label: Box(xyxy=(x, y, x + width, y + height), label=label),
    _side,
    _side,
    st.floats(1, 50),
    st.floats(1, 50),
    st.sampled_from(("mask", "no_mask", "bad_mask")),
)


@given(
    file=st.from_regex(r"[a-zé ü]{1,9}\.jpg", fullmatch=True),
    boxes=st.lists(_boxes, max_size=4),
    group=st.none() | st.text(max_size=5) | st.integers(),
    source=st.text(max_size=9),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    file: str,
    boxes: list[Box],
    group: str | int | None,
    source: str,
) -> None:
    fields = GOOD | {"file": file, "width": 100, "height": 100, "group": group, "source": source}
    fields["boxes"] = tuple(boxes)
    entry = Entry.model_validate(fields)
    path = tmp_path_factory.mktemp("set") / "own.jsonl"
    labelled.write(path, [entry])
    (back,) = labelled.read(path)
    assert back == entry
    assert back.as_mapping()["source"] == source


@pytest.mark.parametrize("separator", ["\x85", "\u2028", "\u2029"])
def test_line_separator_inside_a_text_ends_no_line(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "own.jsonl"
    entries = [
        Entry.model_validate_json(json.dumps(GOOD | {"file": name, "licence": f"a{separator}b"}))
        for name in ("a.jpg", "b.jpg")
    ]
    labelled.write(path, entries)
    assert separator in path.read_text(encoding="utf-8")  # as it stands, not escaped
    assert labelled.read(path) == entries
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert labelled.read(path) == entries
