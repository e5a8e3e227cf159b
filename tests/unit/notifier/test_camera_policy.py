from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from notifier.camera_policy import DeviceState, OpenMail, Rules, Verdict, judge

_NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_RULES = Rules(group_wait=timedelta(seconds=30), per_hour=2, deadline=timedelta(days=1))
_SOON = _NOW + _RULES.group_wait
_NEW = DeviceState(open=None, due={})


def _judge(
    device: DeviceState, *, event_id: int = 7, camera: str = "Gate 3", at: datetime = _NOW
) -> Verdict:
    return judge(device, event_id=event_id, camera=camera, now=at, rules=_RULES)


def _told(camera: str, *at: datetime) -> DeviceState:
    """A device whose mails have left, the last of them numbered highest."""
    return DeviceState(open=None, due={camera: dict(enumerate(at, start=1))})


def test_first_change_begins_a_mail_that_waits_for_others() -> None:
    verdict = _judge(_NEW)

    assert verdict.is_new
    assert verdict.mail == OpenMail(7, _SOON)
    assert verdict.after == DeviceState(open=verdict.mail, due={"Gate 3": {7: _SOON}})


def test_change_of_another_camera_joins_the_mail_and_does_not_put_it_off() -> None:
    first = _judge(_NEW).after

    verdict = _judge(first, event_id=8, camera="Gate 4", at=_NOW + timedelta(seconds=20))

    assert not verdict.is_new
    assert verdict.mail == OpenMail(7, _SOON)
    assert verdict.after.due == {"Gate 3": {7: _SOON}, "Gate 4": {7: _SOON}}


def test_camera_that_comes_back_before_the_mail_left_joins_it() -> None:
    verdict = _judge(_judge(_NEW).after, event_id=8)

    assert verdict.mail == OpenMail(7, _SOON)
    assert verdict.after.due == {"Gate 3": {7: _SOON}}


def test_change_beyond_the_hours_mails_waits_until_the_first_is_an_hour_old() -> None:
    first_at = _NOW - timedelta(minutes=50)

    verdict = _judge(_told("Gate 3", first_at, _NOW - timedelta(minutes=20)))

    assert verdict.is_new
    assert verdict.mail.due_at == first_at + _HOUR


def test_mails_that_are_an_hour_old_count_no_more() -> None:
    device = _told("Gate 3", _NOW - _HOUR, _NOW - timedelta(minutes=20))

    assert _judge(device).mail.due_at == _SOON


def test_other_cameras_mails_do_not_count() -> None:
    device = _told("Gate 4", *(_NOW - timedelta(minutes=number) for number in (1, 2, 3)))

    assert _judge(device).mail.due_at == _SOON


def test_open_mail_does_not_count_against_its_own_camera() -> None:
    device = _told("Gate 3", _NOW - timedelta(minutes=20))
    opened = _judge(device).after

    assert _judge(opened, event_id=8).mail == OpenMail(7, _SOON)


def test_quiet_camera_brings_the_mail_of_a_flapping_one_forward() -> None:
    flapping = _judge(_told("Gate 3", *[_NOW - timedelta(minutes=1)] * 2)).after

    verdict = _judge(flapping, event_id=8, camera="Gate 4")

    assert verdict.mail == OpenMail(7, _SOON)
    assert verdict.after.due["Gate 3"][7] == _SOON


def test_mail_that_waits_for_the_mail_server_stays_due() -> None:
    waiting = _judge(_NEW).after

    verdict = _judge(waiting, event_id=8, at=_NOW + timedelta(hours=3))

    assert verdict.mail == OpenMail(7, _SOON)


def test_clock_set_back_puts_no_mail_off_for_more_than_an_hour() -> None:
    future = _NOW + timedelta(days=14)
    device = replace(_told("Gate 3", future, future), open=OpenMail(9, future))

    assert _judge(device).mail.due_at <= _NOW + _HOUR


def _most_in_an_hour(moments: Sequence[datetime]) -> int:
    return max(
        (sum(start <= one < start + _HOUR for one in moments) for start in moments), default=0
    )


@given(pauses_s=st.lists(st.integers(0, 1200), max_size=40), answer_s=st.integers(0, 60))
def test_camera_that_flaps_begins_no_more_mails_than_an_hour_allows(
    pauses_s: list[int], answer_s: int
) -> None:
    device, now = _NEW, _NOW
    begun: list[datetime] = []
    for number, pause_s in enumerate(pauses_s):
        now += timedelta(seconds=pause_s)
        device = _sent(device, now=now, answer_s=answer_s)
        verdict = _judge(device, event_id=number, at=now)
        device = verdict.after
        begun += [verdict.mail.due_at] if verdict.is_new else []

    assert _most_in_an_hour(begun) <= _RULES.per_hour


@given(
    steps=st.lists(st.tuples(st.integers(-600, 1200), st.sampled_from("abc")), max_size=40),
    answer_s=st.integers(0, 60),
)
def test_every_change_is_told_within_an_hour_whatever_the_clock_does(
    steps: list[tuple[int, str]], answer_s: int
) -> None:
    device, now = _NEW, _NOW
    for number, (pause_s, camera) in enumerate(steps):
        now += timedelta(seconds=pause_s)
        device = _sent(device, now=now, answer_s=answer_s)
        verdict = _judge(device, event_id=number, camera=camera, at=now)
        device = verdict.after

        assert verdict.mail.due_at <= now + _HOUR
        assert device.due[camera][verdict.mail.id] == verdict.mail.due_at
        assert verdict.is_new == (verdict.mail.id == number)


def _sent(device: DeviceState, *, now: datetime, answer_s: int) -> DeviceState:
    """What the ledger makes of the state once the open mail was sent."""
    if device.open and device.open.due_at + timedelta(seconds=answer_s) <= now:
        return replace(device, open=None)
    return device
