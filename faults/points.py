"""Named points between two effects, at which a service can be killed, stopped or asked to end.

A point is a function of the product and a side of it: nothing in the product knows of them, and a
test walks the table, so that a function that is renamed is noticed.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Point:
    """Where a service gets its signal.

    Attributes:
        attribute: ``module:Class.function``, or ``module:function`` that is called by its module.
        side: Before the call, or after it came back without an error.
        is_fruitful: Only calls that return something count, such as a claim of at least one row.
    """

    attribute: str
    side: Literal["before", "after"]
    is_fruitful: bool = False


_PUBLISHER = "maskwatch_runtime.kafka.publisher:KafkaPublisher.publish"
_COMMIT = "maskwatch_runtime.kafka.commits:Commits._commit"
_LETTERS = "maskwatch_runtime.kafka.dead_letters:DeadLetters._publish"
POINTS = {
    "detector.inserting": Point("maskwatch_runtime.outbox.outbox:Outbox._insert", "after"),
    "detector.inserted": Point("edge_detector.spool:Store.append_all", "after"),
    "dispatcher.read_not_published": Point(_PUBLISHER, "before"),
    "dispatcher.acknowledged_not_marked": Point(
        "dispatcher.source:OutboxSource.mark_sent", "before"
    ),
    "dispatcher.marked": Point("dispatcher.source:OutboxSource.mark_sent", "after"),
    "ingress.fetching": Point("maskwatch_runtime.kafka.consumer:Consumer._poll", "before"),
    "ingress.read_not_archived": Point("ingress.archive:Archive.insert", "before"),
    "ingress.inserted_not_committed": Point("ingress.columns:images", "before"),
    # The relay has not been woken yet: neither request nor offset is out.
    "ingress.committed_not_requested": Point("ingress.archive:Archive.insert", "after"),
    "ingress.archived_not_offset": Point("ingress.handler:ArchiveHandler.handle", "after"),
    "ingress.committed_not_offset": Point(_COMMIT, "before"),
    "ingress.offset_committed": Point(_COMMIT, "after"),
    "ingress.request_read_not_published": Point(
        "ingress.requests:RequestSource.pending", "after", is_fruitful=True
    ),
    "ingress.requested_not_marked": Point("ingress.requests:RequestSource.mark_sent", "before"),
    "ingress.rejected_not_offset": Point(_LETTERS, "after"),
    "notifier.entered_not_offset": Point("notifier.handler:Handler.handle", "after"),
    "notifier.claimed_not_sent": Point("notifier.claims:Claims.take", "after", is_fruitful=True),
    "notifier.marked_not_sent": Point("notifier.claims:Claims.mark_sending", "after"),
    "notifier.accepted_not_recorded": Point("notifier.mailer:Mailer.send", "after"),
    "notifier.recorded": Point("notifier.claims:Claims.record", "after"),
}


def locate(point: Point) -> tuple[Any, str, Callable[..., Any]]:
    """Return the owner of a point's function, the function's name in it, and the function.

    Raises:
        AttributeError, ModuleNotFoundError: The product has no such function any more.
    """
    module, _, dotted = point.attribute.partition(":")
    owner: Any = importlib.import_module(module)
    *path, name = dotted.split(".")
    for part in path:
        owner = getattr(owner, part)
    return owner, name, getattr(owner, name)
