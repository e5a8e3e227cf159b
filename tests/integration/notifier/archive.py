"""The archive and the ledger as a test sees them."""

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from maskwatch_proto.device_event import CameraChanged, CameraState

PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40
DEADLINE_S = 30.0
BEGAN = datetime(2026, 5, 4, 12, 3, 22, tzinfo=UTC)


@dataclass
class Archive:
    """The archive and the ledger as a test sees them."""

    connection: asyncpg.Connection
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def add(
        self, *, camera: str = "Gate 3", picture: bytes | None = PICTURE, **columns: Any
    ) -> int:
        """Archive an alert as ingress does and return its id."""
        image_id = None
        await self._add_device("door-1")
        await self.connection.execute(
            """
            WITH f AS (INSERT INTO face_detection_model VALUES ('f', now(), 'face', 0.5)
                       ON CONFLICT DO NOTHING)
            INSERT INTO mask_classification_model VALUES ('m', now(), 'mask', 0.5)
            ON CONFLICT DO NOTHING
            """
        )
        if picture is not None:
            image_id = await self.connection.fetchval(
                "INSERT INTO image (format, width, height, data) VALUES ('jpg', 640, 480, $1)"
                " RETURNING id",
                picture,
            )
        values = {
            "event_time": datetime(2026, 5, 4, 12, 3, next(self._numbers) % 60, tzinfo=UTC),
            "device_id": "door-1",
            "face_model_id": "f",
            "mask_model_id": "m",
            "image_id": image_id,
            "event_id": uuid4(),
            "probability": 0.97,
            "label": "no_mask",
            "camera": camera,
            "longitude": 2.35222,
            "latitude": 48.85661,
            **columns,
        }
        names = ", ".join(values)
        places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        alert_id: int = await self.connection.fetchval(
            f"INSERT INTO alert ({names}) VALUES ({places}) RETURNING id",  # noqa: S608
            *values.values(),
        )
        return alert_id

    async def _add_device(self, device_id: str) -> None:
        await self.connection.execute(
            "INSERT INTO device (id, type) VALUES ($1, 'raspberry pi 4') ON CONFLICT DO NOTHING",
            device_id,
        )

    async def change(
        self, state: CameraState, *, camera: str = "Gate 3", device_id: str = "door-1"
    ) -> int:
        """Archive that a camera went down or came back, as ingress does, and return its id."""
        number = next(self._numbers)
        changed = CameraChanged(
            state=state,
            reason="no frame comes",
            since=BEGAN + timedelta(seconds=number),
            down_s=95.0 if state is CameraState.UP else 0.0,
        )
        return await self.add_event(
            "camera_changed", changed.model_dump_json(), camera=camera, device_id=device_id
        )

    async def add_event(
        self, kind: str, detail: str, *, camera: str = "Gate 3", device_id: str = "door-1"
    ) -> int:
        await self._add_device(device_id)
        event_id: int = await self.connection.fetchval(
            """
            INSERT INTO device_event
                (event_id, event_time, device_id, camera, kind, boot_id, detail)
            VALUES (gen_random_uuid(), $1, $2, $3, $4, 'boot', $5::jsonb) RETURNING id
            """,
            BEGAN,
            device_id,
            camera,
            kind,
            detail,
        )
        return event_id

    async def event_id(self, alert_id: int) -> UUID:
        found: UUID = await self.connection.fetchval(
            "SELECT event_id FROM alert WHERE id = $1", alert_id
        )
        return found

    async def is_told(self, alert_id: int) -> bool:
        told: bool = await self.connection.fetchval(
            "SELECT notification_sent FROM alert WHERE id = $1", alert_id
        )
        return told

    async def delivery(self, alert_id: int, recipient: str | None = None) -> Mapping[str, Any]:
        """Return the ledger's row, the only one of the alert unless a recipient is given."""
        rows = await self.connection.fetch(
            "SELECT * FROM delivery WHERE alert_id = $1 AND recipient = coalesce($2, recipient)",
            alert_id,
            recipient,
        )
        assert len(rows) == 1, rows
        return dict(rows[0])

    async def states(self) -> dict[str, int]:
        """Return the number of the ledger's rows by state."""
        rows = await self.connection.fetch("SELECT state, count(*) FROM delivery GROUP BY state")
        return {row["state"]: row["count"] for row in rows}

    async def wait_for_state(self, state: str, count: int = 1) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while (await self.states()).get(state, 0) < count:
                await asyncio.sleep(0.02)

    async def pass_an_hour(self) -> None:
        """Set what is remembered of mails about cameras back by an hour."""
        await self.connection.execute(
            "UPDATE camera_notice SET due_at = due_at - interval '1 hour'"
        )
        await self.connection.execute(
            "UPDATE delivery SET due_at = due_at - interval '1 hour',"
            " next_try_at = next_try_at - interval '1 hour'"
        )
