"""Models on an accelerator: the Coral Edge TPU, or any other external delegate.

An accelerator hangs off a bus: it may be missing, refuse, be pulled out or never answer. Each of
these ends on the CPU, at once; `Accelerator.keep_trying` brings the models back.
"""

import json
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, TypedDict, Unpack

import structlog
from maskwatch_runtime.errors import Misconfigured, Unavailable

from edge_detector.vision import inference
from edge_detector.vision.accelerator import Accelerator
from edge_detector.vision.guarded import Guarded
from edge_detector.vision.inference import Interpreter, Runtime

_log = structlog.get_logger()
# What the probe's own start may take on a slow card; the deadline counts from there.
_PROBE_START_S = 30.0


class Files(NamedTuple):
    """A model's file for the CPU, and the one compiled for the Edge TPU where there is one."""

    cpu: Path
    edgetpu: Path | None = None


class How(TypedDict, total=False):
    """What runs a model: `runtime` (auto), `threads` of the CPU (1), `accelerator` (None)."""

    runtime: Literal["auto"] | Runtime
    threads: int
    accelerator: Accelerator | None


def load(files: Files, **how: Unpack[How]) -> tuple[Interpreter, str]:
    """Return an interpreter of the model, and what runs it on the CPU; see `inference.load`.

    With an accelerator the model runs there whenever that goes well; see `Accelerator.join`.

    Raises:
        Misconfigured: The file for the CPU cannot be loaded, or the one for the Edge TPU has other
            inputs or outputs. A failing accelerator is no error.
    """
    runtime, threads = how.get("runtime", "auto"), how.get("threads", 1)
    standby, name = inference.load(files.cpu, runtime=runtime, threads=threads)
    accelerator = how.get("accelerator")
    if accelerator is None:
        return standby, name
    file = files.edgetpu if accelerator.plugin.is_edgetpu else files.cpu
    if file is None:
        _log.warning(
            "model is not compiled for the Edge TPU and runs on the CPU: its manifest names no"
            " edgetpu_file",
            action="fall_back",
            model=files.cpu.name,
        )
        return standby, name
    tried = partial(build, accelerator, file, runtime=runtime, threads=threads)
    guarded = Guarded(standby, accelerator, tried, file=file)
    accelerator.join(guarded.begin)
    return guarded, name


def build(
    accelerator: Accelerator, file: Path, *, runtime: Literal["auto"] | Runtime, threads: int
) -> Interpreter:
    """Return an interpreter with the delegate in it, ready to be invoked.

    It is tried in a process of its own first: loading and preparing hold Python's lock, and a
    library may crash.

    Raises:
        Unavailable: It does not come up.
    """
    reason = probe(accelerator, file, runtime=runtime, threads=threads)
    if reason is not None:
        raise Unavailable("accelerator", reason)
    plugin = accelerator.plugin
    try:
        delegate = inference.load_delegate(plugin.library, plugin.options, runtime=runtime)
        made, _ = inference.load(file, runtime=runtime, threads=threads, delegates=[delegate])
        made.allocate_tensors()
    except (Misconfigured, ValueError, RuntimeError, OSError, AttributeError) as error:
        raise Unavailable("accelerator", str(error)) from error
    return made


def probe(
    accelerator: Accelerator, file: Path, *, runtime: Literal["auto"] | Runtime, threads: int
) -> str | None:
    """Return why a model cannot run on the accelerator, None when it can; tried in a child."""
    begin_s = accelerator.deadlines.begin_s
    module, _ = inference.imported(runtime)
    asked = {
        "module": module.__name__,
        "library": accelerator.plugin.library,
        "options": dict(accelerator.plugin.options),
        "file": str(file),
        "threads": threads,
        "begin_s": begin_s,
    }
    child = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "edge_detector.vision.delegate_probe", json.dumps(asked)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    try:
        said, _ = child.communicate(timeout=_PROBE_START_S + begin_s)
    except subprocess.TimeoutExpired:
        # Not waited for: a process that hangs in a driver cannot be killed.
        child.kill()
        return "the library does not come to an end"
    if child.returncode == -signal.SIGALRM:
        return f"no answer within {begin_s:g} s"
    if child.returncode < 0:
        return f"the library crashed ({signal.Signals(-child.returncode).name})"
    return said.decode(errors="replace") if child.returncode else None
