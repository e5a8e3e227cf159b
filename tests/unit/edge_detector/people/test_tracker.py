import itertools

import numpy as np
import pytest
from edge_detector.people import tracker
from edge_detector.people.tracker import Rules, Track, Tracks
from edge_detector.vision.arrays import Floats
from hypothesis import given
from hypothesis import strategies as st

_RULES = Rules()
_FPS = [2.0, 5.0, 10.0, 15.0]


def _faces(*centres: tuple[float, float], side: float = 60.0) -> Floats:
    rows = [(x - side / 2, y - side / 2, x + side / 2, y + side / 2) for x, y in centres]
    return np.array(rows, np.float32).reshape(-1, 4)


def _after(*frames: tuple[float, Floats], rules: Rules = _RULES) -> Tracks:
    tracks = Tracks()
    for at_s, faces in frames:
        tracks = tracker.update(tracks, faces, at_s=at_s, rules=rules)
    return tracks


def _numbers(tracks: Tracks) -> list[int]:
    return [track.number for track in tracks.live]


def _of_faces(tracks: Tracks) -> dict[int, int]:
    """Return the track's number by the face's index."""
    return {track.face: track.number for track in tracks.live if track.face is not None}


def test_nobody_in_view_is_no_track() -> None:
    assert _after((0.0, _faces()), (1.0, _faces())) == Tracks()


def test_each_face_of_the_first_frame_is_a_person() -> None:
    tracks = _after((0.0, _faces((50, 50), (300, 50))))

    assert _of_faces(tracks) == {0: 1, 1: 2}


@pytest.mark.parametrize("fps", _FPS)
def test_person_who_stands_is_one_track(fps: float) -> None:
    rng = np.random.default_rng(1)
    frames = [
        (number / fps, _faces((200, 200)) + rng.normal(0, 2, 4).astype(np.float32))
        for number in range(100)
    ]

    assert _numbers(_after(*frames)) == [1]


@pytest.mark.parametrize("fps", _FPS)
@pytest.mark.parametrize("speed_sides_per_s", [1.0, 3.0, 6.0])
def test_person_who_walks_through_is_one_track(fps: float, speed_sides_per_s: float) -> None:
    frames = [
        (number / fps, _faces((speed_sides_per_s * 60 * number / fps, 200)))
        for number in range(int(3 * fps))
    ]

    assert _after(*frames).next_number == 2


@pytest.mark.parametrize("fps", _FPS)
def test_person_who_comes_nearer_is_one_track(fps: float) -> None:
    frames = [
        (number / fps, _faces((200, 200), side=30 * 1.5 ** (number / fps)))
        for number in range(int(4 * fps))
    ]

    assert _after(*frames).next_number == 2


@pytest.mark.parametrize("hidden_s", [0.5, 1.0, 2.9])
def test_person_hidden_for_a_moment_is_still_the_same(hidden_s: float) -> None:
    tracks = _after(
        (0.0, _faces((200, 200))), (hidden_s / 2, _faces()), (hidden_s, _faces((220, 200)))
    )

    assert _of_faces(tracks) == {0: 1}


def test_person_who_was_away_for_longer_is_another() -> None:
    tracks = _after((0.0, _faces((200, 200))), (3.5, _faces((200, 200))))

    assert _of_faces(tracks) == {0: 2}
    assert _numbers(tracks) == [2]


def test_person_who_appears_elsewhere_is_another() -> None:
    tracks = _after((0.0, _faces((100, 100))), (0.1, _faces((400, 100))))

    assert _numbers(tracks) == [1, 2]
    assert _of_faces(tracks) == {0: 2}


def test_gate_does_not_become_the_whole_picture() -> None:
    tracks = _after((0.0, _faces((100, 100))), (2.9, _faces((100 + 60 * 5, 100))))

    assert _of_faces(tracks) == {0: 2}


def test_face_of_quite_another_size_is_another() -> None:
    tracks = _after((0.0, _faces((200, 200))), (0.1, _faces((200, 200), side=180)))

    assert _of_faces(tracks) == {0: 2}


def test_two_people_side_by_side_keep_their_numbers_however_they_are_listed() -> None:
    tracks = _after(
        (0.0, _faces((100, 100), (180, 100))),
        (0.1, _faces((185, 100), (105, 100))),
        (0.2, _faces((110, 100), (190, 100))),
    )

    assert _of_faces(tracks) == {0: 1, 1: 2}


@pytest.mark.parametrize("fps", [5.0, 10.0, 15.0])
def test_two_people_who_pass_each_other_stay_two(fps: float) -> None:
    frames = []
    for number in range(int(2 * fps)):
        x = 120 * number / fps
        frames.append((number / fps, _faces((100 + x, 100), (340 - x, 150))))

    tracks = _after(*frames)

    assert tracks.next_number == 3
    assert _of_faces(tracks) == {0: 1, 1: 2}


def test_box_within_a_box_is_the_same_person() -> None:
    both = np.concatenate([_faces((200, 200)), _faces((205, 205), side=35)])

    tracks = _after((0.0, both), (0.1, both))

    assert tracks.next_number == 2


def test_stretch_of_missed_frames_does_not_make_a_second_person() -> None:
    """Ten minutes in view, hidden for a second twenty times."""
    frames = [
        (number / 5, _faces() if number % 150 < 5 else _faces((200, 200)))
        for number in range(1, 3000)
    ]

    assert _after(*frames).next_number == 2


def test_frames_of_one_moment_are_followed_too() -> None:
    tracks = _after((1.0, _faces((100, 100))), (1.0, _faces((101, 100))))

    assert _of_faces(tracks) == {0: 1}


_scene = st.lists(
    st.tuples(
        st.floats(0.02, 4.0),
        st.lists(
            st.tuples(st.integers(0, 600), st.integers(0, 400), st.integers(0, 120)), max_size=6
        ),
    ),
    max_size=12,
)


@given(_scene)
def test_whatever_comes_the_tracks_stay_sound(
    scene: list[tuple[float, list[tuple[int, int, int]]]],
) -> None:
    tracks, at_s = Tracks(), 0.0
    for step_s, people in scene:
        at_s += step_s
        rows = [(x, y, x + side, y + side) for x, y, side in people]
        faces = np.array(rows, np.float32).reshape(-1, 4)
        before = tracks
        tracks = tracker.update(before, faces, at_s=at_s, rules=_RULES)

        numbers = _numbers(tracks)
        assert numbers == sorted(set(numbers))
        assert tracks.next_number > max(numbers, default=0)
        assert tracks.next_number >= before.next_number
        seen = [track.face for track in tracks.live if track.face is not None]
        assert len(seen) == len(set(seen))
        assert set(seen) <= set(range(len(faces)))
        for track in tracks.live:
            _check(track, faces, at_s=at_s)
        kept = {track.number for track in before.live if at_s - track.seen_s <= _RULES.keep_s}
        assert kept <= set(numbers)


def _check(track: Track, faces: Floats, *, at_s: float) -> None:
    assert at_s - track.seen_s <= _RULES.keep_s
    assert track.first_seen_s <= track.seen_s <= at_s
    assert (track.face is not None) == (track.seen_s == at_s)
    if track.face is not None:
        assert track.box_px == tuple(faces[track.face].tolist())


@given(st.permutations([(100, 100), (300, 120), (500, 90), (120, 350)]))
def test_order_of_the_faces_does_not_matter(order: list[tuple[int, int]]) -> None:
    first = _faces(*[(100, 100), (300, 120), (500, 90), (120, 350)])
    tracks = _after((0.0, first), (0.1, _faces(*order)))

    places = {(100, 100): 1, (300, 120): 2, (500, 90): 3, (120, 350): 4}
    assert _of_faces(tracks) == {index: places[place] for index, place in enumerate(order)}


def test_pairs_are_the_same_whichever_people_are_first_known() -> None:
    centres = [(100.0, 100.0), (170.0, 100.0), (240.0, 100.0)]
    moved = _faces(*[(x + 20, y) for x, y in centres])
    for order in itertools.permutations(range(3)):
        tracks = _after((0.0, _faces(*[centres[index] for index in order])), (0.1, moved))
        assert _of_faces(tracks) == {index: order.index(index) + 1 for index in range(3)}


def test_box_over_two_who_pass_each_other_takes_nobody_along() -> None:
    two = _faces((100, 100), (200, 100))
    over_both = np.array([[105, 60, 240, 140]], np.float32)
    tracks = _after((0.0, two), (0.1, np.concatenate([two[1:], over_both, two[:1]])))

    assert _of_faces(tracks) == {0: 2, 2: 1}
