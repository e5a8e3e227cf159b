"""Logs: one JSON object a line on stdout, pretty on a terminal."""

import logging
import sys

import structlog


def configure(service: str, *, level: str, pretty: bool | None = None) -> None:
    """Set up logging for the process, the libraries' own records included.

    Args:
        service: Stands in every line.
        level: Lowest level that is written: debug, info, warning or error.
        pretty: Coloured text instead of JSON; by default when stdout is a terminal.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    is_pretty = sys.stdout.isatty() if pretty is None else pretty
    rendering: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if is_pretty
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    # These say at "info" and "error" what our own lines say once, with what to do about it.
    for noisy in ("aiokafka", "uvicorn.access", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL if noisy == "aiokafka" else "WARNING")
    structlog.contextvars.bind_contextvars(service=service)
