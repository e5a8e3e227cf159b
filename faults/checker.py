"""History and end state → verdict: pure, and tested with planted faults."""

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from faults.end_state import EndState
from faults.history import Event, History

_SURE, _UNSURE = "sent", "unknown"


@dataclass(frozen=True)
class Expected:
    """What a case promises beyond "each once".

    Attributes:
        recipients: Who is mailed of every alert; without any, mails are not looked at.
        is_archived: Whether the path goes as far as the archive, or ends on the topic.
        dead_letters: How many exactly, by topic.
        refused_rows: Rows that the dispatcher has to set aside, exactly.
        uncertain_mails: Second mails that are allowed, each of a delivery of which the ledger
            itself says that its fate was unknown.
        is_each_mailed: False with a cool-down: an alert may be named in another's mail.
        is_ordered: False where devices number their events anew or share a name.
    """

    recipients: tuple[str, ...] = ()
    is_archived: bool = True
    dead_letters: Mapping[str, int] = field(default_factory=dict)
    refused_rows: int = 0
    uncertain_mails: int = 0
    is_each_mailed: bool = True
    is_ordered: bool = True


@dataclass(frozen=True)
class Finding:
    """Something that may not be: how often, and the first example."""

    kind: str
    count: int
    example: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.count}, first: {self.example}"


@dataclass(frozen=True)
class Verdict:
    """What the checker found; clean without findings."""

    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
    latencies_s: Mapping[str, tuple[float, float, float]]

    @property
    def is_clean(self) -> bool:
        return not self.findings

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        latencies = (
            f"{name}: p50 {p50:.2f} s, p95 {p95:.2f} s, max {worst:.2f} s"
            for name, (p50, p95, worst) in self.latencies_s.items()
        )
        found = [str(finding) for finding in self.findings] or ["nothing lost, nothing twice"]
        return "\n".join([counts, *latencies, *found])


def judge(history: History, end: EndState, expected: Expected) -> Verdict:
    """Return everything in which the end state differs from what the history demands."""
    found = [
        *(_archive(history, end) if expected.is_archived else _topic(history, end)),
        *(_order(history, end) if expected.is_ordered else ()),
        *(_mails(history, end, expected) if expected.recipients else ()),
        *_queues(end),
        *_set_aside(end, expected),
    ]
    return Verdict(tuple(found), _counts(history, end), _latencies(history, end))


def _finding(kind: str, examples: Sequence[object]) -> Iterator[Finding]:
    if examples:
        yield Finding(kind, len(examples), str(examples[0]))


# --- archive and topic ---------------------------------------------------------------------------


def _archive(history: History, end: EndState) -> Iterator[Finding]:
    rows = Counter(row.event_id for row in end.rows)
    made = {event.event_id: event for event in history.events}
    lost = [event for event in history.acknowledged if event.event_id not in rows]
    yield from _finding("lost", lost)
    yield from _finding("archived twice", [one for one, count in rows.items() if count > 1])
    yield from _finding("never made", [row for row in end.rows if row.event_id not in made])
    mixed = [
        (row, made[row.event_id])
        for row in end.rows
        if row.event_id in made and not _is_of(row.device, row.sequence, made[row.event_id])
    ]
    yield from _finding("mixed up", mixed)
    yield from _finding("without its device or models", end.orphans)
    unasked = [event_id for event_id in rows if end.requests.get(event_id, 0) != 1]
    yield from _finding("not asked for exactly once", unasked)


def _is_of(device: str, sequence: int, event: Event) -> bool:
    return (device, sequence) == (event.device, event.sequence)


def _topic(history: History, end: EndState) -> Iterator[Finding]:
    published = {event_id for _, event_id in end.wire}
    lost = [event for event in history.acknowledged if event.event_id not in published]
    yield from _finding("lost", lost)
    known = {event.event_id for event in history.events}
    yield from _finding("never made", sorted(published - known))


def _order(history: History, end: EndState) -> Iterator[Finding]:
    """Of each device, the first record of each event: a repetition may come later, not before."""
    made = {event.event_id: event for event in history.events}
    latest: dict[str, Event] = {}
    overtaken: list[str] = []
    for event_id in dict.fromkeys(event_id for _, event_id in end.wire if event_id in made):
        event = made[event_id]
        before = latest.get(event.device)
        if before is not None and before.sequence > event.sequence:
            overtaken.append(f"{event} behind {before}")
        else:
            latest[event.device] = event
    yield from _finding("reordered on the topic", overtaken)


# --- mails ---------------------------------------------------------------------------------------


def _mails(history: History, end: EndState, expected: Expected) -> Iterator[Finding]:
    counted = Counter((mail.event_id, mail.recipient) for mail in end.mails)
    ledger = {(row.event_id, row.recipient): row for row in end.ledger}
    due = {pair for pair, row in ledger.items() if row.state in {_SURE, _UNSURE}}
    undue = [mail for mail in end.mails if (mail.event_id, mail.recipient) not in due]
    yield from _finding("mail that should not be", undue)
    again = [pair for pair, count in counted.items() if count > 1]
    uncertain = [
        pair for pair in again if pair in ledger and counted[pair] <= 1 + ledger[pair].unknowns
    ]
    yield from _finding("second mail", [pair for pair in again if pair not in uncertain])
    yield from _finding("second mail of uncertain fate", uncertain[expected.uncertain_mails :])
    sent = [pair for pair, row in ledger.items() if row.state == _SURE]
    yield from _finding("in the ledger, not in the inbox", [p for p in sent if not counted[p]])
    yield from _unmailed(history, end, expected, counted)


def _unmailed(
    history: History, end: EndState, expected: Expected, counted: Mapping[tuple[str, str], int]
) -> Iterator[Finding]:
    judged = {(row.event_id, row.recipient) for row in end.ledger}
    pairs = [(e.event_id, to) for e in history.acknowledged for to in expected.recipients]
    if expected.is_each_mailed:
        yield from _finding("not mailed", [pair for pair in pairs if pair not in counted])
    else:
        yield from _finding("not judged", [pair for pair in pairs if pair not in judged])


# --- queues --------------------------------------------------------------------------------------


def _queues(end: EndState) -> Iterator[Finding]:
    owed = sum(row.is_owed for row in end.ledger)
    queues = {
        "rows of the outbox": end.edge.unsent,
        "records not committed": end.lag,
        "requests not published": end.unrequested,
        "mails owed": owed,
    }
    stuck = {name: count for name, count in queues.items() if count}
    for name, count in stuck.items():
        yield Finding("stuck", count, name)


def _set_aside(end: EndState, expected: Expected) -> Iterator[Finding]:
    for topic in sorted({*end.dead_letters, *expected.dead_letters}):
        has, wanted = end.dead_letters.get(topic, 0), expected.dead_letters.get(topic, 0)
        if has != wanted:
            yield Finding("dead letters", abs(has - wanted), f"{topic} has {has}, not {wanted}")
    if end.edge.refused != expected.refused_rows:
        has, wanted = end.edge.refused, expected.refused_rows
        yield Finding("rows set aside", abs(has - wanted), f"outbox has {has}, not {wanted}")


# --- the report ----------------------------------------------------------------------------------


def _counts(history: History, end: EndState) -> dict[str, int]:
    return {
        "tried": len(history.events),
        "acknowledged": len(history.acknowledged),
        "on the topic": len(end.wire),
        "archived": len(end.rows),
        "mails": len(end.mails),
        "dead letters": sum(end.dead_letters.values()),
    }


def _latencies(history: History, end: EndState) -> dict[str, tuple[float, float, float]]:
    began = {event.event_id: event.acknowledged_at for event in history.acknowledged}
    arrived = {
        "archived after": [(row.event_id, row.at_s) for row in end.rows],
        "mailed after": [(mail.event_id, mail.at_s) for mail in end.mails],
    }
    found: dict[str, tuple[float, float, float]] = {}
    for name, moments in arrived.items():
        delays = sorted(at_s - (began.get(event_id) or at_s) for event_id, at_s in moments)
        if delays:
            p95 = delays[min(len(delays) - 1, round(0.95 * len(delays)))]
            found[name] = statistics.median(delays), p95, delays[-1]
    return found
