from pathlib import Path

import pytest
from edge_detector.gateway import boards
from edge_detector.gateway.boards import BoardPlan, Meaning
from edge_detector.gateway.results import InvalidResult
from maskwatch_proto.alert import Label
from maskwatch_runtime.errors import Misconfigured


def _read(folder: Path, text: str) -> boards.Fleet:
    path = folder / "gateway.yml"
    path.write_text(text, encoding="utf-8")
    return boards.read(path)


def test_without_a_file_no_board_is_known() -> None:
    assert boards.read(None).boards == ()


def test_boards_take_what_they_do_not_say_from_the_defaults(tmp_path: Path) -> None:
    fleet = _read(
        tmp_path,
        """
defaults: {votes_agreeing: 2, labels: {bare: no_mask, "Face mask": mask, empty: no_face}}
boards:
  - {id: porch, name: North porch, location: {longitude: 2.35, latitude: 48.85}}
  - {id: lab, votes_agreeing: 4, alert_bad_mask: true, guid: lab-guid}
live_views:
  - {url: "http://127.0.0.1:4912", board: lab}
""",
    )
    porch, lab = fleet.boards

    assert porch.shown_name == "North porch"
    assert porch.location.latitude == 48.85
    assert (porch.votes_agreeing, lab.votes_agreeing) == (2, 4)
    assert porch.rules.alerts_on == {Label.NO_MASK}
    assert lab.rules.alerts_on == {Label.NO_MASK, Label.BAD_MASK}
    assert lab.shown_name == "lab"
    assert fleet.live_views[0].board == "lab"
    assert fleet.plan_of_unknown("new").votes_agreeing == 2
    assert boards.meaning("face-MASK", porch) is Meaning.MASK


def test_empty_file_is_a_fleet_without_boards(tmp_path: Path) -> None:
    assert _read(tmp_path, "# nothing yet\n").boards == ()


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("- a", 1, "has to be a map"),
        ("boards: 3", 1, "has to be a list"),
        ("boards:\n- 3", 2, "a board is a map"),
        ("boards:\n- name: x", 2, "id: is missing"),
        ("boards:\n- id: a/b", 2, "id: device is no name"),
        ("boards:\n- id: a\n  colour: red", 3, "colour: there is no such key"),
        ("boards:\n- id: a\n  labels: {x: hat}", 3, "'mask', 'no_mask', 'bad_mask' or 'no_face'"),
        ("boards:\n- id: a\n  labels: {A b: mask, a_B: mask}", 2, "differ only in case"),
        ("boards:\n- id: a\n  votes_agreeing: 9", 2, "larger than votes_among"),
        ("boards:\n- id: a\n- id: b\n- id: a", 4, "is the id of the board at"),
        ("boards:\n- {id: a, guid: g}\n- {id: b, guid: g}", 3, "is the guid of the board at"),
        ("defaults: 3", 1, "has to be a map"),
        ("defaults:\n  absence_s: -1", 2, "absence_s"),
        ("defaults:\n  id: a", 2, "belongs to one board"),
        ("boards: []\ncolour: red", 2, "colour: there is no such key"),
        ("boards: []\nlive_views:\n- url: nowhere\n  board: a", 3, "valid URL"),
        ("boards: [\n", 2, "expected"),
    ],
)
def test_mistake_is_told_with_its_line(tmp_path: Path, text: str, line: int, told: str) -> None:
    with pytest.raises(Misconfigured, match=f"gateway.yml:{line}: .*{told}"):
        _read(tmp_path, text)


def test_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        boards.read(tmp_path / "gateway.yml")


@pytest.mark.parametrize(
    ("label", "meaning"),
    [
        ("mask", Meaning.MASK),
        ("No Mask", Meaning.NO_MASK),
        ("no-face", Meaning.NO_FACE),
        ("BACKGROUND", Meaning.NO_FACE),
        ("bad_mask", Meaning.BAD_MASK),
        ("anomaly", None),
    ],
)
def test_common_labels_are_known(label: str, meaning: Meaning | None) -> None:
    assert boards.meaning(label, BoardPlan(id="b")) is meaning


def test_board_that_names_its_labels_means_those_alone() -> None:
    plan = BoardPlan(id="b", labels={"masked": Meaning.MASK})

    with pytest.raises(InvalidResult, match=r"'no_mask' is not known \(known: masked\)"):
        boards.meaning("no_mask", plan)
