"""Devices whose numbers do not add up, and what the archive says of them."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from devstack.load import alert
from maskwatch_proto.alert import Alert

GAPS = "SELECT device_id, missing_from, missing_to FROM sequence_gap ORDER BY 1, 2"
REPEATED = "SELECT device_id, repeated FROM device_boot WHERE repeated > 0 ORDER BY 1"
OVERLAPPING = "SELECT DISTINCT device_id FROM device_boot WHERE is_overlapping ORDER BY 1"


@dataclass
class Scene:
    """Alerts to store, in order, and what the archive has to say once it has them.

    Attributes:
        gaps: Device, first and last missing number.
        repeated: Device, and how many numbers came a second time with another event.
        overlapping: Devices of which two ran at once.
        devices: How many there are; none is known to the archive before.
    """

    alerts: list[Alert] = field(default_factory=list)
    gaps: list[tuple[str, int, int]] = field(default_factory=list)
    repeated: list[tuple[str, int]] = field(default_factory=list)
    overlapping: list[tuple[str]] = field(default_factory=list)
    devices: int = 0


def scene(numbers: random.Random) -> Scene:
    """Return five devices: one as it should be, restarted once, and one of each oddity."""
    made = Scene(devices=5)
    count = numbers.randint(20, 60)
    first, last = sorted(numbers.sample(range(2, count), k=2))
    again = numbers.randint(1, count)
    made.gaps = [("gap", first, last)]
    made.repeated = [("reset", again)]
    made.overlapping = [("twins",)]
    kept = [number for number in range(1, count + 1) if not first <= number <= last]
    lives = [
        *_life("sound", "boot-1", range(1, count + 1)),
        *_life("sound", "boot-2", range(1, count + 1)),
        *_life("unknown", "boot-1", range(1, count + 1)),
        *_life("gap", "boot-1", kept),
        *_life("reset", "boot-1", [*range(1, count + 1), *range(1, again + 1)]),
        *_twins(numbers, count),
    ]
    began_at = datetime.now(UTC) - timedelta(minutes=10)
    for place, (device, boot, number) in enumerate(lives):
        made.alerts.append(
            alert(number, device=device).model_copy(
                update={
                    "event_id": UUID(int=numbers.getrandbits(128), version=4),
                    "event_time": began_at + timedelta(milliseconds=100 * place),
                    "boot_id": boot,
                }
            )
        )
    return made


def _life(device: str, boot: str, numbers: Iterable[int]) -> Iterator[tuple[str, str, int]]:
    for number in numbers:
        yield device, boot, number


def _twins(numbers: random.Random, count: int) -> list[tuple[str, str, int]]:
    """Two boxes with one guid, such as a copied memory card, take turns at random."""
    boots = ["boot-1", "boot-2"] * count
    numbers.shuffle(boots)
    reached = {"boot-1": 0, "boot-2": 0}
    lived = []
    for boot in boots:
        reached[boot] += 1
        lived.append(("twins", boot, reached[boot]))
    return lived
