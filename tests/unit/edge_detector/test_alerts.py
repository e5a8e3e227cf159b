from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from edge_detector import alerts
from edge_detector.alerts import Composer, Identity
from edge_detector.evidence import Evidence
from edge_detector.people.policy import Violation
from hypothesis import given
from hypothesis import strategies as st
from maskwatch_proto import contract
from maskwatch_proto.alert import ClockQuality, Device, Label, Location, Model

_NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
_IDENTITY = Identity(
    device=Device(guid="device-1", type="pi", enrolled_on="2026-01-01"),
    location=Location(longitude=2.5, latitude=48.5),
    camera="door",
    model=Model(name="m", guid="g", threshold=0.5),
    runtime="litert 2",
    boot_id=UUID(int=7),
)
_EVIDENCE = Evidence(b"jpeg", 640, 480, np.array((1, 2, 3, 4), np.float32))
_VIOLATION = Violation(Label.NO_MASK, 0.75)


def _composer() -> Composer:
    return Composer(_IDENTITY, quality_at=lambda _: ClockQuality.SYNCHRONISED)


def test_alert_says_who_where_what_and_how_surely() -> None:
    alert = _composer().compose(_VIOLATION, _EVIDENCE, track=3, at=_NOW)

    assert alert.device == _IDENTITY.device
    assert alert.location == _IDENTITY.location
    assert alert.face_model == alert.mask_model == _IDENTITY.model
    assert (alert.camera, alert.runtime) == ("door", "litert 2")
    assert (alert.label, alert.probability) == (Label.NO_MASK, 0.75)
    assert alert.event_time == _NOW
    assert (alert.image.format, alert.image.width, alert.image.height) == ("jpg", 640, 480)
    assert alert.image.data == b"jpeg"
    assert alert.face_box is not None
    assert (alert.face_box.left, alert.face_box.bottom) == (1, 4)
    assert alert.clock_quality is ClockQuality.SYNCHRONISED
    assert contract.decode(contract.encode(alert)) == alert


def test_sequence_rises_by_one_within_a_start() -> None:
    composer = _composer()

    made = [composer.compose(_VIOLATION, _EVIDENCE, track=1, at=_NOW) for _ in range(3)]

    assert [alert.sequence for alert in made] == [1, 2, 3]
    assert {alert.boot_id for alert in made} == {str(UUID(int=7))}
    assert len({alert.event_id for alert in made}) == 3


def test_person_is_an_episode() -> None:
    composer = _composer()

    first, again, other = (
        composer.compose(_VIOLATION, _EVIDENCE, track=track, at=_NOW) for track in (1, 1, 2)
    )

    assert first.episode_id == again.episode_id != other.episode_id


@given(
    at=st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
    random_bits=st.integers(0, 2**74 - 1),
)
def test_event_id_is_a_uuid_of_version_7(at: datetime, random_bits: int) -> None:
    made = alerts.uuid7(at, random_bits)

    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == int(at.timestamp() * 1000)
    assert (made.int >> 64 & 0xFFF) << 62 | made.int & (1 << 62) - 1 == random_bits


@given(st.integers(0, 2**74 - 1), st.integers(0, 2**74 - 1))
def test_later_event_id_sorts_behind(first: int, second: int) -> None:
    earlier = alerts.uuid7(_NOW, first)
    later = alerts.uuid7(_NOW + timedelta(milliseconds=1), second)

    assert str(earlier) < str(later)


@pytest.mark.parametrize(
    ("now", "has_systemd", "is_set", "expected"),
    [
        (_NOW, False, False, ClockQuality.SYNCHRONISED),
        (_NOW, True, True, ClockQuality.SYNCHRONISED),
        (_NOW, True, False, ClockQuality.UNCERTAIN),
        (datetime(1970, 1, 1, tzinfo=UTC), False, False, ClockQuality.UNCERTAIN),
        (datetime(2023, 12, 31, tzinfo=UTC), True, True, ClockQuality.UNCERTAIN),
    ],
)
def test_clock_is_believed_when_it_is_set(
    tmp_path: Path, now: datetime, expected: ClockQuality, *, has_systemd: bool, is_set: bool
) -> None:
    timesync = tmp_path / "timesync"
    if has_systemd:
        timesync.mkdir()
    if is_set:
        (timesync / "synchronized").touch()

    assert alerts.clock_quality(now, timesync=timesync) is expected


def test_alert_names_the_model_that_judged_the_mask() -> None:
    second = Model(name="c", guid="h", threshold=0.6)
    identity = replace(_IDENTITY, classifier=second)
    composer = Composer(identity, quality_at=lambda _: ClockQuality.SYNCHRONISED)

    judged = [
        composer.compose(replace(_VIOLATION, is_classified=told), _EVIDENCE, track=1, at=_NOW)
        for told in (True, False)
    ]

    assert [alert.face_model for alert in judged] == [_IDENTITY.model] * 2
    assert [alert.mask_model for alert in judged] == [second, _IDENTITY.model]
