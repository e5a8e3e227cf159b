"""The Coral Edge TPU or any other external delegate: which it is, whether it works, and again."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from urllib.parse import parse_qsl

import structlog
from maskwatch_runtime.errors import Misconfigured, Unavailable
from maskwatch_runtime.retry import Backoff

_log = structlog.get_logger()
# Each loss may leave a thread and a model in memory that hang in the library for ever.
_LOSSES_MAX = 20


@dataclass(frozen=True, slots=True)
class Plugin:
    """An external delegate's library, and what it is told."""

    library: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return PurePath(self.library).name

    @property
    def is_edgetpu(self) -> bool:
        """Whether it runs nothing but models that were compiled for it."""
        return "edgetpu" in self.name


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds that an accelerator may take to begin, and for one invocation."""

    begin_s: float = 3.0
    invoke_s: float = 3.0


def parse(text: str) -> Plugin:
    """Return the plugin that a text names: `library[?option=value&...]`.

    Such as libedgetpu.so.1?device=usb.

    Raises:
        Misconfigured: It names no library, a relative path, or options that are none.
    """
    library, _, query = text.partition("?")
    path = PurePath(library)
    if not library or (len(path.parts) > 1 and not path.is_absolute()):
        raise Misconfigured(
            f"MASKWATCH_DELEGATE: {library!r} is neither an absolute path nor the name of a library"
        )
    try:
        options = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as error:
        raise Misconfigured(f"MASKWATCH_DELEGATE: options are name=value&...: {error}") from error
    return Plugin(library, dict(options))


def _nobody(_: str) -> None:
    """Nobody wants to know."""


class Accelerator:
    """A delegate and whether it can still be believed; shared by every model that runs on it.

    Args:
        plugin: Its library and options.
        on_lost: Told the reason, once, when it is given up.
        deadlines: How long it may take.
    """

    def __init__(
        self,
        plugin: Plugin,
        *,
        on_lost: Callable[[str], None] = _nobody,
        deadlines: Deadlines | None = None,
    ) -> None:
        self.plugin = plugin
        self.deadlines = deadlines or Deadlines()
        self._on_lost = on_lost
        self._lock = threading.Lock()
        self._lost_by: str | None = None
        self._losses = 0
        self._is_used = False
        self._models: list[Callable[[], None]] = []

    @property
    def is_lost(self) -> bool:
        return self._lost_by is not None

    def join(self, begin: Callable[[], None]) -> None:
        """Have a model run on it, now unless it is lost, and whenever it has come back.

        Args:
            begin: Puts the model on it; raises Unavailable when that does not work.
        """
        self._models.append(begin)
        if self.is_lost:
            return
        try:
            begin()
        except Unavailable as error:
            self.lost(error.reason)
        else:
            self._is_used = True
            _log.info("model accelerated", action="load", library=self.plugin.library)

    def lost(self, reason: str) -> None:
        """Give it up until it has come back; says so the first time."""
        told = " ".join(reason.split()) or "it does not say why"
        with self._lock:
            if self._lost_by is not None:
                return
            self._lost_by = told
            self._losses += 1
        _log.warning(
            "accelerator given up, models run on the CPU",
            action="fall_back",
            library=self.plugin.library,
            reason=told,
        )
        self._on_lost(told)

    def resume(self) -> bool:
        """Try every model on it again, and return whether they run there from now on.

        May take as long as the library does, or for ever: for a thread that nobody waits for.
        """
        try:
            for begin in self._models:
                begin()
        except (Unavailable, Misconfigured) as error:
            _log.info("accelerator is still away", action="retry", reason=str(error))
            return False
        with self._lock:
            self._lost_by = None
        self._is_used = True
        _log.info("accelerator is back", action="return", library=self.plugin.library)
        return True

    def keep_trying(self, stop: threading.Event, *, backoff: Backoff | None = None) -> None:
        """Resume after every loss, with pauses, until `stop` is set or it was lost too often.

        Args:
            stop: Set when the service shuts down.
            backoff: The pauses; they begin anew once it has lasted for one.
        """
        pauses = backoff or Backoff(initial_s=60.0, cap_s=3600.0)
        while not stop.wait(pauses.next_s()):
            if not self.is_lost:
                pauses.reset()
            elif self._losses >= _LOSSES_MAX:
                _log.error("accelerator lost too often, left alone until the next start")
                return
            else:
                self.resume()

    def told(self, runtime: str) -> str:
        """Return the name of what runs the models now: the runtime, and the library if it helps."""
        if self.is_lost or not self._is_used:
            return runtime
        return f"{runtime} + {self.plugin.name}"
