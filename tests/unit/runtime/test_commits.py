"""Offsets that a broker takes, refuses, or does not take now."""

from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    KafkaConnectionError,
    TopicAuthorizationFailedError,
)
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.kafka.commits import Commits
from maskwatch_runtime.kafka.lookout import Lookout

_FIRST, _SECOND = TopicPartition("t", 0), TopicPartition("t", 1)
_TIMEOUT_S = 1.0


class _Broker:
    """Takes commits, or fails them with what it is told to; knows whether it is away."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.is_away = False
        self.taken: list[dict[TopicPartition, int]] = []

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self.failure:
            raise self.failure
        self.taken.append(offsets)


def _commits(broker: _Broker, waits: list[Unavailable], **options: Any) -> Commits:
    return Commits(
        cast("AIOKafkaConsumer", broker),
        lookout=cast("Lookout", broker),
        on_wait=waits.append,
        **{"again_s": 0.0, **options},
    )


async def test_what_is_done_is_committed_once() -> None:
    broker = _Broker()
    commits = _commits(broker, [])
    assert not await commits.flush(timeout_s=_TIMEOUT_S)
    commits.add({_FIRST: 5})
    assert await commits.flush(timeout_s=_TIMEOUT_S)
    assert not await commits.flush(timeout_s=_TIMEOUT_S)
    assert broker.taken == [{_FIRST: 5}]


@pytest.mark.parametrize("failure", [TimeoutError(), KafkaConnectionError()])
async def test_broker_that_is_away_costs_nothing_and_gets_the_newest_offsets(
    failure: Exception,
) -> None:
    broker, waits = _Broker(), list[Unavailable]()
    commits = _commits(broker, waits, patience_s=0.0)
    broker.failure, broker.is_away = failure, True
    for offset in (5, 6):
        commits.add({_FIRST: offset})
        assert not await commits.flush(timeout_s=_TIMEOUT_S)
    assert [one.dependency for one in waits] == ["kafka", "kafka"]
    commits.add({_SECOND: 9})
    broker.failure = None
    assert await commits.flush(timeout_s=_TIMEOUT_S)
    assert broker.taken == [{_FIRST: 6, _SECOND: 9}]


async def test_commit_is_not_tried_again_at_once() -> None:
    broker, waits = _Broker(), list[Unavailable]()
    commits = _commits(broker, waits, again_s=60.0)
    broker.failure = TimeoutError()
    commits.add({_FIRST: 5})
    assert not await commits.flush(timeout_s=_TIMEOUT_S)
    assert not await commits.flush(timeout_s=_TIMEOUT_S)
    assert len(waits) == 1


async def test_broker_that_answers_others_for_long_needs_a_new_member() -> None:
    broker = _Broker()
    commits = _commits(broker, [], patience_s=0.0)
    broker.failure = TimeoutError()
    commits.add({_FIRST: 5})
    assert not await commits.flush(timeout_s=_TIMEOUT_S)
    with pytest.raises(Unavailable):
        await commits.flush(timeout_s=_TIMEOUT_S)


async def test_what_waiting_does_not_cure_is_told_at_once() -> None:
    broker = _Broker()
    commits = _commits(broker, [])
    broker.failure = TopicAuthorizationFailedError()
    commits.add({_FIRST: 5})
    with pytest.raises(Unavailable):
        await commits.flush(timeout_s=_TIMEOUT_S)


async def test_group_that_has_moved_on_handles_the_records_again() -> None:
    broker = _Broker()
    commits = _commits(broker, [])
    broker.failure = CommitFailedError("rebalanced")
    commits.add({_FIRST: 5})
    assert await commits.flush(timeout_s=_TIMEOUT_S)
    broker.failure = None
    assert not await commits.flush(timeout_s=_TIMEOUT_S)


async def test_partitions_that_are_given_away_are_not_committed() -> None:
    broker = _Broker()
    commits = _commits(broker, [])
    commits.add({_FIRST: 5, _SECOND: 9})
    commits.forget([_FIRST])
    assert await commits.flush(timeout_s=_TIMEOUT_S)
    assert broker.taken == [{_SECOND: 9}]
