"""Runs every query of docs/queries.md as an analyst."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from ingress.archive import Archive
from ingress.settings import IngressSettings
from maskwatch_proto.alert import Alert, Device, Image, Label
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.postgres import Pool

Connect = Callable[[str], Awaitable[asyncpg.Connection]]
_PAGE = (Path(__file__).parents[3] / "docs" / "queries.md").read_text(encoding="utf-8")
_QUERIES = {
    title.strip(): sql
    for title, sql in re.findall(r"\n([^\n]+):\n\n```sql\n(.*?)```", _PAGE, re.DOTALL)
}
# Midnight: what was seen then is of today, and of the last 24 hours, at any hour.
_TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.fixture
async def analyst(
    settings: IngressSettings, make_alert: Callable[..., Alert], connect_as: Connect
) -> asyncpg.Connection:
    """An analyst; the archive has five alerts of today and yesterday, two of them at one camera."""
    pool = Pool(settings, size=1)
    yesterday = _TODAY - timedelta(hours=12)
    await Archive(pool, SystemClock()).insert(
        [
            make_alert(event_time=_TODAY, probability=0.75),
            make_alert(event_time=_TODAY, label=Label.BAD_MASK, probability=0.25),
            make_alert(event_time=_TODAY, label=None, camera="south", image=Image()),
            make_alert(event_time=yesterday, label=Label.UNSURE),
            make_alert(event_time=yesterday, device=Device(guid="door-2")),
        ]
    )
    await pool.close()
    return await connect_as("analyst")


def test_page_has_queries() -> None:
    assert len(_QUERIES) == _PAGE.count("```sql") > 5


@pytest.mark.parametrize("title", sorted(_QUERIES))
async def test_query_of_the_page_runs(title: str, analyst: asyncpg.Connection) -> None:
    rows = await analyst.fetch(_QUERIES[title])

    # Every device has sent something lately; all others have something to tell.
    assert bool(rows) == (title != "Devices that have sent nothing for a day")


async def test_days_are_counted(analyst: asyncpg.Connection) -> None:
    rows = await analyst.fetch("SELECT * FROM alerts_per_day ORDER BY day DESC")

    assert [tuple(row) for row in rows] == [
        (_TODAY.date(), 3, 2, 1, 0, 1, 2),
        (_TODAY.date() - timedelta(days=1), 2, 1, 0, 1, 2, 2),
    ]


async def test_cameras_are_counted(analyst: asyncpg.Connection) -> None:
    rows = await analyst.fetch(
        "SELECT day, device_id, camera, alerts, mean_probability FROM alerts_per_camera"
        " ORDER BY day DESC, device_id, camera"
    )
    today, yesterday = _TODAY.date(), _TODAY.date() - timedelta(days=1)

    assert [tuple(row) for row in rows] == [
        (today, "door-1", "north", 2, 0.5),
        (today, "door-1", "south", 1, 0.875),
        (yesterday, "door-1", "north", 1, 0.875),
        (yesterday, "door-2", "north", 1, 0.875),
    ]


async def test_overview_tells_alerts_with_device_and_models(analyst: asyncpg.Connection) -> None:
    rows = await analyst.fetch(
        "SELECT device_type, camera, label, face_model, mask_model, has_picture"
        " FROM alert_overview WHERE camera = 'south'"
    )

    assert [tuple(row) for row in rows] == [("rpi4", "south", "no_mask", "face", "mask", False)]


async def test_device_tells_its_enrolment_in_its_own_words(
    settings: IngressSettings, make_alert: Callable[..., Alert], connect_as: Connect
) -> None:
    pool = Pool(settings, size=1)
    devices = [
        Device(guid="a", enrolled_on="last spring"),
        Device(guid="b", enrolled_on="2025-12-31"),
    ]
    await Archive(pool, SystemClock()).insert([make_alert(device=device) for device in devices])
    await pool.close()

    analyst = await connect_as("analyst")
    rows = await analyst.fetch("SELECT enrolled_on FROM device_overview ORDER BY device_id")

    assert [row["enrolled_on"] for row in rows] == ["last spring", "2025-12-31 00:00:00"]
