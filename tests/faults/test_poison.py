"""What nobody can read, what breaks a rule, and what does not add up."""

import asyncio

from maskwatch_proto import contract
from maskwatch_runtime.kafka import topics

from faults import compatibility, poison, records, sequences, watching
from faults.case import Fault, case
from faults.path import AlertPath, start
from faults.poison import Place, Poison

_LETTERS = topics.ALERT_DEAD_LETTERS
_EVENT_LETTERS = topics.DEVICE_EVENT_DEAD_LETTERS
_IN_A_ROW = "messages in a row are invalid"


@case("F19", "poison of ten kinds on both topics, among good neighbours", rounds=2)
async def test_poison_is_set_aside_with_its_origin_and_its_neighbours_arrive(
    path: AlertPath, fault: Fault
) -> None:
    broker = path.servers.kafka.bootstrap
    sent: dict[Place, Poison] = {}
    await path.start("dispatcher", "ingress", "notifier")
    process = path.ingress.process.pid
    for _ in fault.rounds:
        made = poison.every_kind(fault.random)
        made += poison.good_events(fault.random, 20)
        _, lying = await asyncio.gather(
            path.load.block(fault.random.randint(50, 100)),
            poison.publish(broker, made, numbers=fault.random),
        )
        sent |= {where: one for where, one in lying.items() if one.kind != poison.GOOD}
    for one in sent.values():
        fault.injected(one.kind)
    fault.healed()
    await path.prove(fault, path.expecting(dead_letters=poison.expected(sent)))
    letters = [*await records.read(broker, _LETTERS), *await records.read(broker, _EVENT_LETTERS)]
    assert poison.misfiled(sent, letters) == []
    assert await path.fetchval("SELECT count(*) FROM device_event") == 20 * len(fault.rounds)
    assert path.ingress.process.pid == process


@case("F20", "nothing but poison: a producer, or a reader, that is a bad deployment")
async def test_when_nothing_can_be_read_ingress_stops_taking_and_loses_nothing(
    path: AlertPath, fault: Fault
) -> None:
    broker = path.servers.kafka.bootstrap
    limit, count = fault.random.randint(20, 60), fault.random.randint(200, 400)
    path.configure("ingress", DEAD_LETTERS_MAX=str(limit), BATCH_RECORDS="20")
    await path.start("dispatcher", "ingress", "notifier")
    rubbish = poison.rubbish(fault.random, count)
    await poison.publish(broker, rubbish, numbers=fault.random)
    fault.injected("unreadable message", count)
    await watching.until(lambda: not path.ingress.is_ready())
    tried = path.ingress.log().count(_IN_A_ROW)
    await watching.until(lambda: path.ingress.log().count(_IN_A_ROW) >= tried + 3)
    letters = len(await records.read(broker, _LETTERS))
    assert path.ingress.is_live(), "a restart would not help, and let the next ones through"
    assert path.ingress.metric("ingress_messages_held") == 1
    assert letters <= limit
    assert await watching.lag(path) == count - letters, "an offset was committed past a letter"

    await asyncio.to_thread(path.ingress.stop)  # somebody has looked, and lets it pass
    patient = path.replica("ingress", DEAD_LETTERS_MAX="1000")
    await start(patient)
    fault.healed()
    await path.load.block(fault.random.randint(50, 100))
    await path.prove(fault, path.expecting(dead_letters={_LETTERS: count}))
    assert {one.value for one in await records.read(broker, _LETTERS)} == {
        one.value for one in rubbish
    }


@case("F23", "rows that break a rule of the schema, in batches with others", rounds=3)
async def test_only_the_row_that_breaks_a_rule_is_set_aside(path: AlertPath, fault: Fault) -> None:
    for table in ("alert", "device_event"):
        await path.fetchval(f"ALTER TABLE {table} ADD CHECK (camera <> 'forbidden')")
    broker = path.servers.kafka.bootstrap
    sent: dict[Place, Poison] = {}
    await path.start("dispatcher")
    for _ in fault.rounds:
        made = poison.forbidden(fault.random, alerts=fault.random.randint(1, 4), events=2)
        made += poison.good_events(fault.random, 20)
        await path.load.block(fault.random.randint(50, 200))
        lying = await poison.publish(broker, made, numbers=fault.random)
        sent |= {where: one for where, one in lying.items() if one.kind != poison.GOOD}
    fault.injected("row refused", len(sent))
    await path.start("ingress", "notifier")  # they find it all at once: large batches
    fault.healed()
    await path.prove(fault, path.expecting(dead_letters=poison.expected(sent)))
    letters = [*await records.read(broker, _LETTERS), *await records.read(broker, _EVENT_LETTERS)]
    assert poison.misfiled(sent, letters) == []
    assert await path.fetchval("SELECT count(*) FROM device_event") == 20 * len(fault.rounds)


@case("F31", "devices nobody enrolled, a guid used twice, numbers that are missing or start anew")
async def test_numbers_that_do_not_add_up_are_told_and_nothing_is_dropped(
    path: AlertPath, fault: Fault
) -> None:
    scene = sequences.scene(fault.random)
    path.configure("ingress", SEQUENCE_CHECK_S="0.5")
    await path.start("dispatcher", "ingress", "notifier")
    await path.load.put(scene.alerts)
    fault.injected("number missing", sum(last - first + 1 for _, first, last in scene.gaps))
    fault.injected("number used again", sum(count for _, count in scene.repeated))
    fault.injected("guid used twice", len(scene.overlapping))
    fault.injected("device not enrolled", scene.devices)
    fault.healed()
    await path.prove(fault, path.expecting(is_ordered=False))
    assert await watching.rows(path, sequences.GAPS) == scene.gaps
    assert await watching.rows(path, sequences.REPEATED) == scene.repeated
    assert await watching.rows(path, sequences.OVERLAPPING) == scene.overlapping
    metric = path.ingress.metric
    await watching.until(
        lambda: metric("ingress_sequence_missing") == fault.counts["number missing"]
    )
    assert metric("ingress_sequence_repeated") == fault.counts["number used again"]
    assert metric("ingress_boots_overlapping") == len(scene.overlapping)
    assert metric("ingress_devices_new") == scene.devices


@case("F32", "a rolling upgrade: producers and readers of older and newer schemas side by side")
async def test_older_and_newer_schemas_read_each_other(path: AlertPath, fault: Fault) -> None:
    broker = path.servers.kafka.bootstrap
    await path.start("dispatcher", "ingress", "notifier")
    for name, producer in compatibility.producers(fault.random).items():
        await path.load.block(fault.random.randint(20, 60))
        values = [producer(contract.encode(poison.good_alert(fault.random))) for _ in range(20)]
        await poison.publish(
            broker,
            [Poison(poison.GOOD, topics.ALERT, value) for value in values],
            numbers=fault.random,
        )
        path.load.published([contract.decode(value) for value in values])
        fault.injected(f"{name} producer's message", len(values))
    fault.healed()
    await path.prove(fault, path.expecting(is_ordered=False))
    for stored in await records.read(broker, topics.ALERT):
        for schema in (compatibility.original(), compatibility.older(), compatibility.newer()):
            assert compatibility.differences(schema, stored.value) == []
    assert compatibility.breaking(compatibility.baseline(), compatibility.in_use()) == []
