"""The device's disk where nobody is root: a process may write no large file, as on a full disk."""

import asyncio
import resource
from contextlib import closing

from faults.case import Fault, case
from faults.path import AlertPath
from faults.spooling import WriterProcess
from faults.waiting import until
from faults.writer import Orders

_MB = 1024 * 1024


def _limit(pid: int, size_bytes: int) -> None:
    """Let a process make no file larger than this; what is larger already may not grow."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size_bytes, hard))


@case("F5", "the outbox may grow no further (EFBIG) for detector and dispatcher, and then it may")
async def test_outbox_that_may_not_grow_costs_what_memory_cannot_hold_and_that_is_counted(
    path: AlertPath, fault: Fault
) -> None:
    broker = path.proxy("dispatcher", "kafka")
    await path.start("dispatcher", "ingress")
    broker.blackhole()
    with closing(WriterProcess(path.outbox, path.folder)) as writer:
        orders = Orders(
            seed=fault.random.getrandbits(64),
            after=0,
            count=500,
            per_second=200,
            capacity=50,
            picture_bytes=40_000,
        )
        writer.begin(orders)
        some = fault.random.randint(1, 60)
        await until(lambda: writer.status().stored >= some)
        limited = (writer.pid, path.dispatcher.process.pid)
        size_bytes = fault.random.randint(2 * _MB, 5 * _MB)
        for pid in limited:
            _limit(pid, size_bytes)
        fault.injected("EFBIG")
        await until(lambda: "outbox" in writer.status().missing)
        await until(lambda: writer.status().put == orders.count)
        broker.heal()
        # What is sent now may be marked only where a checkpoint has let the log begin anew.
        await asyncio.sleep(fault.random.uniform(0, 3))
        for pid in limited:
            _limit(pid, resource.RLIM_INFINITY)
        fault.healed()
        await until(lambda: not writer.status().missing)
        final = writer.end()
    await path.prove(fault)
    assert path.dispatcher.process.pid in limited, "it was not to end"
    assert final.put == orders.count
    assert final.dropped == path.load.tried - len(path.end.rows) > 0
    fault.measured("alerts dropped of those that came while it could not grow", final.dropped, "")
