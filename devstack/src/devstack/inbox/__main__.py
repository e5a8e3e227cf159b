"""The inbox's own process: ``python -m devstack.inbox SETTINGS_FILE``."""

import asyncio
import logging
import sys
from pathlib import Path

import uvicorn

from devstack.inbox import smtp, web
from devstack.inbox.faults import FaultPlan
from devstack.inbox.options import InboxAddress
from devstack.inbox.store import Store

_FINISH_S = 2


async def run(address: InboxAddress) -> None:
    """Take mail and show it until SIGTERM."""
    store, plan = Store(address.folder), FaultPlan()
    receiver = smtp.Receiver(store, plan)
    listener = await smtp.serve(
        receiver, address.options, host=address.host, port=address.smtp_port
    )
    config = uvicorn.Config(
        web.application(store, plan, smtp_address=f"{address.host}:{address.smtp_port}"),
        host=address.host,
        port=address.web_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_FINISH_S,
    )
    async with listener:
        await uvicorn.Server(config).serve()  # comes back on SIGTERM


def main() -> None:
    """Read the settings file and run."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    settings = Path(sys.argv[1]).read_text(encoding="utf-8")
    asyncio.run(run(InboxAddress.model_validate_json(settings)))


if __name__ == "__main__":
    main()
