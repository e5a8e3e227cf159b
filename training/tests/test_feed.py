import pytest
from maskwatch_training.feed import Feed


def test_items_come_in_the_order_in_which_they_were_made() -> None:
    numbers = iter(range(100))
    with Feed(lambda: next(numbers)) as feed:
        assert [feed.take() for _ in range(10)] == list(range(10))


def test_error_of_the_preparing_thread_is_raised_where_it_is_taken() -> None:
    def prepare() -> int:
        raise ValueError("no picture")

    with Feed(prepare) as feed, pytest.raises(ValueError, match="no picture"):
        feed.take()


def test_feed_that_nobody_empties_ends_with_its_body() -> None:
    made: list[int] = []
    with Feed(lambda: made.append(len(made))) as feed:
        feed.take()
    assert 1 <= len(made) <= 6
