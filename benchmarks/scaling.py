"""What an archived alert costs as the work grows: devices, archived rows, pictures, replicas.

The service as deployed, beside the bare loop of `bare_archive` (one loop, one process) on the same
messages, in interleaved rounds. Each part leaves a plot in docs/performance/.
"""

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from devstack.kafka import Kafka
from devstack.postgres import Postgres

from benchmarks import plots
from benchmarks.alerts import Load
from benchmarks.bars import Bar
from benchmarks.plots import Axes, Series
from benchmarks.stage import Stage

_METADATA = Load("metadata only", 0, 60_000)
# Rows as archived earlier: spread over devices and a year, without pictures.
_ARCHIVED = """
INSERT INTO {schema}.alert (event_time, device_id, face_model_id, mask_model_id, probability,
    label, camera, episode_id, boot_id, sequence)
SELECT timestamptz '2025-01-01' + number * interval '30 seconds', 'door-' || number % 24, '0c6f',
    '0c6f', 0.9, 'no_mask', 'north door', gen_random_uuid(), '0e2f6c1c', number
FROM generate_series(1, {rows}) AS number
"""
_PARENTS = """
INSERT INTO device (id) SELECT 'door-' || number FROM generate_series(0, 23) AS number
    ON CONFLICT DO NOTHING;
INSERT INTO face_detection_model (id, name, threshold) VALUES ('0c6f', '', 0.5)
    ON CONFLICT DO NOTHING;
INSERT INTO mask_classification_model (id, name, threshold) VALUES ('0c6f', '', 0.5)
    ON CONFLICT DO NOTHING;
"""


@dataclass(frozen=True)
class Case:
    """One point of a plot.

    Attributes:
        size: Where it lies on the plot's axis.
        load: What is archived.
        archived: Rows that are there before.
        replicas: Processes of the service.
    """

    size: int
    load: Load
    archived: int = 0
    replicas: int = 1


@dataclass(frozen=True)
class Part:
    """One plot: its axis, and its cases."""

    name: str
    axes: Axes
    cases: Sequence[Case]


PARTS = (
    Part(
        "devices",
        Axes("devices", x_scale="log"),
        [Case(count, replace(_METADATA, devices=count)) for count in (1, 10, 100)],
    ),
    Part(
        "rows",
        Axes("alerts archived before", x_scale="log"),
        [Case(rows, _METADATA, archived=rows) for rows in (1_000, 10_000, 100_000, 1_000_000)],
    ),
    Part(
        "pictures",
        Axes("KB of picture in each alert", y_scale="log"),
        [
            Case(0, _METADATA),
            Case(40, Load("40 KB", 40_000, 8_000)),
            Case(200, Load("200 KB", 200_000, 2_000)),
        ],
    ),
    Part(
        "replicas",
        Axes("replicas of ingress"),
        [
            Case(count, replace(_METADATA, messages=120_000), replicas=count)
            for count in (1, 2, 3, 4)
        ],
    ),
)


async def measure(kafka: Kafka, postgres: Postgres, part: Part, *, rounds: int) -> list[Bar]:
    """Return the rates (alerts/s, medians) of one part, and draw it."""
    bars = []
    with tempfile.TemporaryDirectory(prefix="maskwatch-") as name:
        stage = await Stage.prepared(kafka, postgres, Path(name))
        await stage.fill(_METADATA)
        await _bar(stage, part, Case(0, _METADATA), 1)  # warms the servers; counts for nothing
        filled: Load | None = None
        for case in part.cases:
            if case.load != filled:
                await stage.empty()
                await stage.fill(case.load)
                filled = case.load
            bars.append(await _bar(stage, part, case, rounds))
    sizes = [case.size for case in part.cases]
    plots.draw(
        part.name,
        axes=part.axes,
        series=[
            Series("ingress", sizes, [bar.value for bar in bars]),
            Series("bare client, one process", sizes, [bar.peer or 0 for bar in bars]),
        ],
    )
    return bars


async def _bar(stage: Stage, part: Part, case: Case, rounds: int) -> Bar:
    bare_s, service_s = [], []
    for _ in range(rounds):
        await _prepare(stage, "bare", case.archived)
        bare_s.append(await stage.bare(case.load))
        await _prepare(stage, "public", case.archived)
        run = await stage.service(case.load, replicas=case.replicas, after=case.load.messages // 5)
        service_s.append(run.seconds)
    bare, service = (
        case.load.messages / statistics.median(seconds) for seconds in (bare_s, service_s)
    )
    return Bar(f"{case.size:,} {part.axes.label}", service, "alerts/s", bare, service / bare)


async def _prepare(stage: Stage, schema: str, rows: int) -> None:
    """Empty the tables of one side and put the rows there that are archived before."""
    await stage.truncate()
    await stage.execute("TRUNCATE bare.alert, bare.image")
    if rows:
        await stage.execute(_PARENTS)
        await stage.execute(_ARCHIVED.format(schema=schema, rows=rows))
    await stage.execute("VACUUM ANALYZE")
    await stage.execute("CHECKPOINT")
