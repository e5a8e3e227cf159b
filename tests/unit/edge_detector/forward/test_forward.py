import asyncio
import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import edge_detector.forward
import jsonschema
import pytest
from edge_detector.forward import form, target
from edge_detector.forward.forwarder import Forwarder
from edge_detector.forward.metrics import ForwardMetrics
from edge_detector.forward.queue import Item, Queue
from edge_detector.forward.target import Refused
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
from maskwatch_proto.device_event import (
    CameraChanged,
    CameraPulse,
    CameraState,
    Compliance,
    DeviceEvent,
    EpisodeEnded,
    Happening,
    Heartbeat,
)
from maskwatch_runtime.errors import Misconfigured, Unavailable
from maskwatch_runtime.retry import Backoff
from prometheus_client import CollectorRegistry

_AT = datetime(2026, 1, 1, tzinfo=UTC)
_SCHEMA = json.loads(
    (Path(edge_detector.forward.__file__).parent / "event.schema.json").read_text()
)
_HAPPENINGS: list[Happening] = [
    EpisodeEnded(
        episode_id=UUID(int=9),
        started_at=_AT,
        duration_s=3,
        label=Label.MASK,
        violated=True,
        mask_put_on_after_s=1.5,
    ),
    Compliance(
        window_start=_AT,
        window_s=900,
        observed_s=10,
        people=1,
        with_mask=1,
        without_mask=0,
        badly_worn=0,
        unsure=0,
    ),
    CameraChanged(state=CameraState.DOWN, reason="no frame", since=_AT, down_s=3),
    Heartbeat(
        version="1",
        models=("m",),
        uptime_s=3,
        temperature_c=40.5,
        disk_free_bytes=10,
        cameras=(CameraPulse(name="door", is_up=True, fps=5),),
    ),
]


def _alert(number: int = 1, **changes: object) -> Alert:
    return Alert.model_validate(
        {
            "event_id": UUID(int=number),
            "event_time": _AT,
            "device": Device(guid="gw/b1"),
            "probability": 0.5,
            **changes,
        }
    )


def _told(event: Alert | DeviceEvent, *, with_picture: bool = False) -> dict[str, object]:
    told: dict[str, object] = json.loads(form.encode(event, with_picture=with_picture))
    return told


@pytest.mark.parametrize(
    "event",
    [
        _alert(),
        _alert(
            image=Image(format="jpg", width=4, height=3, data=b"jpeg"),
            label=Label.NO_MASK,
            face_box=FaceBox(left=0, top=0, right=1, bottom=1),
            episode_id=UUID(int=9),
            location=Location(longitude=2.35, latitude=48.85),
            face_model=Model(name="m", guid="g", threshold=0.5),
            clock_quality=ClockQuality.UNCERTAIN,
        ),
        *(
            DeviceEvent(
                event_id=UUID(int=1), event_time=_AT, device=Device(guid="d"), happening=happening
            )
            for happening in _HAPPENINGS
        ),
    ],
)
@pytest.mark.parametrize("with_picture", [False, True])
def test_every_event_has_the_form_that_the_schema_tells(
    event: Alert | DeviceEvent, *, with_picture: bool
) -> None:
    jsonschema.validate(
        _told(event, with_picture=with_picture),
        _SCHEMA,
        format_checker=jsonschema.FormatChecker(),
    )


def test_schema_refuses_what_is_no_event() -> None:
    told = _told(_alert())
    for wrong in ({**told, "type": "heartbeat"}, {**told, "colour": 1}, {**told, "device": {}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, _SCHEMA)


def test_picture_goes_along_only_where_it_is_asked_for() -> None:
    alert = _alert(image=Image(format="jpg", width=4, height=3, data=b"jpeg"))

    without = _told(alert)["detail"]
    beside = _told(alert, with_picture=True)["detail"]

    assert isinstance(without, dict)
    assert isinstance(beside, dict)
    assert without["image"] == {"format": "jpg", "width": 4, "height": 3}
    assert beside["image"]["base64"] == "anBlZw=="


def test_topic_takes_type_and_device_and_no_wildcard() -> None:
    item = Item(UUID(int=1), "alert", "gw/b+1", b"")

    assert target.topic_of("mw/{device}/{type}", item) == "mw/gw_b_1/alert"


def _item(number: int) -> Item:
    return Item(UUID(int=number), "alert", "d", b"{}")


def test_queue_keeps_order_across_restarts_and_an_event_once(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "forward.db", items_max=10)
    assert queue.append([_item(1), _item(2)]) == 0
    queue.close()
    queue = Queue(tmp_path / "forward.db", items_max=10)
    queue.append([_item(2), _item(3)])

    first, second, third = queue.head(10)
    assert [item.event_id.int for item in (first, second, third)] == [1, 2, 3]
    queue.remove(first.position)
    assert queue.count() == 2
    assert queue.head(1) == [second]
    queue.close()


def test_oldest_give_way_and_are_counted(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "forward.db", items_max=3)
    assert queue.append([_item(number) for number in range(5)]) == 2
    assert queue.append([_item(7)]) == 1

    assert [item.event_id.int for item in queue.head(10)] == [3, 4, 7]
    queue.close()


def test_path_that_can_be_no_queue_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, and never was one" * 100)
    for path in (tmp_path / "nowhere" / "forward.db", tmp_path / "text.db"):
        with pytest.raises(Misconfigured, match="MASKWATCH_FORWARD_QUEUE_PATH"):
            Queue(path, items_max=1).open()


def test_table_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "forward.db", items_max=3)
    queue.append([_item(1)])
    with sqlite3.connect(tmp_path / "forward.db") as other:
        other.execute("DROP TABLE forward")
    other.close()
    for call in (queue.count, lambda: queue.head(1), lambda: queue.append([_item(2)])):
        with pytest.raises(Unavailable, match="no such table"):
            call()
    queue.close()


class FakeTarget:
    """Keeps what arrives in `taken`; down while `is_down`, refuses the ids in `refuses`."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.is_down = False
        self.refuses: set[int] = set()
        self.is_closed = False
        self.tries = 0

    async def send(self, item: Item) -> None:
        self.tries += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise Unavailable("forward", "down")
        if item.event_id.int in self.refuses:
            raise Refused("HTTP 422: no")
        self.taken.append(item.event_id.int)

    async def close(self) -> None:
        self.is_closed = True


class Forwarding:
    """A forwarder that runs."""

    def __init__(self, path: Path, metrics: ForwardMetrics) -> None:
        self.target = FakeTarget()
        self.queue = Queue(path, items_max=5)
        self.stop = asyncio.Event()
        self.forwarder = Forwarder(
            self.queue,
            self.target,
            metrics=metrics,
            backoff=Backoff(initial_s=0.001, cap_s=0.001),
        )
        self.running = asyncio.create_task(self.forwarder.run(self.stop))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.001)

    async def end(self) -> None:
        self.stop.set()
        await self.running


async def test_events_arrive_in_order_also_after_an_outage(
    tmp_path: Path, metrics: ForwardMetrics, registry: CollectorRegistry
) -> None:
    one = Forwarding(tmp_path / "forward.db", metrics)
    one.forwarder.offer(_alert(1))
    await one.until(lambda: one.target.taken == [1])
    one.target.is_down = True
    for number in (2, 3, 4):
        one.forwarder.offer(_alert(number))
    tries = one.target.tries
    await one.until(lambda: one.target.tries > tries + 3)
    one.target.is_down = False
    await one.until(lambda: one.target.taken == [1, 2, 3, 4])
    await one.until(lambda: registry.get_sample_value("edge_detector_gateway_forward_waiting") == 0)
    await one.end()

    assert one.target.is_closed
    assert registry.get_sample_value("edge_detector_gateway_forwarded_total") == 4
    assert (registry.get_sample_value("edge_detector_gateway_forward_failures_total") or 0) >= 3


async def test_what_waits_at_the_end_is_sent_by_the_next_run(
    tmp_path: Path, metrics: ForwardMetrics
) -> None:
    one = Forwarding(tmp_path / "forward.db", metrics)
    one.target.is_down = True
    one.forwarder.offer(_alert(1))
    await one.until(lambda: one.target.tries > 0)
    one.forwarder.offer(_alert(2))
    await one.end()

    other = Forwarding(tmp_path / "forward.db", metrics)
    await other.until(lambda: other.target.taken == [1, 2])
    await other.end()


async def test_refused_event_makes_way_for_the_next(
    tmp_path: Path, metrics: ForwardMetrics, registry: CollectorRegistry
) -> None:
    one = Forwarding(tmp_path / "forward.db", metrics)
    one.target.refuses = {1}
    one.forwarder.offer(_alert(1))
    one.forwarder.offer(_alert(2))
    await one.until(lambda: one.target.taken == [2])
    await one.end()

    name = "edge_detector_gateway_forward_dropped_total"
    assert registry.get_sample_value(name, {"reason": "refused"}) == 1


async def test_long_outage_drops_the_oldest_and_counts_them(
    tmp_path: Path, metrics: ForwardMetrics, registry: CollectorRegistry
) -> None:
    one = Forwarding(tmp_path / "forward.db", metrics)
    one.target.is_down = True
    for number in range(8):
        one.forwarder.offer(_alert(number))
    name = "edge_detector_gateway_forward_dropped_total"
    await one.until(lambda: registry.get_sample_value(name, {"reason": "full"}) == 3)
    one.target.is_down = False
    await one.until(lambda: one.target.taken[-1:] == [7])
    await one.end()

    assert one.target.taken == [3, 4, 5, 6, 7]


async def test_queue_that_fails_is_no_failure_of_who_offers(
    tmp_path: Path, metrics: ForwardMetrics, registry: CollectorRegistry
) -> None:
    one = Forwarding(tmp_path / "forward.db", metrics)
    one.forwarder.offer(_alert(1))
    await one.until(lambda: one.target.taken == [1])
    with sqlite3.connect(tmp_path / "forward.db") as other:
        other.execute("DROP TABLE forward")
    other.close()
    for number in range(1002):
        one.forwarder.offer(_alert(number))
    await one.end()

    name = "edge_detector_gateway_forward_dropped_total"
    assert (registry.get_sample_value(name, {"reason": "lost"}) or 0) >= 2
