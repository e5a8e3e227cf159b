import numpy as np
from maskwatch_training.detector import decode
from maskwatch_training.detector.decode import Limits, Outputs
from maskwatch_training.detector.levels import cell_centres

_SIZE_PX = 64
_TRUTH = np.array([10.0, 12.0, 34.0, 40.0], np.float32)


def _outputs(cells: dict[int, tuple[float, np.ndarray, list[float]]]) -> Outputs:
    centres, strides = cell_centres(_SIZE_PX)
    scores = np.zeros((len(centres), 1), np.float32)
    boxes = np.zeros((len(centres), 4), np.float32)
    classes = np.full((len(centres), 3), 1 / 3, np.float32)
    for cell, (score, box, probabilities) in cells.items():
        x, y = centres[cell]
        scores[cell] = score
        boxes[cell] = np.array([x - box[0], y - box[1], box[2] - x, box[3] - y]) / strides[cell]
        classes[cell] = probabilities
    return Outputs(scores, boxes, classes)


def test_overlapping_cells_vote_on_corners_and_class() -> None:
    shifted = _TRUTH + np.array([3, 0, 3, 0], np.float32)
    found = decode.faces(
        _outputs({100: (0.8, _TRUTH, [0.4, 0.6, 0]), 101: (0.4, shifted, [1, 0, 0])}),
        Limits(0.3),
        size_px=_SIZE_PX,
    )
    share = 0.4**2 / (0.8**2 + 0.4**2)
    np.testing.assert_allclose(found.boxes_px, [_TRUTH + np.array([3, 0, 3, 0]) * share], rtol=1e-5)
    np.testing.assert_allclose(found.scores, [0.8])
    np.testing.assert_allclose(
        found.classes, [[0.4 + 0.6 * share, 0.6 - 0.6 * share, 0]], rtol=1e-5
    )


def test_distant_faces_do_not_vote_on_each_other() -> None:
    other = _TRUTH + np.float32(25)
    found = decode.faces(
        _outputs({100: (0.8, _TRUTH, [1, 0, 0]), 200: (0.7, other, [0, 1, 0])}),
        Limits(0.3),
        size_px=_SIZE_PX,
    )
    np.testing.assert_allclose(found.boxes_px, [_TRUTH, other], rtol=1e-5)
    assert found.labels.tolist() == [0, 1]


def test_nothing_found_gives_no_faces() -> None:
    found = decode.faces(_outputs({}), Limits(0.3), size_px=_SIZE_PX)
    assert found.boxes_px.shape == (0, 4)
    assert found.classes.shape == (0, 3)
