"""The checker itself: a clean run is clean, and each planted fault is found and named."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from maskwatch_runtime.kafka import topics

from faults.checker import Verdict
from faults.servers import Servers
from tests.faults.world import EXPECTED, RECIPIENT, World, dead_letter

_COUNT = 9  # three of each of three devices
_DROP_ROW = """
WITH gone AS (SELECT id FROM alert WHERE event_id::text = $1),
    requests AS (DELETE FROM notification_request WHERE alert_id IN (SELECT id FROM gone)),
    ledger AS (DELETE FROM delivery WHERE alert_id IN (SELECT id FROM gone))
DELETE FROM alert WHERE id IN (SELECT id FROM gone)
"""
_UNIQUE = """
SELECT format('ALTER TABLE alert DROP CONSTRAINT %I', conname) FROM pg_constraint
WHERE conrelid = 'alert'::regclass AND contype = 'u'
"""
_COPY_ROW = """
INSERT INTO alert (id, event_id, event_time, device_id, face_model_id, mask_model_id, sequence)
SELECT nextval('alert_id_seq'), event_id, event_time, device_id, face_model_id, mask_model_id,
    sequence
FROM alert WHERE event_id::text = $1
"""
_ASK_AGAIN = "INSERT INTO notification_request (alert_id) SELECT id FROM alert LIMIT 1"


@pytest.fixture
async def world(fault_servers: Servers, tmp_path: Path) -> AsyncIterator[World]:
    await fault_servers.empty()
    name = "checker"
    made = World(fault_servers, await fault_servers.fresh_database(name), tmp_path)
    await made.make(_COUNT)
    yield made
    await fault_servers.postgres.drop_database(name)


def _found(verdict: Verdict) -> dict[str, int]:
    return {finding.kind: finding.count for finding in verdict.findings}


def _first(world: World) -> str:
    return world.load.history.events[0].event_id


async def test_a_clean_run_is_clean_and_counted(world: World) -> None:
    verdict = await world.verdict()
    assert verdict.is_clean
    assert verdict.counts["archived"] == verdict.counts["mails"] == _COUNT
    assert verdict.latencies_s.keys() == {"archived after", "mailed after"}
    assert str(verdict).endswith("nothing lost, nothing twice")


async def test_a_loss_is_found_with_its_event(world: World) -> None:
    await world.execute(_DROP_ROW, _first(world))
    verdict = await world.verdict()
    assert _found(verdict)["lost"] == 1
    assert _first(world) in str(verdict)


async def test_a_duplicated_row_is_found(world: World) -> None:
    (constraint,) = await world.fetch(_UNIQUE)
    await world.execute(constraint)
    await world.execute(_COPY_ROW, _first(world))
    assert _found(await world.verdict()) == {"archived twice": 1}


async def test_a_row_that_nobody_made_is_found(world: World) -> None:
    await world.execute(
        "UPDATE alert SET event_id = gen_random_uuid() WHERE event_id::text = $1", _first(world)
    )
    assert _found(await world.verdict())["never made"] == 1


async def test_rows_that_are_mixed_up_are_found(world: World) -> None:
    await world.execute("UPDATE alert SET sequence = 77 WHERE event_id::text = $1", _first(world))
    assert _found(await world.verdict()) == {"mixed up": 1}


async def test_a_row_whose_model_is_not_there_is_found(world: World) -> None:
    await world.execute(
        "UPDATE alert SET face_model_id = 'none' WHERE event_id::text = $1", _first(world)
    )
    assert _found(await world.verdict()) == {"without its device or models": 1}


async def test_a_second_request_is_found(world: World) -> None:
    await world.execute(_ASK_AGAIN)
    await world.execute("UPDATE notification_request SET published_at = now()")
    assert _found(await world.verdict()) == {"not asked for exactly once": 1}


async def test_a_device_whose_events_overtook_each_other_is_found(world: World) -> None:
    mine = [one for one in world.load.history.events if one.device == "device-1"]
    messages = [world.message(one.event_id) for one in mine]
    await world.servers.empty_topics()
    await world.publish([messages[1], messages[0], messages[2]])
    assert _found(await world.verdict()) == {"reordered on the topic": 1}


async def test_a_repetition_on_the_topic_is_no_reorder(world: World) -> None:
    await world.publish([world.message(_first(world))])
    verdict = await world.verdict()
    assert verdict.is_clean
    assert verdict.counts["on the topic"] == _COUNT + 1


async def test_what_never_reached_the_topic_is_lost_where_the_path_ends_there(world: World) -> None:
    await world.servers.empty_topics()
    expected = replace(EXPECTED, is_archived=False)
    assert _found(await world.verdict(expected)) == {"lost": _COUNT}


async def test_a_second_mail_is_found(world: World) -> None:
    world.mail(_first(world))
    assert _found(await world.verdict()) == {"second mail": 1}


async def test_a_second_mail_of_uncertain_fate_is_allowed_only_by_number(world: World) -> None:
    world.mail(_first(world))
    await world.execute("UPDATE delivery SET unknowns = 1")
    assert _found(await world.verdict()) == {"second mail of uncertain fate": 1}
    assert (await world.verdict(replace(EXPECTED, uncertain_mails=1))).is_clean


async def test_a_third_mail_is_found_however_uncertain(world: World) -> None:
    world.mail(_first(world))
    world.mail(_first(world))
    await world.execute("UPDATE delivery SET unknowns = 1")
    allowed = replace(EXPECTED, uncertain_mails=5)
    assert _found(await world.verdict(allowed)) == {"second mail": 1}


async def test_a_mail_that_the_ledger_does_not_know_is_found(world: World) -> None:
    world.mail("00000000-0000-4000-8000-000000000000")
    assert _found(await world.verdict()) == {"mail that should not be": 1}


async def test_a_mail_that_is_not_there_is_found(world: World) -> None:
    async with world.servers.inbox.client() as inbox:
        await inbox.clear()
    found = _found(await world.verdict())
    assert found == {"not mailed": _COUNT, "in the ledger, not in the inbox": _COUNT}


async def test_an_alert_that_was_never_judged_is_found_with_a_cool_down(world: World) -> None:
    await world.execute("DELETE FROM delivery WHERE recipient = $1", RECIPIENT)
    async with world.servers.inbox.client() as inbox:
        await inbox.clear()
    expected = replace(EXPECTED, is_each_mailed=False)
    assert _found(await world.verdict(expected)) == {"not judged": _COUNT}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE notification_request SET published_at = NULL",
        "UPDATE delivery SET next_try_at = now()",
    ],
)
async def test_what_waits_in_the_database_is_found(world: World, statement: str) -> None:
    await world.execute(statement)
    assert _found(await world.verdict()) == {"stuck": _COUNT}


async def test_what_waits_in_the_outbox_is_found(world: World) -> None:
    world.sql_in_outbox("UPDATE alert SET sent = 0 WHERE rowid = 1")
    assert _found(await world.verdict()) == {"stuck": 1}


async def test_what_was_set_aside_in_the_outbox_is_found(world: World) -> None:
    world.sql_in_outbox("UPDATE alert SET refused_reason = 'too large' WHERE rowid = 1")
    assert _found(await world.verdict()) == {"rows set aside": 1}
    assert (await world.verdict(replace(EXPECTED, refused_rows=1))).is_clean


async def test_records_that_nobody_committed_are_found(world: World) -> None:
    world.places = replace(world.places, groups={"nobody": topics.ALERT})
    assert _found(await world.verdict()) == {"stuck": _COUNT}


async def test_a_dead_letter_is_found_unless_it_is_expected(world: World) -> None:
    await world.publish([dead_letter()])
    assert _found(await world.verdict()) == {"dead letters": 1}
    expected = replace(EXPECTED, dead_letters={topics.ALERT_DEAD_LETTERS: 1})
    assert (await world.verdict(expected)).is_clean


async def test_a_dead_letter_that_is_missing_is_found(world: World) -> None:
    expected = replace(EXPECTED, dead_letters={topics.ALERT_DEAD_LETTERS: 2})
    assert _found(await world.verdict(expected)) == {"dead letters": 2}
