"""Asks every question of docs/sql.md as an analyst, and compares the answers."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from ingress.archive import Archive
from ingress.event_archive import EventArchive
from ingress.settings import IngressSettings
from maskwatch_proto.alert import Alert, Device, Label
from maskwatch_proto.device_event import (
    CameraChanged,
    CameraPulse,
    CameraState,
    Compliance,
    DeviceEvent,
    EpisodeEnded,
    Heartbeat,
)
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.postgres import Pool

Connect = Callable[[str], Awaitable[asyncpg.Connection]]
MakeEvent = Callable[..., DeviceEvent]
_PAGE = (Path(__file__).parents[3] / "docs" / "sql.md").read_text(encoding="utf-8")
_QUERIES = {
    title.strip(): sql
    for title, sql in re.findall(r"\n([^\n]+):\n\n```sql\n(.*?)```", _PAGE, re.DOTALL)
}
_VIEWS = (
    *("compliance", "episode", "camera_outage", "device_health"),
    *("device_boot", "sequence_gap"),
)
_NOW = datetime.now(UTC)
_QUARTER = _NOW.replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
_ALERTED, _STUBBORN, _FINE = (uuid4() for _ in range(3))
_SECOND = Device(guid="door-2")
_SILENT = Device(guid="door-3")  # its numbers do not add up


def _compliance(make_event: MakeEvent, camera: str, at: datetime, *counts: int) -> DeviceEvent:
    """With, without, badly, unsure."""
    with_mask, without, badly, unsure = counts
    happening = Compliance(
        window_start=at,
        window_s=900,
        observed_s=864,
        people=sum(counts),
        with_mask=with_mask,
        without_mask=without,
        badly_worn=badly,
        unsure=unsure,
    )
    return make_event(happening, camera=camera, event_time=at + timedelta(minutes=15))


def _episode(
    make_event: MakeEvent, episode: UUID, *, duration_s: float, put_on_s: float | None
) -> DeviceEvent:
    started_at = _NOW - timedelta(hours=1)
    happening = EpisodeEnded(
        episode_id=episode,
        started_at=started_at,
        duration_s=duration_s,
        label=Label.MASK if put_on_s else Label.NO_MASK,
        violated=episode != _FINE,
        mask_put_on_after_s=put_on_s,
    )
    return make_event(happening, event_time=started_at + timedelta(seconds=duration_s))


def _camera(
    make_event: MakeEvent, camera: str, state: CameraState, minutes_ago: int
) -> DeviceEvent:
    since = _NOW - timedelta(minutes=minutes_ago)
    return make_event(
        CameraChanged(state=state, reason="no frame", since=since), camera=camera, event_time=since
    )


def _heartbeat(
    make_event: MakeEvent, device: Device, minutes_ago: int, **told: object
) -> DeviceEvent:
    healthy = Heartbeat(
        version="1.0",
        uptime_s=60,
        temperature_c=50,
        disk_free_bytes=2 * 10**9,
        cameras=(CameraPulse(name="north", is_up=True, fps=5),),
    )
    return make_event(
        healthy.model_copy(update=told),
        device=device,
        camera="",
        # Not of the import: the tests before these may take more than the five minutes.
        event_time=datetime.now(UTC) - timedelta(minutes=minutes_ago),
    )


def _numbered(make_event: MakeEvent, boot: str, *numbers: int) -> list[DeviceEvent]:
    """Of a device of their own, so many minutes ago as their place from the end."""
    return [
        _heartbeat(make_event, _SILENT, 30 + len(numbers) - place).model_copy(
            update={"boot_id": boot, "sequence": number}
        )
        for place, number in enumerate(numbers)
    ]


def _events(make_event: MakeEvent) -> list[DeviceEvent]:
    return [
        *_numbered(make_event, "boot-1", 1, 2, 5, 6, 6, 9),
        *_numbered(make_event, "boot-2", 1, 2),
        _compliance(make_event, "north", _QUARTER, 6, 2, 0, 1),
        _compliance(make_event, "north", _QUARTER, 1, 0, 1, 0),
        _compliance(make_event, "south", _QUARTER, 4, 0, 0, 0),
        _compliance(make_event, "south", _NOW - timedelta(days=70), 0, 9, 0, 0),
        _episode(make_event, _ALERTED, duration_s=20, put_on_s=8),
        _episode(make_event, _STUBBORN, duration_s=40, put_on_s=None),
        _episode(make_event, _FINE, duration_s=90, put_on_s=None),
        _camera(make_event, "north", CameraState.DOWN, 30),
        _camera(make_event, "north", CameraState.UP, 28),
        _camera(make_event, "south", CameraState.DOWN, 3),
        _heartbeat(make_event, Device(guid="door-1", type="rpi4"), 0),
        _heartbeat(make_event, _SECOND, 7, temperature_c=85.0, oldest_waiting_s=400.0),
    ]


@pytest.fixture
async def analyst(
    settings: IngressSettings,
    make_event: MakeEvent,
    make_alert: Callable[..., Alert],
    connect_as: Connect,
) -> asyncpg.Connection:
    """An analyst of an archive in which all of it has happened."""
    pool = Pool(settings, size=1)
    events = [
        # The others number nothing, as the original programs do.
        told if told.device == _SILENT else told.model_copy(update={"boot_id": ""})
        for told in _events(make_event)
    ]
    alerts = [make_alert(episode_id=episode, boot_id="") for episode in (_ALERTED, _STUBBORN)]
    await Archive(pool, SystemClock()).insert(alerts)
    await EventArchive(pool, SystemClock()).insert(events)
    await pool.close()
    return await connect_as("analyst")


def _paris(moment: datetime) -> int:
    return moment.astimezone(ZoneInfo("Europe/Paris")).hour


# The answer, as (column, value) in the order of the rows; only what the question is about.
_ANSWERS: dict[str, tuple[tuple[str, ...], list[tuple[Any, ...]]]] = {
    "What share wore a mask last week, per camera": (
        ("camera", "people", "percent_with_mask"),
        [("north", 11, 70), ("south", 4, 100)],
    ),
    "Whether it gets better, week by week": (
        ("people", "without_mask", "badly_worn", "percent_with_mask"),
        [(9, 9, 0, 0), (15, 2, 1, pytest.approx(78.6))],
    ),
    "At which hours of the day the mask is forgotten": (
        ("hour", "people", "violations"),
        [(_paris(_QUARTER), 15, 3)],
    ),
    "For which part of the last 24 hours each camera was watching,"
    " so that a zero is worth something": (
        ("camera", "percent_observed"),
        [("south", 1), ("north", 2)],
    ),
    "How long people take to put the mask on after an alert, and how many do": (
        ("camera", "alerts", "put_on", "median_s"),
        [("north", 2, 1, 8)],
    ),
    "The longest stays without a mask in the last week": (
        ("device_id", "seconds", "label"),
        [("door-1", 40, "no_mask")],
    ),
    "Cameras that give no picture now": (("camera", "reason"), [("south", "no frame")]),
    "How often and how long cameras were away in the last 30 days": (
        ("camera", "outages"),
        [("south", 1), ("north", 1)],
    ),
    "Devices that have been silent for five minutes": (
        ("device_id",),
        [("door-3",), ("door-2",)],
    ),
    "Numbers that never came, with the time around them": (
        ("device_id", "boot_id", "missing_from", "missing_to", "missing"),
        [("door-3", "boot-1", 3, 4, 2), ("door-3", "boot-1", 7, 8, 2)],
    ),
    "Devices whose guid is used twice, or whose numbers began anew": (
        ("device_id", "boot_id", "repeated", "is_overlapping"),
        [("door-3", "boot-1", 1, False), ("door-3", "boot-2", 0, True)],
    ),
    "Devices that need somebody: hot, short of room, behind, or with a camera away": (
        ("device_id", "temperature_c", "oldest_waiting_s", "cameras_down"),
        [("door-2", 85, 400, 0)],
    ),
}


def test_every_question_of_the_page_is_tested() -> None:
    assert len(_QUERIES) == _PAGE.count("```sql") == 12
    assert set(_QUERIES) == set(_ANSWERS)


@pytest.mark.parametrize("title", sorted(_QUERIES))
async def test_question_of_the_page_is_answered(title: str, analyst: asyncpg.Connection) -> None:
    columns, expected = _ANSWERS[title]

    rows = await analyst.fetch(_QUERIES[title])

    found = [tuple(_plain(row[column]) for column in columns) for row in rows]
    assert found == expected


async def test_episode_is_shown_with_its_alert(analyst: asyncpg.Connection) -> None:
    rows = await analyst.fetch(
        "SELECT episode_id, violated, alert_label, alert_probability, alert_id IN"
        " (SELECT id FROM alert_overview WHERE alert_overview.episode_id = episode.episode_id)"
        " FROM episode ORDER BY duration_s"
    )

    assert [tuple(row) for row in rows] == [
        (_ALERTED, True, "no_mask", 0.875, True),
        (_STUBBORN, True, "no_mask", 0.875, True),
        (_FINE, False, None, None, False),
    ]


async def test_page_names_every_column_of_the_views(analyst: asyncpg.Connection) -> None:
    for view in _VIEWS:
        statement = await analyst.prepare(f"SELECT * FROM {view}")  # noqa: S608 - our own names
        row = next(line for line in _PAGE.splitlines() if line.startswith(f"| `{view}` "))
        names = {column.name for column in statement.get_attributes()}
        told = set(re.findall(r"`(\w+)`", row))
        assert names - told <= {"device_id", "device_type", "camera"}
        assert told - names == {view}


def _plain(value: Any) -> Any:
    return float(value) if hasattr(value, "as_tuple") else value
