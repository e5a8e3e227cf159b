"""Whether a camera can be believed: pure decisions on what came from it, and when."""

from dataclasses import dataclass, replace

import numpy as np

from edge_detector.vision.arrays import Floats, Picture

# Pixels looked at, about so many a side: they are picked, not averaged, since averaging would
# take away the sensor's noise, which is what tells a still scene from a frozen picture.
_SAMPLES_A_SIDE = 96
# Mean difference in grey levels (0 to 255) from which two pictures are not the same one; see the
# README for what was measured: frozen pictures, coded anew, against still scenes with noise.
CHANGED_MIN = 0.1
# Standard deviation in grey levels below which a picture is one colour, with a dark room's noise.
_SOLID_MAX = 2.5
_CHANGES_MIN = 3
# A reader has to start and a camera to be opened: seconds, on a busy device many of them. Streams
# give up by themselves before; this is for what hangs.
OPENING_S = 60.0


@dataclass(frozen=True, slots=True)
class Rules:
    """When a camera cannot be believed, in seconds; None: that is not looked for.

    Attributes:
        stalled_s: No frame for so long.
        frozen_s: The same picture for so long.
        solid_s: One colour for so long.
        down_after_s: No good frame for so long: it is down.
        up_after_s: Good frames for so long: it is up again.
        first_after_s: Instead of `down_after_s` for a camera that has not given any frame yet: a
            device that boots takes its time.
    """

    stalled_s: float | None
    frozen_s: float | None
    solid_s: float | None
    down_after_s: float
    up_after_s: float
    first_after_s: float = 30.0

    @property
    def is_watched(self) -> bool:
        """Whether there is anything for which the camera can be called down."""
        return (self.stalled_s, self.frozen_s, self.solid_s) != (None, None, None)


@dataclass(frozen=True, slots=True)
class Look:
    """What is kept of a frame to compare it with: picked pixels, shape (N, 3)."""

    sample: Floats

    @property
    def is_solid(self) -> bool:
        return bool(self.sample.std(axis=0).max() < _SOLID_MAX)

    def is_like(self, other: "Look") -> bool:
        """Return whether the two are the same picture; another resolution is another picture."""
        if self.sample.shape != other.sample.shape:
            return False
        return bool(np.abs(self.sample - other.sample).mean() < CHANGED_MIN)


@dataclass(frozen=True, slots=True)
class Opened:
    """A reader has begun."""


@dataclass(frozen=True, slots=True)
class Silence:
    """No frame has come since the last observation."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The reader has ended: the camera is away."""

    reason: str


Observation = Opened | Look | Silence | Failure


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a camera; moments are monotonic seconds.

    Attributes:
        good_at_s: The last moment at which it could be believed; at first, when it was begun with.
        good_since_s: Since when it can be believed without a break; None while it cannot.
        has_been_good: Whether it ever could.
        is_down: What was told last ...
        down_since_s: ... since when, ...
        down_reason: ... and why.
        fault: What is wrong now, in words; empty when nothing is.
        opened_at_s: When the reader began.
        frame_at_s: When its last frame came; None before the first.
        reference: The picture that frames are compared with ...
        same_since_s: ... and since when they have been like it.
        solid_since_s: Since when frames have been of one colour; None when they are not.
        changes: How often the picture has changed since `good_since_s`.
        is_announced: Whether it was told that the camera works, or not: a former start may have
            left it down.
    """

    good_at_s: float
    good_since_s: float | None = None
    has_been_good: bool = False
    is_down: bool = False
    down_since_s: float = 0.0
    down_reason: str = ""
    fault: str = "no frame yet"
    opened_at_s: float = 0.0
    frame_at_s: float | None = None
    reference: Look | None = None
    same_since_s: float = 0.0
    solid_since_s: float | None = None
    changes: int = 0
    is_announced: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """The camera went down or came back.

    Attributes:
        is_up: Which of the two.
        reason: What was wrong.
        ago_s: Seconds since it happened: the debounce.
        down_s: How long it was away; 0 when it went down, or works since the start.
    """

    is_up: bool
    reason: str
    ago_s: float
    down_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from an observation.

    Attributes:
        state: What is known now.
        change: What is to be told, once.
        needs_new_reader: The present one gives nothing to be believed.
    """

    state: State
    change: Change | None = None
    needs_new_reader: bool = False


def look(image_bgr: Picture) -> Look:
    """Return what is compared of a frame of shape (H, W, 3)."""
    height, width = image_bgr.shape[:2]
    steps = max(1, height // _SAMPLES_A_SIDE), max(1, width // _SAMPLES_A_SIDE)
    return Look(image_bgr[:: steps[0], :: steps[1]].reshape(-1, 3).astype(np.float32))


def observe(state: State, observation: Observation, now_s: float, rules: Rules) -> Verdict:
    """Return what the observation at a moment (monotonic, in seconds) changes."""
    match observation:
        case Opened():
            state = replace(state, opened_at_s=now_s, frame_at_s=None)
        case Failure(reason):
            state = replace(state, good_since_s=None, fault=reason)
        case Look():
            state = _seen(state, observation, now_s, rules)
        case Silence():
            state = _silent(state, now_s, rules)
    settled, change = _settled(state, now_s, rules)
    return Verdict(settled, change, _needs_new_reader(settled, observation, now_s, rules))


def _seen(state: State, seen: Look, now_s: float, rules: Rules) -> State:
    is_same = state.reference is not None and seen.is_like(state.reference)
    state = replace(
        state,
        frame_at_s=now_s,
        reference=state.reference if is_same else seen,
        same_since_s=state.same_since_s if is_same else now_s,
        solid_since_s=(
            (now_s if state.solid_since_s is None else state.solid_since_s)
            if seen.is_solid
            else None
        ),
    )
    bad_since_s, fault = _unbelievable(state, now_s, rules)
    if fault:
        # It could be believed until then, and the seconds of suspicion were no good ones.
        return replace(
            state,
            good_since_s=None,
            fault=fault,
            good_at_s=min(state.good_at_s, bad_since_s) if state.has_been_good else state.good_at_s,
        )
    begins = state.good_since_s is None
    return replace(
        state,
        good_at_s=now_s,
        good_since_s=now_s if begins else state.good_since_s,
        changes=(0 if begins else state.changes) + (not is_same),
        has_been_good=True,
        fault="",
    )


def _unbelievable(state: State, now_s: float, rules: Rules) -> tuple[float, str]:
    """Return since when the picture cannot be believed, and why; (now, "") when it can."""
    solid_s = state.solid_since_s
    if rules.solid_s is not None and solid_s is not None and now_s - solid_s >= rules.solid_s:
        return solid_s, "the picture is one colour: is the lens covered, or the room dark?"
    if rules.frozen_s is not None and now_s - state.same_since_s >= rules.frozen_s:
        return state.same_since_s, "the picture is frozen"
    return now_s, ""


def _silent(state: State, now_s: float, rules: Rules) -> State:
    if rules.stalled_s is None or now_s - _heard_at_s(state) < rules.stalled_s:
        return state
    if state.fault and state.good_since_s is None:
        return state  # what was wrong before says more than that nothing came since
    return replace(state, good_since_s=None, fault="no frame comes")


def _heard_at_s(state: State) -> float:
    return state.opened_at_s if state.frame_at_s is None else state.frame_at_s


def _settled(state: State, now_s: float, rules: Rules) -> tuple[State, Change | None]:
    """Return the state after the debounce, and what is to be told."""
    if state.is_down:
        return _raised(state, now_s, rules)
    if rules.stalled_s is None and not state.has_been_good:
        return state, None  # it may be silent: nobody has begun to send
    patience_s = rules.down_after_s
    if not state.has_been_good:
        patience_s = max(patience_s, rules.first_after_s)
    if state.good_since_s is None and now_s - state.good_at_s >= patience_s:
        down = replace(
            state,
            is_down=True,
            is_announced=True,
            down_since_s=state.good_at_s,
            down_reason=state.fault,
        )
        return down, Change(False, state.fault, now_s - state.good_at_s)
    return (state, None) if state.is_announced else _raised(state, now_s, rules)


def _raised(state: State, now_s: float, rules: Rules) -> tuple[State, Change | None]:
    good_s = state.good_since_s
    if good_s is None or now_s - good_s < rules.up_after_s:
        return state, None
    if rules.frozen_s is not None and state.changes < _CHANGES_MIN:
        return state, None  # one new picture that freezes again is no camera
    down_s = good_s - state.down_since_s if state.is_down else 0.0
    change = Change(True, state.down_reason, now_s - good_s, down_s)
    return replace(state, is_down=False, is_announced=True), change


def _needs_new_reader(state: State, observation: Observation, now_s: float, rules: Rules) -> bool:
    if isinstance(observation, Failure):
        return True
    if rules.stalled_s is None:
        return False
    if state.frame_at_s is None:
        return now_s - state.opened_at_s >= max(OPENING_S, rules.stalled_s)
    if now_s - state.frame_at_s >= rules.stalled_s:
        return True
    # A frozen or solid picture may be the reader's fault; each reader gets its time to show it.
    patience_s = rules.frozen_s or rules.solid_s or 0.0
    return state.good_since_s is None and now_s - state.opened_at_s >= patience_s
