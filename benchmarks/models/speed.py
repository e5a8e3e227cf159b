"""Milliseconds of whole calls, everything measured in turns on the same pictures."""

import statistics
from collections.abc import Sequence

from edge_detector.vision.arrays import Picture

from benchmarks.models.subject import Subject


def measure(
    subjects: Sequence[Subject], frames: Sequence[Picture], *, rounds: int
) -> dict[str, float]:
    """Return the median milliseconds of a whole call by name.

    Subjects take turns picture by picture, so whatever else the machine does, it does to all; of
    each round the median over the pictures counts, of those the median.
    """
    for subject in subjects:
        subject.call(frames[0])
    medians: dict[str, list[float]] = {name: [] for one in subjects for name in one.names}
    for _ in range(rounds):
        for name, spent_s in _round(subjects, frames).items():
            medians[name].append(1000 * statistics.median(spent_s))
    return {name: statistics.median(values) for name, values in medians.items()}


def _round(subjects: Sequence[Subject], frames: Sequence[Picture]) -> dict[str, list[float]]:
    spent: dict[str, list[float]] = {name: [] for one in subjects for name in one.names}
    for number, frame in enumerate(frames):
        # Who comes first changes: the first after a decoded picture finds colder caches.
        turn = number % len(subjects)
        for subject in [*subjects[turn:], *subjects[:turn]]:
            for name, seconds in zip(subject.names, subject.call(frame), strict=True):
                spent[name].append(seconds)
    return spent
