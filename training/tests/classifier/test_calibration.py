import numpy as np
import pytest
from maskwatch_training.arrays import Floats, Integers
from maskwatch_training.classifier import calibration


def _sampled(sharpened: float, count: int = 4000) -> tuple[Floats, Integers]:
    random = np.random.default_rng(6)
    logits = random.normal(0, 2, (count, 3)).astype(np.float32)
    true = calibration.softmax(logits)
    labels = np.array([random.choice(3, p=row / row.sum()) for row in true.astype(np.float64)])
    return logits * np.float32(sharpened), labels


@pytest.mark.parametrize("sharpened", [0.5, 1.0, 3.0])
def test_temperature_undoes_what_made_the_logits_too_sure(sharpened: float) -> None:
    logits, labels = _sampled(sharpened)
    assert calibration.fit(logits, labels) == pytest.approx(sharpened, rel=0.12)


def test_calibration_mends_the_error_also_on_the_other_half() -> None:
    logits, labels = _sampled(3.0)
    found = calibration.calibrate(logits, labels, np.arange(len(labels)) // 4)
    assert found.error_before > 0.15
    assert found.error_after < 0.03
    assert found.error_cross_fitted < 0.03


def test_error_is_the_gap_between_confidence_and_truth() -> None:
    sure = np.array([[0.9, 0.1]] * 10, np.float32)
    assert calibration.error(sure, np.zeros(10, np.int64)) == pytest.approx(0.1, abs=1e-5)
    assert calibration.error(sure, np.ones(10, np.int64)) == pytest.approx(0.9, abs=1e-5)
    assert np.isnan(calibration.error(sure[:0], np.zeros(0, np.int64)))


def test_one_photo_alone_cannot_be_cross_fitted_but_is_calibrated() -> None:
    logits, labels = _sampled(2.0, 200)
    found = calibration.calibrate(logits, labels, np.zeros(200, np.int64))
    assert found.error_cross_fitted == pytest.approx(found.error_before)
    assert found.temperature > 1.2
