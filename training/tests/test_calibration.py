import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from maskwatch_training import calibration
from maskwatch_training.arrays import Floats, Integers


def _sampled(sharpened: float, count: int = 4000) -> tuple[Floats, Integers]:
    """Labels drawn as honest logits say, and these logits made too sure by a factor."""
    random = np.random.default_rng(6)
    honest = random.normal(0, 2, (count, 3)).astype(np.float32)
    drawn = (random.random((count, 1)) > calibration.softmax(honest).cumsum(axis=1)).sum(axis=1)
    return honest * np.float32(sharpened), np.minimum(drawn, 2)


@pytest.mark.parametrize("sharpened", [0.5, 1.0, 3.0])
def test_temperature_that_was_put_in_is_found(sharpened: float) -> None:
    logits, targets = _sampled(sharpened)
    assert calibration.temperature(logits, targets) == pytest.approx(sharpened, rel=0.08)


def test_temperature_has_the_least_loss_of_all() -> None:
    logits, targets = _sampled(2.0, 300)
    found = calibration.temperature(logits, targets)
    least = calibration.likelihood_loss(logits, targets, found)
    for other in np.geomspace(0.2, 5.0, 50):
        assert least <= calibration.likelihood_loss(logits, targets, float(other)) + 1e-9


def test_few_faces_without_an_error_do_not_make_certainties() -> None:
    logits = np.array([[4, 0, 0], [0, 4, 0], [0, 0, 4]], np.float32)
    assert 0.2 <= calibration.temperature(logits, np.arange(3)) <= 5.0


def test_loss_is_exact_where_a_probability_is_too_small_for_a_float() -> None:
    logits = np.array([[900, 0]], np.float32)
    assert calibration.likelihood_loss(logits, np.array([1])) == pytest.approx(900.0)
    assert calibration.likelihood_loss(logits, np.array([1]), 3.0) == pytest.approx(300.0)
    assert calibration.likelihood_loss(logits, np.array([0])) == 0.0


@given(st.floats(0.05, 20), st.integers(0, 1000))
def test_temperature_changes_no_judgement(temperature: float, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 3, (5, 3)).astype(np.float32)
    warm = calibration.softmax(logits, temperature)
    assert np.allclose(warm.sum(axis=1), 1, atol=1e-5)
    assert (warm.argmax(axis=1) == logits.argmax(axis=1)).all()


def test_calibration_error_of_two_bins_worked_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]], np.float32)
    found = calibration.reliability(probabilities, np.array([0, 1, 1, 1]), bins=10)
    assert found.ece == pytest.approx(0.5 * abs(0.9 - 0.5) + 0.5 * abs(0.6 - 1.0), abs=1e-6)
    assert sum(found.counts) == 4
    assert found.accuracy[9] == pytest.approx(0.5)


def test_certainty_falls_into_the_last_bin() -> None:
    found = calibration.reliability(np.array([[1.0, 0.0]], np.float32), np.array([0]), bins=4)
    assert found.counts == (0, 0, 0, 1)
    assert found.ece == 0


def test_error_is_the_gap_between_confidence_and_truth() -> None:
    sure = np.array([[0.9, 0.1]] * 10, np.float32)
    assert calibration.error(sure, np.zeros(10, np.int64)) == pytest.approx(0.1, abs=1e-5)
    assert calibration.error(sure, np.ones(10, np.int64)) == pytest.approx(0.9, abs=1e-5)
    assert math.isnan(calibration.error(sure[:0], np.zeros(0, np.int64)))


def test_calibration_mends_the_error_also_on_the_other_half() -> None:
    logits, targets = _sampled(3.0)
    found = calibration.calibrate(logits, targets, np.arange(len(targets)) // 4)
    assert found.error_before > 0.15
    assert found.error_after < 0.03
    assert found.error_cross_fitted < 0.03


def test_one_photo_alone_cannot_be_cross_fitted_but_is_calibrated() -> None:
    logits, targets = _sampled(2.0, 200)
    found = calibration.calibrate(logits, targets, np.zeros(200, np.int64))
    assert found.error_cross_fitted == pytest.approx(found.error_before)
    assert found.error_after < found.error_before
