"""The watchdog's decisions on pictures and moments alone."""

import functools

import numpy as np
import pytest
from edge_detector.stations import watchdog
from edge_detector.stations.watchdog import Change, Failure, Opened, Rules, Silence, State, Verdict
from edge_detector.vision.arrays import Picture
from hypothesis import given, settings
from hypothesis import strategies as st

_RULES = Rules(stalled_s=5, frozen_s=20, solid_s=20, down_after_s=10, up_after_s=3)
_NOTHING = Rules(None, None, None, down_after_s=10, up_after_s=0)
_SCENE = np.random.default_rng(1).integers(0, 255, (18, 32, 3), dtype=np.uint8)


@functools.cache
def _noisy(seed: int) -> Picture:
    """Return the same scene as a sensor sees it: still, with noise."""
    noise = np.random.default_rng(seed).normal(0, 1.0, _SCENE.shape)
    return np.asarray(np.clip(_SCENE + noise, 0, 255), np.uint8)


def _solid(grey: int, *, sigma: float = 0.0) -> Picture:
    noise = np.random.default_rng(7).normal(0, sigma, _SCENE.shape)
    return np.asarray(np.clip(np.full(_SCENE.shape, grey) + noise, 0, 255), np.uint8)


class Camera:
    """Lives through a story in steps of half a second, and keeps what was told."""

    def __init__(self, rules: Rules = _RULES, *, is_announced: bool = True) -> None:
        self.now_s = 100.0
        self.state = State(good_at_s=self.now_s, is_announced=is_announced)
        self.changes: list[Change] = []
        self.replaced_s: list[float] = []
        self._rules = rules
        self._seed = 0
        self.take(Opened())

    def take(self, observation: watchdog.Observation) -> Verdict:
        verdict = watchdog.observe(self.state, observation, self.now_s, self._rules)
        self.state = verdict.state
        if verdict.change is not None:
            self.changes.append(verdict.change)
        if verdict.needs_new_reader:
            self.replaced_s.append(self.now_s)
            if not isinstance(observation, Failure):
                self.take(Opened())
        return verdict

    def live(self, seconds: float, picture: Picture | None = None) -> "Camera":
        """See a still scene with noise, or always the same picture."""
        for _ in range(round(2 * seconds)):
            self.now_s += 0.5
            self._seed = (self._seed + 1) % 50
            self.take(watchdog.look(_noisy(self._seed) if picture is None else picture))
        return self

    def silent(self, seconds: float) -> "Camera":
        for _ in range(round(2 * seconds)):
            self.now_s += 0.5
            self.take(Silence())
        return self

    def away(self, seconds: float) -> "Camera":
        self.take(Failure("the stream cannot be opened: Connection refused"))
        return self.silent(seconds)

    @property
    def told(self) -> list[str]:
        return ["up" if change.is_up else f"down: {change.reason}" for change in self.changes]


def test_camera_that_works_is_never_told() -> None:
    camera = Camera().live(300)

    assert camera.told == []
    assert camera.replaced_s == []
    assert camera.state.fault == ""


def test_still_scene_with_noise_is_not_frozen_and_its_repetition_is() -> None:
    assert Camera().live(120).told == []
    assert Camera().live(5).live(40, _noisy(0)).told == ["down: the picture is frozen"]


def test_frozen_picture_is_told_once_however_long_and_up_once() -> None:
    camera = Camera().live(10).live(200, _noisy(0)).live(30)

    assert camera.told == ["down: the picture is frozen", "up"]
    down, up = camera.changes
    assert down.ago_s == pytest.approx(20, abs=1)
    assert up.down_s == pytest.approx(200, abs=1)
    assert len(camera.replaced_s) >= 5


def test_picture_that_freezes_anew_after_each_new_reader_stays_down() -> None:
    camera = Camera().live(10)
    for seed in range(5):
        camera.live(25, _noisy(seed))

    assert camera.told == ["down: the picture is frozen"]


@pytest.mark.parametrize("picture", [_solid(128), _solid(0, sigma=1.5), _solid(77)])
def test_one_colour_is_told(picture: Picture) -> None:
    camera = Camera().live(10).live(40, picture).live(10)

    assert camera.told[0].startswith("down: the picture is one colour")
    assert camera.told[1:] == ["up"]


def test_dark_scene_with_something_in_it_is_a_picture() -> None:
    dark = _solid(4, sigma=1.0)
    dark[6:10, 10:16] = 90

    assert not watchdog.look(dark).is_solid


def test_silence_replaces_the_reader_and_is_told_after_the_debounce() -> None:
    camera = Camera().live(10).silent(30).live(10)

    assert camera.told == ["down: no frame comes", "up"]
    assert camera.replaced_s[0] == pytest.approx(115)
    assert camera.changes[0].ago_s == pytest.approx(10)
    assert camera.changes[1].down_s == pytest.approx(30, abs=1)


def test_short_silence_replaces_the_reader_and_nobody_is_told() -> None:
    camera = Camera().live(10).silent(8).live(10)

    assert camera.told == []
    assert len(camera.replaced_s) == 1


def test_camera_that_vanishes_is_told_with_its_reason() -> None:
    camera = Camera().live(10).away(9)
    assert camera.told == []

    camera.away(40)
    camera.take(Opened())
    camera.live(2)
    assert camera.told == ["down: the stream cannot be opened: Connection refused"]

    camera.live(2)
    assert camera.told[1:] == ["up"]


def test_camera_that_was_never_there_is_told_once_and_comes_up() -> None:
    camera = Camera().away(29)
    assert camera.told == []

    camera.away(60)
    assert len(camera.told) == 1

    camera.take(Opened())
    camera.live(5)
    assert camera.told[1:] == ["up"]


def test_camera_that_flickers_is_not_told_at_every_turn() -> None:
    camera = Camera().live(10).away(15)
    for _ in range(10):
        camera.take(Opened())
        camera.live(1).away(2)

    assert len(camera.told) == 1


def test_opening_is_given_more_time_than_the_next_frame() -> None:
    assert Camera().silent(59).replaced_s == []
    assert len(Camera().silent(61).replaced_s) == 1


def test_resolution_that_changes_is_another_picture() -> None:
    small, large = watchdog.look(_SCENE), watchdog.look(np.repeat(_SCENE, 4, axis=0))

    assert small.is_like(small)
    assert not small.is_like(large)


def test_picture_smaller_than_the_sample_is_compared_whole() -> None:
    assert watchdog.look(np.zeros((2, 3, 3), np.uint8)).sample.shape == (6, 3)


def test_file_is_never_doubted() -> None:
    camera = Camera(_NOTHING).live(100, _noisy(0)).live(100, _solid(0)).silent(500)

    assert camera.told == []
    assert camera.replaced_s == []


def test_camera_that_may_be_silent_is_not_down_before_somebody_sends() -> None:
    assert Camera(_NOTHING).silent(100).told == []


def test_reader_of_a_file_that_fails_is_told() -> None:
    camera = Camera(_NOTHING).live(10).away(20)

    assert len(camera.told) == 1


_STEPS = st.lists(
    st.tuples(st.sampled_from(["live", "frozen", "solid", "silent", "away"]), st.integers(1, 30)),
    max_size=6,
)


@settings(max_examples=25)
@given(_STEPS)
def test_whatever_happens_down_and_up_take_turns(steps: list[tuple[str, int]]) -> None:
    camera = Camera()
    for what, seconds in steps:
        match what:
            case "live":
                camera.live(seconds)
            case "frozen":
                camera.live(seconds, _noisy(0))
            case "solid":
                camera.live(seconds, _solid(128))
            case "silent":
                camera.silent(seconds)
            case "away":
                camera.away(seconds)
                camera.take(Opened())

    kinds = [change.is_up for change in camera.changes]
    assert kinds == [index % 2 == 1 for index in range(len(kinds))]
    assert all(change.down_s >= 0 and change.ago_s >= 0 for change in camera.changes)
    assert camera.state.is_down == (len(kinds) % 2 == 1)


@settings(max_examples=25)
@given(_STEPS)
def test_whatever_happened_a_minute_of_good_pictures_brings_it_up(
    steps: list[tuple[str, int]],
) -> None:
    camera = Camera()
    for what, seconds in steps:
        camera.silent(seconds) if what == "silent" else camera.live(seconds, _noisy(0))
    camera.live(60)

    assert not camera.state.is_down
    assert camera.state.fault == ""


def test_camera_that_works_from_the_start_is_announced_once_after_the_debounce() -> None:
    camera = Camera(is_announced=False).live(2.5)
    assert camera.told == []

    camera.live(100)

    assert camera.told == ["up"]
    assert camera.changes[0].down_s == 0
    assert camera.changes[0].reason == ""


def test_camera_that_is_away_from_the_start_is_not_announced_besides() -> None:
    camera = Camera(is_announced=False).away(60).live(20)

    assert camera.told == ["down: the stream cannot be opened: Connection refused", "up"]
    assert camera.changes[1].down_s == pytest.approx(60, abs=2)


def test_frozen_picture_at_the_start_is_not_announced() -> None:
    camera = Camera(is_announced=False).live(40, _noisy(1))

    assert camera.told == ["down: the picture is frozen"]
