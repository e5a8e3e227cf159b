"""Which face is whose: one person in view is one track.

Faces are joined to tracks by overlap first, by the distance of their centres second. Distances
are in sides of the face (the root of its area), so that near and far people are treated alike, and
the gate widens with the time since the person was last seen, so that it holds at 2 frames a second
as well as at 15.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge_detector.vision.arrays import Floats
from edge_detector.vision.boxes import iou

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be one person.

    Attributes:
        keep_s: A person unseen for longer has left.
        iou_min: Boxes that overlap so much are one face, before distance is looked at.
        gate_sides: How far a centre may jump between two frames at once, in sides of the face.
        speed_sides_per_s: How much the gate widens per second; a brisk walk past is about 6.
        gate_sides_max: The gate never becomes wider: whoever appears farther away is another.
        size_ratio_max: Of the two faces' sides, larger to smaller.
    """

    keep_s: float = 3.0
    iou_min: float = 0.3
    gate_sides: float = 0.7
    speed_sides_per_s: float = 6.0
    gate_sides_max: float = 4.0
    size_ratio_max: float = 2.0


@dataclass(frozen=True, slots=True)
class Track:
    """One person.

    Attributes:
        number: Never used twice.
        box_px: The face where it was last seen, xyxy.
        velocity_px_s: Of its centre, x and y.
        first_seen_s: On the source's time line.
        seen_s: When it was last seen.
        face: Its index in the frame just judged, None when it was not seen in it.
    """

    number: int
    box_px: Box
    velocity_px_s: tuple[float, float]
    first_seen_s: float
    seen_s: float
    face: int | None


@dataclass(frozen=True, slots=True)
class Tracks:
    """Everyone in view, or out of it for less than `keep_s`; in the order of their numbers."""

    live: tuple[Track, ...] = ()
    next_number: int = 1


def update(tracks: Tracks, faces_px: Floats, *, at_s: float, rules: Rules) -> Tracks:
    """Return the tracks after a frame.

    Args:
        tracks: Those before it.
        faces_px: Its faces, xyxy, best first, shape (N, 4).
        at_s: Its moment; not before that of the frame before it.
        rules: What may be one person.
    """
    known = [
        replace(track, face=None) for track in tracks.live if at_s - track.seen_s <= rules.keep_s
    ]
    one_each = _one_each(faces_px)
    joined = _pairs(known, faces_px[one_each], at_s=at_s, rules=rules)
    pairs = {track: one_each[index] for track, index in joined.items()}
    live = [
        _moved(track, faces_px, pairs[index], at_s=at_s) if index in pairs else track
        for index, track in enumerate(known)
    ]
    number = tracks.next_number
    taken = set(pairs.values())
    for face in one_each:
        if face not in taken:
            live.append(Track(number, _box(faces_px[face]), (0.0, 0.0), at_s, at_s, face))
            number += 1
    return Tracks(tuple(live), number)


def _pairs(known: list[Track], faces_px: Floats, *, at_s: float, rules: Rules) -> dict[int, int]:
    """Return the face of each track that has one, the likeliest pairs joined first."""
    candidates = sorted(
        (cost, track, face)
        for track in range(len(known))
        for face, cost in _costs(known[track], faces_px, at_s=at_s, rules=rules)
    )
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _, track, face in candidates:
        if track not in pairs and face not in taken:
            pairs[track] = face
            taken.add(face)
    return pairs


def _costs(track: Track, faces_px: Floats, *, at_s: float, rules: Rules) -> list[tuple[int, float]]:
    """Return the faces that may be the track's, each with a cost: overlap below 0, distance above.

    The overlap is looked at where the face was and where it should be by now: people stop.
    """
    elapsed_s = max(0.0, at_s - track.seen_s)
    places = [track.box_px, _predicted(track, elapsed_s)]
    gate = min(rules.gate_sides + rules.speed_sides_per_s * elapsed_s, rules.gate_sides_max)
    overlaps = np.max([iou(np.array(place, np.float32), faces_px) for place in places], axis=0)
    costs = []
    for face in range(len(faces_px)):
        box = _box(faces_px[face])
        if not is_alike(track.box_px, box, ratio_max=rules.size_ratio_max):
            continue
        distance = min(distance_sides(place, box) for place in places)
        if overlaps[face] >= rules.iou_min:
            costs.append((face, -float(overlaps[face])))
        elif distance <= gate:
            costs.append((face, distance))
    return costs


def _moved(track: Track, faces_px: Floats, face: int, *, at_s: float) -> Track:
    box = _box(faces_px[face])
    elapsed_s = at_s - track.seen_s
    velocity = track.velocity_px_s
    if elapsed_s > 0:
        (x, y), (old_x, old_y) = _centre(box), _centre(track.box_px)
        measured = ((x - old_x) / elapsed_s, (y - old_y) / elapsed_s)
        # Halfway to what was measured: boxes tremble.
        velocity = ((velocity[0] + measured[0]) / 2, (velocity[1] + measured[1]) / 2)
    return replace(track, box_px=box, velocity_px_s=velocity, seen_s=at_s, face=face)


def _predicted(track: Track, elapsed_s: float) -> Box:
    # Nobody is followed blindly for longer: after a second a guess is no better than the place.
    ahead_s = min(elapsed_s, 1.0)
    x, y = (speed * ahead_s for speed in track.velocity_px_s)
    left, top, right, bottom = track.box_px
    return (left + x, top + y, right + x, bottom + y)


def _one_each(faces_px: Floats) -> list[int]:
    """Return the faces without those that are a better one again.

    Where two people pass each other, a box over both of them would take one's track along.
    """
    kept: list[int] = []
    for face in range(len(faces_px)):
        if not _is_part_of_another(faces_px, face, kept):
            kept.append(face)
    return kept


def _is_part_of_another(faces_px: Floats, face: int, others: Sequence[int]) -> bool:
    """Return whether most of a face lies in another one, or the other way round.

    Suppression lets such pairs through when one box is much larger; they are one person.
    """
    box = faces_px[face]
    for other in others:
        low = np.maximum(box[:2], faces_px[other, :2])
        high = np.minimum(box[2:], faces_px[other, 2:])
        inner = float((high - low).clip(0).prod())
        smaller = min(_side(_box(box)), _side(_box(faces_px[other]))) ** 2
        if inner > 0.7 * smaller:
            return True
    return False


def is_alike(one: Box, other: Box, *, ratio_max: float) -> bool:
    small, large = sorted((_side(one), _side(other)))
    return small > 0 and large <= small * ratio_max


def distance_sides(one: Box, other: Box) -> float:
    return math.dist(_centre(one), _centre(other)) / max(_side(one), _side(other))


def _centre(box: Box) -> tuple[float, float]:
    return ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)


def _side(box: Box) -> float:
    return math.sqrt(max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1]))


def _box(xyxy: Floats) -> Box:
    left, top, right, bottom = (float(value) for value in xyxy)
    return (left, top, right, bottom)
