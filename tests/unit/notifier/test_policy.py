import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from notifier.policy import CameraState, Rules, Verdict, judge

_NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
_RULES = Rules(cooldown=timedelta(minutes=10), deadline=timedelta(hours=24))
_OFF = replace(_RULES, cooldown=timedelta(0))


def _judge(camera: CameraState, *, at: datetime = _NOW, rules: Rules = _RULES) -> Verdict:
    return judge(camera, alert_id=7, event_time=at, now=at, rules=rules)


def _told(camera: CameraState, *, at: datetime) -> CameraState:
    """What the ledger makes of the state once a mail was sent."""
    return replace(camera, last_sent_at=at, open_alert_id=None, open_until=None)


def test_first_alert_of_a_camera_is_mailed() -> None:
    verdict = _judge(CameraState())

    assert verdict.is_mailed
    assert verdict.further == 0
    assert verdict.after == CameraState(open_alert_id=7, open_until=_NOW + _RULES.deadline)


def test_alert_in_the_cooldown_is_counted() -> None:
    verdict = _judge(CameraState(last_sent_at=_NOW - timedelta(minutes=9, seconds=59)))

    assert not verdict.is_mailed
    assert verdict.after.suppressed == 1
    assert verdict.after.suppressed_since == _NOW


def test_alert_is_mailed_once_the_cooldown_is_over() -> None:
    assert _judge(CameraState(last_sent_at=_NOW - _RULES.cooldown)).is_mailed


def test_mail_names_those_that_were_suppressed_and_starts_to_count_anew() -> None:
    since = _NOW - timedelta(minutes=8)
    camera = CameraState(
        last_sent_at=_NOW - timedelta(minutes=11), suppressed=3, suppressed_since=since
    )

    verdict = _judge(camera)

    assert (verdict.further, verdict.further_since) == (3, since)
    assert (verdict.after.suppressed, verdict.after.suppressed_since) == (0, None)


def test_alert_waits_while_a_mail_of_its_camera_is_on_its_way() -> None:
    on_its_way = _judge(CameraState()).after

    verdict = _judge(on_its_way, at=_NOW + timedelta(hours=23))

    assert not verdict.is_mailed
    assert verdict.after.open_alert_id == 7


def test_mail_that_never_arrives_does_not_silence_its_camera_for_ever() -> None:
    on_its_way = _judge(CameraState()).after

    assert _judge(on_its_way, at=_NOW + _RULES.deadline).is_mailed


def test_without_cooldown_every_alert_is_mailed() -> None:
    camera = CameraState(last_sent_at=_NOW, open_alert_id=3, open_until=_NOW + _RULES.deadline)

    assert _judge(camera, rules=_OFF).is_mailed


def test_clock_set_back_does_not_prolong_the_silence() -> None:
    camera = CameraState(last_sent_at=_NOW + timedelta(days=14))

    suppressed = _judge(camera)

    assert not suppressed.is_mailed
    assert _judge(suppressed.after, at=_NOW + _RULES.cooldown).is_mailed


def test_clock_set_back_does_not_prolong_the_wait_for_a_mail() -> None:
    on_its_way = _judge(CameraState(), at=_NOW + timedelta(days=14)).after

    suppressed = _judge(on_its_way)

    assert not suppressed.is_mailed
    assert _judge(suppressed.after, at=_NOW + _RULES.deadline).is_mailed


@given(
    pauses_s=st.lists(st.integers(0, 1500), max_size=60),
    answer_s=st.integers(0, 30),
    cooldown_min=st.integers(1, 20),
)
def test_mails_keep_their_distance_and_name_every_suppressed_alert(
    pauses_s: list[int], answer_s: int, cooldown_min: int
) -> None:
    rules = replace(_RULES, cooldown=timedelta(minutes=cooldown_min))
    camera, now = CameraState(), _NOW
    mailed_at: list[datetime] = []
    named = 0
    for pause_s in pauses_s:
        now += timedelta(seconds=pause_s)
        if camera.open_until and mailed_at[-1] + timedelta(seconds=answer_s) <= now:
            camera = _told(camera, at=mailed_at[-1] + timedelta(seconds=answer_s))
        verdict = _judge(camera, at=now, rules=rules)
        camera = verdict.after
        if verdict.is_mailed:
            mailed_at.append(now)
            named += verdict.further

    distances = [later - earlier for earlier, later in itertools.pairwise(mailed_at)]
    assert all(distance >= rules.cooldown for distance in distances)
    assert len(mailed_at) + named + camera.suppressed == len(pauses_s)


@given(
    jumps_s=st.lists(st.integers(-2_000_000, 2_000_000), max_size=20),
    sent=st.integers(-2_000_000, 2_000_000),
)
def test_no_clock_step_silences_a_camera_for_longer_than_one_cooldown(
    jumps_s: list[int], sent: int
) -> None:
    camera, now = CameraState(last_sent_at=_NOW + timedelta(seconds=sent)), _NOW
    for jump_s in jumps_s:
        now += timedelta(seconds=jump_s)
        verdict = _judge(camera, at=now)
        camera = _told(verdict.after, at=now) if verdict.is_mailed else verdict.after

    assert _judge(_judge(camera, at=now).after, at=now + _RULES.deadline).is_mailed
    assert camera.suppressed >= 0
