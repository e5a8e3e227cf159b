from datetime import UTC, datetime, timedelta

import pytest
from edge_detector.gateway import episodes
from edge_detector.gateway.boards import BoardPlan
from edge_detector.gateway.episodes import Outcome, Watch
from maskwatch_proto.alert import Label

_START = datetime(2026, 1, 1, tzinfo=UTC)
_PLAN = BoardPlan(id="b", absence_s=2.0)
_VALUES = {
    "m": {"mask": 0.9, "no_mask": 0.1},
    "n": {"mask": 0.1, "no_mask": 0.9},
    "b": {"bad_mask": 0.9},
    "u": {"mask": 0.5, "no_mask": 0.5},
    ".": {"no_face": 0.9, "mask": 0.1},
}


def _run(told: str, plan: BoardPlan = _PLAN) -> tuple[Watch, list[Outcome]]:
    """Feed a result a second; a blank is a second without one."""
    watch, outcomes = Watch(), []
    for second, sign in enumerate(told):
        if sign == " ":
            continue
        seen = episodes.judge(_VALUES[sign], plan)
        watch, outcome = episodes.observe(watch, seen, _START + timedelta(seconds=second), plan)
        outcomes.append(outcome)
    return watch, outcomes


@pytest.mark.parametrize(
    ("told", "alerts", "ended", "present"),
    [
        ("", 0, 0, False),
        ("....", 0, 0, False),
        ("nn", 0, 0, True),
        ("nnn", 1, 0, True),
        ("nnnnnnnn", 1, 0, True),
        ("mnmnmm", 0, 0, True),
        ("mmmmmmmm", 0, 0, True),
        ("uuuuuu", 0, 0, True),
        ("nunuun", 1, 0, True),
        ("nnn.nnn", 1, 0, True),  # one second is no absence
        ("nnn..nnn", 2, 1, True),
        ("nnn..", 1, 1, False),
        ("nnn   nnn", 1, 0, True),  # a board that is slow
        ("nnn      nnn", 2, 1, True),
        ("..mmm..nnn..", 1, 2, False),
        ("bbb", 0, 0, True),
    ],
)
def test_one_person_is_one_episode_and_at_most_one_alert(
    told: str, alerts: int, ended: int, *, present: bool
) -> None:
    watch, outcomes = _run(told)

    assert sum(outcome.alerted is not None for outcome in outcomes) == alerts
    assert sum(outcome.ended is not None for outcome in outcomes) == ended
    assert (watch.visit is not None) == present


def test_alert_tells_the_mean_probability_of_the_votes() -> None:
    _, outcomes = _run("nnn")

    assert outcomes[-1].violation is not None
    assert outcomes[-1].violation.probability == pytest.approx(0.9)


def test_mask_put_on_after_the_alert_is_remembered_once() -> None:
    _, outcomes = _run("nnnmmmm..")
    visit = outcomes[-1].ended

    assert visit is not None
    assert visit.alerted_at == _START + timedelta(seconds=2)
    assert visit.masked_at == _START + timedelta(seconds=5)
    assert visit.verdict is Label.MASK
    assert visit.seen_at - visit.started_at == timedelta(seconds=6)


def test_verdict_of_somebody_who_hurried_past_is_unsure() -> None:
    _, outcomes = _run("mn..")

    assert outcomes[-1].ended is not None
    assert outcomes[-1].ended.verdict is Label.UNSURE


def test_badly_worn_mask_is_an_alert_where_it_is_asked_for() -> None:
    _, outcomes = _run("bbb", BoardPlan(id="b", alert_bad_mask=True))

    assert outcomes[-1].violation is not None
    assert outcomes[-1].violation.label is Label.BAD_MASK


def test_values_of_labels_with_one_meaning_add_up() -> None:
    plan = BoardPlan.model_validate(
        {"id": "b", "labels": {"blue": "mask", "ffp2": "mask", "none": "no_mask"}}
    )
    seen = episodes.judge({"blue": 0.4, "ffp2": 0.3, "none": 0.3}, plan)

    assert seen is not None
    assert seen.label is Label.MASK
    assert seen.probability == pytest.approx(0.7)


def test_anomaly_score_alone_says_nothing() -> None:
    assert episodes.judge({"anomaly": 0.9}, _PLAN) is None
    assert episodes.judge({}, _PLAN) is None


def test_silent_board_ends_the_visit() -> None:
    watch, _ = _run("nnn")

    assert episodes.expire(watch, _PLAN, silent_s=59.0) == (watch, None)
    expired, ended = episodes.expire(watch, _PLAN, silent_s=60.0)
    assert ended == watch.visit
    assert expired == Watch(None, visits=1)
    assert episodes.expire(expired, _PLAN, silent_s=99.0) == (expired, None)
