"""`python -m benchmarks.edge.privacy`: what of a picture leaves memory, in `stats` and otherwise.

The detector as a process sees somebody without a mask; dispatcher, Kafka, ingress and PostgreSQL
carry on what it tells. Then all of it is searched for the markers of JPEG and PNG and for any 64
bytes of a frame: outbox, topics, archive, logs. The search can fail: after a run in the mode
`evidence` it has to find the picture, and where a frame was sent as it is, its bytes.
"""

import asyncio
import io
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import cv2
from aiokafka import AIOKafkaConsumer, TopicPartition
from devstack.processes import Command
from edge_detector.privacy import Mode
from edge_detector.vision.arrays import Picture
from maskwatch_runtime.kafka import topics
from maskwatch_runtime.outbox.outbox import Outbox

from benchmarks import bars
from benchmarks.bars import Bar, at_least, at_most
from benchmarks.edge import clips
from benchmarks.edge.chain import Chain
from benchmarks.edge.traces import Seeker, Traces
from devstack import load, processes

RAW = "raw"
LOGS = "logs"
_FPS = 4.0
_RUN_S = 180.0
_FETCH_MS = 1000
_TABLES = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname !~ '^(pg_|information_)'"


@dataclass(frozen=True, slots=True)
class Found:
    """What one run has left, by place.

    Attributes:
        alerts: Archived so far.
        places: Outbox, topics (what a consumer gets, and the broker's files), archive (all rows
            of all tables, and the server's files), and the logs of the services.
    """

    alerts: int
    places: Mapping[str, Traces]

    @property
    def total(self) -> Traces:
        return sum(self.places.values(), Traces())


class Scene:
    """Frames on disk without loss, so that their bytes are known.

    Args:
        folder: Takes everything.
    """

    def __init__(self, folder: Path) -> None:
        self.device = folder / "device"
        self.outbox_path = self.device / "outbox.db"
        self._pictures = folder / "pictures"
        self._log_folder = folder / "log"
        for each in (self.device, self._pictures):
            each.mkdir()
        self.frames = [frame.image_bgr for frame in clips.short_clips()[0].frames(fps=_FPS, seed=1)]
        for number, frame in enumerate(self.frames):
            if not cv2.imwrite(str(self._pictures / f"{number:03}.png"), frame):
                raise RuntimeError("OpenCV does not write PNG")

    @property
    def logs(self) -> bytes:
        return _contents(self._log_folder.glob("*.log"))

    def run(self, mode: Mode) -> None:
        """Let the detector see everything.

        Raises:
            ProcessError: It failed.
        """
        env = {name: value for name, value in os.environ.items() if "MASKWATCH_" not in name}
        told = {
            "source": self._pictures,
            "source_pictures": "frames",
            "source_fps": _FPS,
            "source_paced": "false",
            "exit_at_end": "true",
            "device_guid": "bench",
            "camera": "door",
            "privacy": mode.value,
            "outbox_path": self.outbox_path,
        }
        env |= {f"MASKWATCH_{name.upper()}": str(value) for name, value in told.items()}
        argv = (sys.executable, "-m", "edge_detector", "run")
        command = Command(name=mode.value, argv=argv, folder=self._log_folder, env=env)
        processes.run(command, timeout_s=_RUN_S)

    def send_raw(self, frame: Picture) -> None:
        """Put an alert into the outbox that carries a frame's own bytes for a picture."""
        alert = load.alert(1)
        image = alert.image.model_copy(update={"format": "raw", "data": frame.tobytes()})
        with closing(Outbox.open(self.outbox_path)) as outbox:
            outbox.append(alert.model_copy(update={"image": image}))


def found(folder: Path) -> dict[str, Found]:
    """Return what three runs leave behind one after the other: stats, evidence, raw.

    Args:
        folder: Empty; others may pass through it.
    """
    scene = Scene(folder)
    seeker = Seeker(scene.frames)
    told: dict[str, Found] = {}
    with Chain(folder / "chain", scene.outbox_path) as chain:
        for mode in (Mode.STATS, Mode.EVIDENCE):
            scene.run(mode)
            told[mode.value] = _found(scene, chain, seeker)
        # A quarter of a frame: Kafka takes no message of more than 1 MB.
        scene.send_raw(scene.frames[-1][: scene.frames[-1].shape[0] // 4])
        told[RAW] = _found(scene, chain, seeker)
    return told


def measure() -> list[Bar]:
    """Return what was found in each place."""
    with tempfile.TemporaryDirectory(prefix="maskwatch-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL may run as another user, who must get through
        told = found(folder)
    stats = told[Mode.STATS]
    return [
        at_least("stats: alerts archived", stats.alerts, 1, unit="alerts"),
        Bar("stats: looked through", stats.total.size_bytes / 1e6, "MB"),
        *[
            at_most(f"stats: {what} in {place}", count, 0, unit=what)
            for place, traces in stats.places.items()
            for what, count in (("markers", traces.markers), ("runs", traces.runs))
        ],
        *_controls(told),
    ]


def _controls(told: Mapping[str, Found]) -> list[Bar]:
    """Return what the same search found where there is something; logs never hold a picture."""
    evidence, raw = (
        {place: traces for place, traces in told[run].places.items() if place != LOGS}
        for run in (Mode.EVIDENCE, RAW)
    )
    return [
        *[
            at_least(f"evidence: markers in {place}", traces.markers, 1, unit="markers")
            for place, traces in evidence.items()
        ],
        *[
            at_least(f"raw frame: runs in {place}", traces.runs, 1, unit="runs")
            for place, traces in raw.items()
        ],
    ]


def _found(scene: Scene, chain: Chain, seeker: Seeker) -> Found:
    chain.settle()
    rows, files = asyncio.run(_archive(chain.dsn)), _archive_files(chain.infra.postgres.data)
    places = {
        "outbox": _contents(scene.device.rglob("*")),
        "messages": asyncio.run(_messages(chain.infra.kafka.bootstrap)),
        "Kafka segments": _contents(chain.infra.kafka.folder.rglob("*.log")),
        "rows": rows,
        "PostgreSQL files": files,
        LOGS: scene.logs + _contents(chain.log_folder.glob("*.log")),
    }
    traces = {place: seeker.found(data) for place, data in places.items()}
    return Found(len(chain.alerts()), traces)


async def _archive(dsn: str) -> bytes:
    """Return all rows of all tables, and have the server write its files."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("CHECKPOINT")
        rows = io.BytesIO()
        for schema, table in await connection.fetch(_TABLES):
            await connection.copy_from_table(
                table, schema_name=schema, output=rows, format="binary"
            )
        return rows.getvalue()
    finally:
        await connection.close()


def _archive_files(data: Path) -> bytes:
    return _contents(path for part in ("base", "pg_wal") for path in (data / part).rglob("*"))


async def _messages(bootstrap: str) -> bytes:
    """Return key, value and headers of every message on every topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [
            TopicPartition(topic.name, number)
            for topic in topics.TOPICS
            for number in range(topic.partitions)
        ]
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(partitions)
        kept: list[bytes] = []
        while any([await consumer.position(one) < end for one, end in ends.items()]):
            for messages in (await consumer.getmany(timeout_ms=_FETCH_MS)).values():
                for message in messages:
                    headers = b"".join(value for _, value in message.headers)
                    kept.append(b"".join((message.key or b"", message.value or b"", headers)))
        return b"".join(kept)
    finally:
        await consumer.stop()


def _contents(paths: Iterable[Path]) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(paths) if path.is_file())


def main() -> int:
    """Measure, print, and return 1 when a bar was missed."""
    return 0 if bars.report("edge-privacy", measure()) else 1


if __name__ == "__main__":
    sys.exit(main())
