import pytest
from ingress.sequences import Found, exceeds, lesser


@pytest.mark.parametrize(
    ("before", "now", "lasting"),
    [
        (Found(), Found(), Found()),
        (Found(), Found(missing=3), Found()),
        (Found(missing=3), Found(missing=2), Found(missing=2)),
        (Found(repeated=1), Found(missing=3, repeated=1), Found(repeated=1)),
        (Found(1, 2, 3, 4), Found(4, 3, 2, 1), Found(1, 2, 2, 1)),
    ],
    ids=["nothing", "just now", "fewer", "one of two", "each by itself"],
)
def test_only_what_two_looks_have_seen_lasts(before: Found, now: Found, lasting: Found) -> None:
    assert lesser(before, now) == lasting


@pytest.mark.parametrize(
    ("now", "told", "is_more"),
    [
        (Found(), Found(), False),
        (Found(missing=1), Found(), True),
        (Found(missing=1), Found(missing=1), False),
        (Found(missing=1), Found(missing=2), False),
        (Found(missing=1, new_devices=1), Found(missing=2), True),
    ],
)
def test_more_of_anything_is_worth_a_line(now: Found, told: Found, *, is_more: bool) -> None:
    assert exceeds(now, told) == is_more
