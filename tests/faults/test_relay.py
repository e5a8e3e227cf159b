"""From the outbox to the broker."""

import asyncio
import time

from aiokafka import errors
from maskwatch_runtime.kafka import topics

from faults import broker, end_state, watching
from faults.answers import Answers
from faults.case import Fault, case
from faults.load import Shape
from faults.path import AlertPath

_TIMEOUT_S = 3.0


def _unsent(path: AlertPath) -> int:
    return end_state.edge(path.outbox).unsent


@case("F7", "broker away for 72 h of alerts, then back")
async def test_long_outage_is_drained_in_order(path: AlertPath, fault: Fault) -> None:
    kafka, count = path.servers.kafka, 260_000 if fault.is_whole else 26_000
    await path.start("dispatcher")
    await asyncio.to_thread(kafka.kill)
    fault.injected("broker away")
    shape = Shape(devices=fault.random.randint(3, 9), batch=500)
    await path.load.block(count, shape=shape)
    await watching.until(lambda: not path.dispatcher.is_ready())
    await asyncio.to_thread(kafka.start)
    fault.healed()
    await watching.until(lambda: _unsent(path) < 0.9 * count)
    began_s, left = time.monotonic(), _unsent(path)
    resident = watching.peak_bytes(path.dispatcher)
    await watching.until(lambda: not _unsent(path), timeout_s=300)
    rate = left / (time.monotonic() - began_s)
    grown = watching.peak_bytes(path.dispatcher) / resident
    await path.prove(fault, timeout_s=300)
    fault.measured(f"drain of {count:,} alerts", rate, "alerts/s", at_least=2_000)
    fault.measured("dispatcher's memory, end to beginning", grown, "x", at_most=1.1)
    assert grown < 1.1


@case("F8", "a broker that accepts connections and never answers", rounds=2)
async def test_silent_broker_is_given_up_in_time_and_holds_up_no_end(
    path: AlertPath, fault: Fault
) -> None:
    door = path.proxy("dispatcher", "kafka")
    path.configure("dispatcher", KAFKA_TIMEOUT_S=str(_TIMEOUT_S))
    await path.start("ingress", "notifier", "dispatcher")
    for silence in fault.random.sample([door.stall, door.blackhole], k=2):
        await path.load.block(fault.random.randint(20, 200))
        assert await path.until_settled()
        silence()
        fault.injected(silence.__name__)
        await path.load.block(fault.random.randint(20, 2_000))
        noticed_s = await watching.until(lambda: not path.dispatcher.is_ready())
        fault.measured("until given up", noticed_s, "s", at_most=_TIMEOUT_S + 1)
        began_s = time.monotonic()
        assert await asyncio.to_thread(path.dispatcher.stop) == 0
        fault.measured("until ended", time.monotonic() - began_s, "s", at_most=10)
        path.dispatcher.begin()  # and with such a broker from the start
        await watching.until(path.dispatcher.is_live)
        door.heal()
        fault.healed()
        assert await path.until_settled()
    await path.prove(fault)


@case("F9", "SIGKILL of the dispatcher between the broker's acknowledgement and the mark", rounds=3)
async def test_what_is_published_twice_is_archived_and_mailed_once(
    path: AlertPath, fault: Fault
) -> None:
    await path.start("ingress", "notifier")
    for _ in fault.rounds:
        await path.load.block(fault.random.randint(20, 400))
        killed = path.armed("dispatcher", "dispatcher.acknowledged_not_marked")
        await killed.until_signalled()
        fault.injected("SIGKILL")
    await path.start("dispatcher")
    fault.healed()
    await path.prove(fault)
    assert path.end.repeats_on_wire > 0


async def _refused(
    path: AlertPath, fault: Fault, *refusals: type[errors.BrokerResponseError]
) -> None:
    """Have the broker answer each of these for a while, and see that everything goes out after."""
    answers = Answers()
    path.proxy("dispatcher", "kafka").filtered = answers.conversation
    path.configure("dispatcher", KAFKA_TIMEOUT_S=str(_TIMEOUT_S))
    await path.start("ingress", "notifier", "dispatcher")
    process = path.dispatcher.process.pid
    for error in fault.random.sample(refusals, k=len(refusals)):
        answers.refuse(error)
        await path.load.block(fault.random.randint(20, 400))
        await watching.until(lambda: not path.dispatcher.is_ready())
        await asyncio.sleep(fault.random.uniform(0, 1))
        assert path.dispatcher.is_live()
        assert path.dispatcher.metric("dispatcher_dependency_missing") == 1
        assert _unsent(path)
        fault.injected(error.__name__, answers.given[error.__name__])
        answers.heal()
        fault.healed()
        assert await path.until_settled(), error
    assert path.dispatcher.process.pid == process


@case("F10", "NOT_LEADER, NOT_ENOUGH_REPLICAS, no right to the topic, and MESSAGE_TOO_LARGE")
async def test_refusals_are_tried_again_and_a_large_alert_goes_without_its_picture(
    path: AlertPath, fault: Fault
) -> None:
    await _refused(
        path,
        fault,
        errors.NotLeaderForPartitionError,
        errors.NotEnoughReplicasError,
        errors.TopicAuthorizationFailedError,
        errors.ClusterAuthorizationFailedError,
    )
    small, large = Shape(picture_bytes=4_000), Shape(picture_bytes=60_000, batch=1)
    await asyncio.to_thread(path.dispatcher.stop)
    count = 0
    for _ in range(4):
        await path.load.block(fault.random.randint(10, 60), shape=small)
        count += (some := fault.random.randint(1, 3))
        await path.load.block(some, shape=large)
    await path.load.block(fault.random.randint(10, 60), shape=small)
    bootstrap = path.servers.kafka.bootstrap
    async with broker.configured(bootstrap, topics.ALERT, max_message_bytes="40000"):
        fault.injected("MESSAGE_TOO_LARGE", count)
        await path.start("dispatcher")
        await path.prove(fault)
    assert path.dispatcher.metric("dispatcher_pictures_dropped_too_large_total") == count


@case("F11", "OUT_OF_ORDER_SEQUENCE_NUMBER, and a producer that is fenced")
async def test_producer_that_is_given_up_by_the_broker_is_built_anew(
    path: AlertPath, fault: Fault
) -> None:
    await _refused(
        path,
        fault,
        errors.OutOfOrderSequenceNumber,
        errors.InvalidProducerEpoch,  # the client's ProducerFenced
        errors.UnknownProducerId,
    )
    await path.prove(fault)
