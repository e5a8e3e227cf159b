import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
from edge_detector import events
from edge_detector.events import Composer, Identity, Numbering, Origin, Speaker, Stay
from edge_detector.evidence import Evidence
from edge_detector.people.episodes import Episode
from edge_detector.people.policy import Violation
from hypothesis import given
from hypothesis import strategies as st
from maskwatch_proto import contract
from maskwatch_proto.alert import Alert, ClockQuality, Device, Image, Label, Location, Model
from maskwatch_proto.device_event import DeviceEvent, EpisodeEnded, Heartbeat

_NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
_CAME = _NOW - timedelta(seconds=3)
_IDENTITY = Identity(
    device=Device(guid="device-1", type="pi", enrolled_on="2026-01-01"),
    model=Model(name="m", guid="g", threshold=0.5),
    runtime="litert 2",
    boot_id=UUID(int=7),
)
_DOOR = Origin("door", Location(longitude=2.5, latitude=48.5))
_EVIDENCE = Evidence(b"jpeg", 640, 480, np.array((1, 2, 3, 4), np.float32))
_VIOLATION = Violation(Label.NO_MASK, 0.75)
_PULSE = Heartbeat(uptime_s=1.0)


def _composer(identity: Identity = _IDENTITY) -> Composer:
    return Composer(identity, quality_at=lambda _: ClockQuality.SYNCHRONISED)


def _alert(speaker: Speaker, *, number: int = 1, violation: Violation = _VIOLATION) -> Alert:
    stay = Stay(speaker.episode_id(number), _CAME, violation, _EVIDENCE)
    return speaker.alert(stay, at=_NOW)


def test_alert_says_who_where_what_and_how_surely() -> None:
    alert = _alert(Speaker(_composer(), _DOOR))

    assert alert.device == _IDENTITY.device
    assert alert.location == _DOOR.location
    assert alert.face_model == alert.mask_model == _IDENTITY.model
    assert (alert.camera, alert.runtime) == ("door", "litert 2")
    assert (alert.label, alert.probability) == (Label.NO_MASK, 0.75)
    assert (alert.event_time, alert.episode_started_at) == (_NOW, _CAME)
    assert (alert.image.format, alert.image.width, alert.image.height) == ("jpg", 640, 480)
    assert alert.image.data == b"jpeg"
    assert alert.face_box is not None
    assert (alert.face_box.left, alert.face_box.bottom) == (1, 4)
    assert alert.clock_quality is ClockQuality.SYNCHRONISED
    assert contract.decode(contract.encode(alert)) == alert


def test_alert_without_a_picture_has_an_empty_one_and_no_box_in_it() -> None:
    alert = Speaker(_composer(), _DOOR).alert(Stay(UUID(int=1), _CAME, _VIOLATION, None), at=_NOW)

    assert alert.image == Image()
    assert alert.face_box is None
    assert contract.decode(contract.encode(alert)) == alert


def test_event_says_who_where_and_what() -> None:
    event = Speaker(_composer(), _DOOR).event(_PULSE, at=_NOW)

    assert (event.device, event.location, event.camera) == (
        _IDENTITY.device,
        _DOOR.location,
        "door",
    )
    assert (event.event_time, event.happening) == (_NOW, _PULSE)
    assert event.clock_quality is ClockQuality.SYNCHRONISED
    assert event.event_id.version == 7


def test_alerts_and_events_of_all_cameras_share_one_sequence() -> None:
    composer = _composer()
    door, hall = Speaker(composer, _DOOR), Speaker(composer, Origin("hall"))
    numbered: list[Alert | DeviceEvent] = []
    numbering = Numbering(numbered.append)
    made: list[Alert | DeviceEvent] = [
        _alert(door),
        hall.event(_PULSE, at=_NOW),
        _alert(hall),
        door.event(_PULSE, at=_NOW),
    ]

    for one in made:
        numbering.put(one)

    assert [one.sequence for one in numbered] == [1, 2, 3, 4]
    assert [one.event_id for one in numbered] == [one.event_id for one in made]
    assert {one.boot_id for one in numbered} == {str(UUID(int=7))}
    assert len({one.event_id for one in numbered}) == 4


def test_events_are_handed_on_in_the_order_of_their_numbers_whichever_thread_has_them() -> None:
    speaker = Speaker(_composer(), _DOOR)
    sequences: list[int] = []

    def slowly(event: Alert | DeviceEvent) -> None:
        time.sleep(0.0005)  # lets another thread in, where nothing keeps it out
        sequences.append(event.sequence)

    numbering = Numbering(slowly)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(200):
            pool.submit(lambda: numbering.put(speaker.event(_PULSE, at=_NOW)))

    assert sequences == list(range(1, 201))


def test_episode_has_one_id_in_its_camera_and_start() -> None:
    composer = _composer()
    door = Speaker(composer, _DOOR)

    first, again, other = (_alert(door, number=number) for number in (1, 1, 2))

    assert first.episode_id == again.episode_id == door.episode_id(1)
    assert len({door.episode_id(1), other.episode_id, Speaker(composer, _DOOR).episode_id(1)}) == 3


def test_end_of_an_episode_tells_what_is_known_of_it() -> None:
    episode = Episode(
        number=4,
        track=9,
        box_px=(0, 0, 1, 1),
        started_s=100.0,
        seen_s=160.0,
        verdict=Label.MASK,
        alerted_s=110.0,
        masked_s=125.0,
    )

    ended = events.episode_ended(episode, UUID(int=3), started_at=_NOW)

    assert ended == EpisodeEnded(
        episode_id=UUID(int=3),
        started_at=_NOW,
        duration_s=60.0,
        label=Label.MASK,
        violated=True,
        mask_put_on_after_s=15.0,
    )


@given(
    at=st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
    random_bits=st.integers(0, 2**74 - 1),
)
def test_event_id_is_a_uuid_of_version_7(at: datetime, random_bits: int) -> None:
    made = events.uuid7(at, random_bits)

    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == int(at.timestamp() * 1000)
    assert (made.int >> 64 & 0xFFF) << 62 | made.int & (1 << 62) - 1 == random_bits


@given(st.integers(0, 2**74 - 1), st.integers(0, 2**74 - 1))
def test_later_event_id_sorts_behind(first: int, second: int) -> None:
    earlier = events.uuid7(_NOW, first)
    later = events.uuid7(_NOW + timedelta(milliseconds=1), second)

    assert str(earlier) < str(later)


def test_alert_names_what_runs_the_models_now() -> None:
    names = iter(["litert 2 + libedgetpu.so.1", "litert 2"])
    composer = Composer(
        _IDENTITY, quality_at=lambda _: ClockQuality.UNCERTAIN, runtime=lambda: next(names)
    )
    speaker = Speaker(composer, _DOOR)

    told = [_alert(speaker).runtime for _ in range(2)]

    assert told == ["litert 2 + libedgetpu.so.1", "litert 2"]


def test_alert_names_the_model_that_judged_the_mask() -> None:
    second = Model(name="c", guid="h", threshold=0.6)
    speaker = Speaker(_composer(replace(_IDENTITY, classifier=second)), _DOOR)

    judged = [
        _alert(speaker, violation=replace(_VIOLATION, is_classified=told)) for told in (True, False)
    ]

    assert [alert.face_model for alert in judged] == [_IDENTITY.model] * 2
    assert [alert.mask_model for alert in judged] == [second, _IDENTITY.model]
