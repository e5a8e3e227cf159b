"""The scripted clips, each with what has to be told of it."""

from benchmarks.edge.stage import Actor, Clip

_OUT_LEFT, _MIDDLE, _OUT_RIGHT = -130.0, 320.0, 770.0
_HIGH, _LOW = 215.0, 255.0
_BARE, _MASKED, _UNDER_NOSE, _UNMASKED = "collins", "hopper in mask", "hopper under nose", "hopper"


def all_clips() -> tuple[Clip, ...]:
    """Return every clip."""
    return (
        _walk_through(),
        _stand(minutes=10.0, occlusions=20),
        _crossing(),
        _return(after_s=5.0, episodes=1),
        _return(after_s=300.0, episodes=2),
        _hand(),
        _pulled_down(),
        _put_on(),
        _somebody_else(),
    )


def short_clips() -> tuple[Clip, ...]:
    """Return the clips of a test: shorter stays, and nobody waits five minutes."""
    return (
        _walk_through(),
        _stand(minutes=0.5, occlusions=2),
        _crossing(),
        _return(after_s=5.0, episodes=1),
        _pulled_down(),
    )


def side_by_side() -> Clip:
    """Return two who stand beside each other, one of them without a mask."""
    places = ((_BARE, 180.0), (_MASKED, 480.0))
    people = tuple(
        Actor(((0.0, wears),), ((0.5, x, _HIGH), (5.0, x, _HIGH))) for wears, x in places
    )
    return Clip("two stand side by side, one without a mask", 6.0, people, 2, 1)


def _walk(begin_s: float, wears: str, *, y: float, seconds: float, is_leftward: bool) -> Actor:
    first, last = (_OUT_RIGHT, _OUT_LEFT) if is_leftward else (_OUT_LEFT, _OUT_RIGHT)
    return Actor(((0.0, wears),), ((begin_s, first, y), (begin_s + seconds, last, y)))


def _standing(wears: tuple[tuple[float, str], ...], until_s: float) -> tuple[Actor, ...]:
    """Return somebody who comes in from the left, stands in the middle, and leaves again."""
    way = (
        (1.0, _OUT_LEFT, _HIGH),
        (2.5, _MIDDLE, _HIGH),
        (until_s - 1.5, _MIDDLE, _HIGH),
        (until_s, _OUT_LEFT, _HIGH),
    )
    return (Actor(wears, way),)


def _walk_through() -> Clip:
    people = (
        _walk(1.0, _BARE, y=_HIGH, seconds=4.0, is_leftward=False),
        _walk(8.0, _MASKED, y=_HIGH, seconds=4.0, is_leftward=False),
    )
    return Clip("one walks through without a mask, then one with", 13.0, people, 2, 1)


def _stand(*, minutes: float, occlusions: int) -> Clip:
    end_s = 60 * minutes
    every_s = (end_s - 10) / occlusions
    hidden = tuple((8 + every_s * number, 9 + every_s * number) for number in range(occlusions))
    way = (
        (1.0, _OUT_LEFT, _HIGH),
        (2.5, _MIDDLE, _HIGH),
        (end_s - 1.5, _MIDDLE, _HIGH),
        (end_s, _OUT_RIGHT, _HIGH),
    )
    name = f"stands for {minutes:g} min, hidden {occlusions} times for 1 s"
    return Clip(name, end_s + 2, (Actor(((0.0, _BARE),), way, hidden),), 1, 1)


def _crossing() -> Clip:
    people = (
        _walk(1.0, _MASKED, y=_HIGH, seconds=5.0, is_leftward=True),
        _walk(1.0, _BARE, y=_LOW, seconds=5.0, is_leftward=False),
    )
    return Clip("two cross, one without a mask", 8.0, people, 2, 1)


def _return(*, after_s: float, episodes: int) -> Clip:
    first = _standing(((0.0, _BARE),), 8.0)
    again_s = 8.0 + after_s
    way = (
        (again_s, _OUT_LEFT, _HIGH),
        (again_s + 1.5, _MIDDLE, _HIGH),
        (again_s + 6.0, _MIDDLE, _HIGH),
        (again_s + 7.5, _OUT_LEFT, _HIGH),
    )
    people = (*first, Actor(((0.0, _BARE),), way))
    name = f"leaves and returns after {after_s:g} s"
    return Clip(name, again_s + 9, people, episodes, episodes)


def _hand() -> Clip:
    """The masked one holds a hand before the mouth, then the one without does."""
    masked = ((0.0, _MASKED), (5.0, f"{_MASKED} with hand"), (6.0, _MASKED))
    bare = ((0.0, _BARE), (20.0, f"{_BARE} with hand"), (21.0, _BARE))
    way = (
        (15.0, _OUT_RIGHT, _HIGH),
        (16.5, _MIDDLE, _HIGH),
        (24.0, _MIDDLE, _HIGH),
        (25.5, _OUT_RIGHT, _HIGH),
    )
    people = (*_standing(masked, 10.0), Actor(bare, way))
    return Clip("a hand before the mouth for 1 s, with and without a mask", 27.0, people, 2, 1)


def _pulled_down() -> Clip:
    wears = ((0.0, _MASKED), (7.0, _UNDER_NOSE))
    return Clip("mask pulled down half-way", 15.0, _standing(wears, 14.0), 1, 1)


def _put_on() -> Clip:
    wears = ((0.0, _UNMASKED), (7.0, _MASKED))
    return Clip("mask put on after the alert", 15.0, _standing(wears, 14.0), 1, 1, put_on=1)


def _somebody_else() -> Clip:
    """One without a mask leaves, another in other clothes comes in there 10 s later."""
    way = (
        (18.0, _OUT_LEFT, _HIGH),
        (19.5, _MIDDLE, _HIGH),
        (24.0, _MIDDLE, _HIGH),
        (25.5, _OUT_RIGHT, _HIGH),
    )
    people = (*_standing(((0.0, _BARE),), 8.0), Actor(((0.0, "collins in blue"),), way))
    return Clip("another comes in where one has left, 10 s later", 27.0, people, 2, 2)
