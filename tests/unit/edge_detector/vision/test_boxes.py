import numpy as np
import pytest
from edge_detector.vision import boxes
from edge_detector.vision.arrays import Floats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays


def _floats(*rows: tuple[float, ...]) -> Floats:
    return np.array(rows, np.float32)


_corner = st.floats(0, 500, width=32)
_side = st.floats(1, 200, width=32)
_box = st.tuples(_corner, _corner, _side, _side).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
_boxes = st.lists(_box, max_size=25).map(lambda rows: np.array(rows, np.float32).reshape(-1, 4))


def test_cells_of_the_shipped_model_are_8500() -> None:
    assert len(boxes.grid(320, (4, 8, 16, 32))) == 8500


def test_cells_stand_row_by_row_and_level_by_level() -> None:
    cells = boxes.grid(64, (16, 32))

    assert cells.centres[:5].tolist() == [[8, 8], [24, 8], [40, 8], [56, 8], [8, 24]]
    assert cells.centres[16:].tolist() == [[16, 16], [48, 16], [16, 48], [48, 48]]
    assert cells.strides.ravel().tolist() == [16] * 16 + [32] * 4


def test_decoded_box_reaches_from_the_cells_centre_in_strides() -> None:
    cells = boxes.grid(64, (16, 32))

    found = boxes.decode(_floats((0.5, 0.25, 1, 2), (1, 1, 1, 1)), np.array([1, 16]), cells)

    assert found.tolist() == [[16, 4, 40, 40], [-16, -16, 48, 48]]


@given(
    scores=arrays.arrays(np.float32, st.integers(0, 200), elements=st.floats(0, 1, width=32)),
    score_min=st.floats(0, 1, width=32),
    most=st.integers(1, 50),
)
def test_strongest_are_the_best_in_falling_order(
    scores: Floats, score_min: float, most: int
) -> None:
    cells = boxes.strongest(scores, score_min=score_min, most=most)

    expected = sorted((float(s) for s in scores if s >= score_min), reverse=True)[:most]
    assert [float(scores[cell]) for cell in cells] == expected
    assert len(set(cells.tolist())) == len(cells)


def test_cell_without_a_number_is_not_strong() -> None:
    scores = np.array([np.nan, 0.9, np.nan], np.float32)

    assert boxes.strongest(scores, score_min=0.5, most=5).tolist() == [1]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ((0, 0, 10, 10), 1.0),
        ((20, 20, 30, 30), 0.0),
        ((10, 0, 20, 10), 0.0),
        ((0, 0, 10, 5), 0.5),
        ((5, 0, 15, 10), 1 / 3),
        ((5, 5, 5, 5), 0.0),
        ((10, 10, 0, 0), 0.0),
    ],
)
def test_iou(other: tuple[float, ...], expected: float) -> None:
    (found,) = boxes.iou(np.array((0, 0, 10, 10), np.float32), _floats(other))

    assert found == pytest.approx(expected)


def test_iou_of_nothing_with_nothing_is_none() -> None:
    empty = np.zeros(4, np.float32)

    assert boxes.iou(empty, empty[None]).tolist() == [0.0]
    assert boxes.iou(empty, np.zeros((0, 4), np.float32)).shape == (0,)


@given(_boxes)
def test_iou_is_symmetric_and_between_0_and_1(xyxy: Floats) -> None:
    table = np.array([boxes.iou(box, xyxy) for box in xyxy]).reshape(len(xyxy), len(xyxy))

    assert ((table >= 0) & (table <= 1 + 1e-6)).all()
    assert np.allclose(table, table.T, atol=1e-5)
    assert np.allclose(np.diag(table), 1, atol=1e-5)


def test_suppressing_nothing_leaves_nothing() -> None:
    assert boxes.suppress(np.zeros((0, 4), np.float32), iou_max=0.5).tolist() == []


def test_best_of_a_cluster_remains_and_far_boxes_stay() -> None:
    xyxy = _floats((0, 0, 10, 10), (1, 0, 11, 10), (100, 0, 110, 10), (0, 1, 10, 11))

    assert boxes.suppress(xyxy, iou_max=0.5).tolist() == [0, 2]


@given(xyxy=_boxes, iou_max=st.floats(0.1, 0.9))
def test_suppression_keeps_what_does_not_overlap_and_drops_only_what_does(
    xyxy: Floats, iou_max: float
) -> None:
    kept = boxes.suppress(xyxy, iou_max=iou_max).tolist()

    assert kept == sorted(set(kept))
    for place, box in enumerate(kept):
        assert (boxes.iou(xyxy[box], xyxy[kept[place + 1 :]]) <= iou_max).all()
    for dropped in set(range(len(xyxy))) - set(kept):
        better = [box for box in kept if box < dropped]
        assert (boxes.iou(xyxy[dropped], xyxy[better]) > iou_max - 1e-5).any()
    again = boxes.suppress(xyxy[kept], iou_max=iou_max).tolist()
    assert again == list(range(len(kept)))


@given(boxes_px=_boxes.filter(len), iou_min=st.floats(0, 1), data=st.data())
def test_every_kept_box_is_a_mean_of_those_that_overlap_it(
    boxes_px: Floats, iou_min: float, data: st.DataObject
) -> None:
    count = len(boxes_px)
    scores = np.array(
        data.draw(st.lists(st.floats(0, 1, width=32), min_size=count, max_size=count)), np.float32
    )
    kept = boxes.suppress(boxes_px, iou_max=0.45)

    say = boxes.ballot(boxes_px, scores, kept, iou_min=iou_min)

    assert say.shape == (len(kept), count)
    assert say.sum(axis=1) == pytest.approx(1, abs=1e-4)
    for row, index in zip(say, kept, strict=True):
        assert row[index] > 0
        assert (boxes.iou(boxes_px[index], boxes_px[row > 0]) >= iou_min).sum() >= (
            row > 0
        ).sum() - 1


def test_better_scored_boxes_have_more_say() -> None:
    pair = _floats((0, 0, 10, 10), (0, 0, 10, 12), (50, 50, 60, 60))

    say = boxes.ballot(pair, np.array([0.8, 0.4, 0.3], np.float32), np.array([0, 2]), iou_min=0.6)

    assert say.tolist() == [pytest.approx([0.8, 0.2, 0]), pytest.approx([0, 0, 1])]
    assert (say @ pair)[0].tolist() == pytest.approx([0, 0, 10, 10.4])


def test_nothing_kept_has_no_say() -> None:
    none = np.zeros((0, 4), np.float32)

    say = boxes.ballot(none, np.zeros(0, np.float32), np.zeros(0, np.intp), iou_min=0.6)

    assert say.shape == (0, 0)
    assert (say @ none).shape == (0, 4)
