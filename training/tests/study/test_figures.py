import math

import numpy as np
import pytest
from maskwatch_training.study import metrics, rate_finder
from maskwatch_training.study.recipe import RateFinder


def test_scores_of_a_table_worked_by_hand() -> None:
    targets = np.array([0, 0, 0, 1, 1, 2])
    judged = np.array([0, 0, 1, 1, 0, 0])
    scores = metrics.scores(judged, targets, classes=3)
    assert scores.confusion == ((2, 1, 0), (1, 1, 0), (1, 0, 0))
    assert scores.accuracy == pytest.approx(3 / 6)
    assert scores.by_class[0].precision == pytest.approx(2 / 4)
    assert scores.by_class[0].recall == pytest.approx(2 / 3)
    assert scores.by_class[0].f1 == pytest.approx(4 / 7)
    assert scores.by_class[2] == metrics.ClassFigures(0.0, 0.0, 0.0, 1)
    assert scores.precision == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    assert scores.f1 == pytest.approx((4 / 7 + 1 / 2 + 0) / 3)


def test_interval_is_wilsons() -> None:
    # Newcombe, Two-sided confidence intervals for the single proportion, 1998, table I: 81 of 263.
    low, high = metrics.interval(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert metrics.interval(5, 5)[1] == pytest.approx(1.0)
    assert metrics.interval(0, 5)[0] == pytest.approx(0.0)


_SWEEP = RateFinder(steps=41, least=1e-5, most=10.0)


def test_rate_is_a_tenth_of_where_the_loss_is_least() -> None:
    found = rate_finder.sweep(lambda rate: (math.log10(rate) + 1) ** 2, _SWEEP, 1e-3)
    # The running mean lags behind the loss, so the least of it comes after a rate of 0.1.
    assert 0.01 <= found.rate <= 0.06
    assert found.reason.startswith("a tenth of")


def test_sweep_ends_where_the_loss_explodes() -> None:
    found = rate_finder.sweep(lambda rate: 1e4 if rate > 1 else 1 - rate / 2, _SWEEP, 1e-3)
    assert found.rates[-1] < 3
    assert found.rate <= 0.1


def test_sweep_ends_where_the_loss_is_no_number() -> None:
    found = rate_finder.sweep(lambda rate: math.nan if rate > 0.1 else 1 - rate, _SWEEP, 1e-3)
    assert max(found.rates) <= 0.1


def test_rate_stays_below_the_edge_where_the_loss_only_rises() -> None:
    def of_trained(rate: float) -> float:
        return 0.45 if rate <= 5e-3 else 9.0

    found = rate_finder.sweep(of_trained, _SWEEP, 0.5)
    assert 2e-4 <= found.rate <= 6e-4
    assert "before the loss rose" in found.reason


def test_lucky_first_batch_does_not_decide() -> None:
    losses = [0.3, *[0.45] * 30, 0.9, 2.0]
    rates = [1e-6 * 1.5**index for index in range(len(losses))]
    rate, _ = rate_finder.choose(rates, losses, 1e-3)
    assert rate == pytest.approx(rates[30] / 10)


def test_rate_of_the_recipe_stands_where_nothing_was_learned() -> None:
    assert rate_finder.sweep(lambda _: 1.0, _SWEEP, 1e-3).rate == 1e-3
    assert rate_finder.sweep(lambda _: math.nan, _SWEEP, 1e-3).rate == 1e-3
