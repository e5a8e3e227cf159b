"""An alert that passes through the table is the alert that went in, whatever it holds."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from maskwatch_proto import contract
from maskwatch_proto.alert import (
    Alert,
    ClockQuality,
    Device,
    FaceBox,
    Image,
    Label,
    Location,
    Model,
)
from maskwatch_proto.contract import InvalidAlert
from maskwatch_runtime.outbox import rows, schema

_text = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=[*map(chr, range(32)), "\x7f"]),
    max_size=20,
)
_unit = st.floats(0, 1, width=32)
_moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
_side = st.floats(-1e6, 1e6, width=32)
_models = st.builds(Model, name=_text, guid=_text, threshold=_unit)
alerts = st.builds(
    Alert,
    event_id=st.uuids(),
    event_time=_moments,
    device=st.builds(Device, type=_text, guid=_text.filter(bool), enrolled_on=_text),
    location=st.builds(
        Location,
        longitude=st.floats(-180, 180, width=32),
        latitude=st.floats(-90, 90, width=32),
    ),
    face_model=_models,
    mask_model=_models,
    probability=_unit,
    image=st.builds(
        Image,
        format=st.sampled_from(["", "jpg", "png"]),
        width=st.integers(0, 65_535),
        height=st.integers(0, 65_535),
        data=st.binary(max_size=100),
    ),
    label=st.none() | st.sampled_from(Label),
    face_box=st.none() | st.builds(FaceBox, left=_side, top=_side, right=_side, bottom=_side),
    episode_id=st.none() | st.uuids(),
    camera=_text,
    runtime=_text,
    boot_id=_text,
    sequence=st.integers(0, 2**63 - 1),
    clock_quality=st.none() | st.sampled_from(ClockQuality),
    episode_started_at=st.none() | _moments,
)


def _through_sqlite(connection: sqlite3.Connection, alert: Alert) -> tuple[object, ...]:
    names = ", ".join(rows.ALERT_COLUMNS)
    marks = ", ".join("?" * len(rows.ALERT_COLUMNS))
    connection.execute("DELETE FROM alert")
    connection.execute(f"INSERT INTO alert ({names}) VALUES ({marks})", rows.values(alert))  # noqa: S608 - names from our own schema
    row: tuple[object, ...] = connection.execute(f"SELECT {names} FROM alert").fetchone()  # noqa: S608 - the same
    return row


def test_alert_survives_the_table_and_the_wire(tmp_path: Path) -> None:
    connection = schema.connect(tmp_path / "outbox.db")

    @given(alert=alerts)
    def check(alert: Alert) -> None:
        row = _through_sqlite(connection, alert)
        assert rows.alert(row) == alert
        wire = rows.wire(row)
        assert contract.decode(wire.value) == alert
        assert (wire.event_id, wire.device_guid) == (str(alert.event_id), alert.device.guid)
        assert contract.event_time(wire.event_time) == alert.event_time

    check()
    connection.close()


_cell = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
    | st.binary(max_size=10)
)


@given(row=st.tuples(*[_cell] * len(rows.ALERT_COLUMNS)))
def test_row_of_anything_is_a_message_or_an_invalid_alert(row: tuple[object, ...]) -> None:
    try:
        told = rows.wire(row).value
    except InvalidAlert as error:
        told = error.reason.encode()

    assert told


def test_row_of_the_original_keeps_its_event_id_when_its_picture_is_evicted() -> None:
    original = dict.fromkeys(rows.ALERT_COLUMNS)
    original |= {
        "created_at": "2020-06-01 10:00:00.000001",
        "device_type": "pi",
        "device_id": "device-1",
        "device_deployed_on": "2020-01-01",
        "longitude": 2.3,
        "latitude": 48.8,
        **dict.fromkeys(("face_model_name", "mask_model_name"), "m"),
        **dict.fromkeys(("face_model_guid", "mask_model_guid"), "g"),
        **dict.fromkeys(("face_model_threshold", "mask_model_threshold"), 0.5),
        "probability": 0.75,
        "image_format": "jpg",
        "image_width": 1,
        "image_height": 1,
        "image_data": b"picture",
    }

    whole = rows.wire(tuple(original.values()))
    evicted = rows.wire(tuple((original | {"image_data": b""}).values()))
    later = rows.wire(tuple((original | {"created_at": "2020-06-01 10:00:00.000002"}).values()))

    assert whole.event_id == evicted.event_id != later.event_id
    assert contract.decode(whole.value).image.data == b"picture"
