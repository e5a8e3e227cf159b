"""A real external delegate in both runtimes: compiled here, it works, refuses, crashes or hangs."""

import ctypes
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from edge_detector.settings import MODELS
from edge_detector.vision import delegate_probe, model
from edge_detector.vision.accelerator import Accelerator, Deadlines, Plugin
from edge_detector.vision.inference import Runtime
from edge_detector.vision.model import Model, Outputs
from maskwatch_runtime.errors import Misconfigured
from structlog.testing import capture_logs

_COMPILER = shutil.which("cc") or shutil.which("gcc")
_SOURCE = Path(__file__).with_name("faulty_delegate.c")
_RUNTIMES: list[Runtime] = ["litert", "tflite-runtime"]
_MANIFEST = MODELS / "maskwatch-face-mask-256.json"
# So many of its invocations are the probe's and the tests' own.
_DEADLINES = Deadlines(begin_s=3.0, invoke_s=1.0)

pytestmark = pytest.mark.skipif(_COMPILER is None, reason="needs a C compiler (apt install gcc)")
Compiled = Callable[[str], Path]


@pytest.fixture
def compiled(tmp_path: Path) -> Compiled:
    """Compile the delegate under a name; each test has its own, as its options are remembered."""

    def compile_as(name: str) -> Path:
        library = tmp_path / name
        assert _COMPILER is not None
        subprocess.run(
            [_COMPILER, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE)], check=True
        )
        return library

    return compile_as


def _invoked(library: Path) -> int:
    """Return how often this process has run the delegate's part of a model."""
    return int(ctypes.CDLL(str(library)).invocations())


def _answer(loaded: Model) -> Outputs:
    size_px = loaded.manifest.input.size_px
    noise = np.random.default_rng(1).uniform(0, 255, (1, size_px, size_px, 3))
    return loaded.invoke(noise.astype(np.float32))


def _is_same(one: Outputs, other: Outputs) -> bool:
    return all(
        np.allclose(getattr(one, name).values, getattr(other, name).values, atol=1e-4)
        for name in ("scores", "distances", "classes")
    )


@pytest.mark.parametrize("runtime", _RUNTIMES)
def test_delegate_runs_its_part_of_the_model(compiled: Compiled, runtime: Runtime) -> None:
    library = compiled("libdelegate.so")
    accelerator = Accelerator(Plugin(str(library)), deadlines=_DEADLINES)
    expected = _answer(model.load(_MANIFEST, runtime=runtime))

    loaded = model.load(_MANIFEST, runtime=runtime, accelerator=accelerator)

    assert _is_same(_answer(loaded), expected)
    assert _invoked(library) > 0
    assert accelerator.told(loaded.runtime) == f"{loaded.runtime} + libdelegate.so"


@pytest.mark.parametrize("runtime", _RUNTIMES)
@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("fail=load", "no accelerator is attached"),
        ("fail=prepare", "no accelerator answers on the bus"),
        ("fail=kernel", "the accelerator has no memory left"),
        ("fail=invoke", "the accelerator was unplugged"),
        ("crash=load", "the library crashed (SIGABRT)"),
        ("crash=invoke", "the library crashed (SIGABRT)"),
        ("hang=load", "no answer within 0.5 s"),
        ("hang=prepare", "no answer within 0.5 s"),
        ("hang=invoke", "no answer within 0.5 s"),
        ("speed=9", "unknown option speed"),
    ],
)
def test_delegate_that_does_not_come_up_leaves_the_cpu(
    compiled: Compiled, runtime: Runtime, option: str, reason: str
) -> None:
    name, _, value = option.partition("=")
    reasons: list[str] = []
    accelerator = Accelerator(
        Plugin(str(compiled("libdelegate.so")), {name: value}),
        on_lost=reasons.append,
        deadlines=Deadlines(begin_s=0.5),
    )

    loaded = model.load(_MANIFEST, runtime=runtime, accelerator=accelerator)

    assert _answer(loaded).scores.values.shape[1] == 1
    assert len(reasons) == 1
    assert reason in reasons[0]
    assert accelerator.told(loaded.runtime) == loaded.runtime


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [({}, 0, ""), ({"fail": "kernel"}, 1, "the accelerator has no memory left")],
)
def test_trial_says_whether_a_model_runs_and_why_not(
    compiled: Compiled,
    capsys: pytest.CaptureFixture[str],
    options: dict[str, str],
    code: int,
    said: str,
) -> None:
    asked = {
        "module": "ai_edge_litert.interpreter",
        "library": str(compiled("libdelegate.so")),
        "options": options,
        "file": str(MODELS / "maskwatch-face-mask-256.tflite"),
        "threads": 1,
        "begin_s": 60.0,
    }

    assert delegate_probe.main([json.dumps(asked)]) == code
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("content", [None, b"no library", b""])
def test_library_that_is_missing_or_none_leaves_the_cpu(
    tmp_path: Path, content: bytes | None
) -> None:
    library = tmp_path / "libdelegate.so"
    if content is not None:
        library.write_bytes(content)
    accelerator = Accelerator(Plugin(str(library)), deadlines=_DEADLINES)
    with capture_logs() as lines:
        loaded = model.load(_MANIFEST, accelerator=accelerator)

    assert _answer(loaded).scores.values.shape[1] == 1
    assert [line["action"] for line in lines] == ["fall_back"]
    assert "libdelegate.so" in lines[0]["reason"]


def test_library_that_is_no_delegate_leaves_the_cpu() -> None:
    accelerator = Accelerator(Plugin("libm.so.6"), deadlines=_DEADLINES)

    model.load(_MANIFEST, accelerator=accelerator)

    assert accelerator.is_lost


@pytest.mark.parametrize("runtime", _RUNTIMES)
def test_accelerator_that_is_pulled_out_is_replaced_in_the_same_frame(
    compiled: Compiled, runtime: Runtime
) -> None:
    library = compiled("libdelegate.so")
    # Each invocation of the model is one of the delegate's kernel: the probe's go well too.
    accelerator = Accelerator(
        Plugin(str(library), {"fail": "invoke", "after": "3"}), deadlines=_DEADLINES
    )
    expected = _answer(model.load(_MANIFEST, runtime=runtime))
    loaded = model.load(_MANIFEST, runtime=runtime, accelerator=accelerator)
    assert not accelerator.is_lost

    answers = [_answer(loaded) for _ in range(6)]

    assert accelerator.is_lost
    assert _invoked(library) == 3
    assert all(_is_same(answer, expected) for answer in answers)


@pytest.mark.parametrize("runtime", _RUNTIMES)
def test_accelerator_that_is_plugged_in_again_runs_the_model_again(
    compiled: Compiled, runtime: Runtime
) -> None:
    library = compiled("libdelegate.so")
    options = {"fail": "invoke", "after": "3", "times": "1"}
    accelerator = Accelerator(Plugin(str(library), options), deadlines=_DEADLINES)
    expected = _answer(model.load(_MANIFEST, runtime=runtime))
    loaded = model.load(_MANIFEST, runtime=runtime, accelerator=accelerator)
    for _ in range(4):
        _answer(loaded)
    assert accelerator.is_lost

    assert accelerator.resume()

    assert all(_is_same(_answer(loaded), expected) for _ in range(3))
    assert not accelerator.is_lost
    assert _invoked(library) == 6


_HANGS = """
import sys
from pathlib import Path
import numpy as np
from edge_detector.vision import delegate_probe, model
from edge_detector.vision.accelerator import Accelerator, Deadlines, Plugin
plugin = Plugin(sys.argv[1], {"hang": "invoke", "after": "2"})
accelerator = Accelerator(plugin, deadlines=Deadlines(invoke_s=0.5))
loaded = model.load(Path(sys.argv[2]), runtime=sys.argv[3], accelerator=accelerator)
size_px = loaded.manifest.input.size_px
for _ in range(4):
    loaded.invoke(np.zeros((1, size_px, size_px, 3), np.float32))
    print("answered", accelerator.is_lost)
"""


@pytest.mark.parametrize("runtime", _RUNTIMES)
def test_process_with_a_hanging_accelerator_goes_on_and_ends(
    compiled: Compiled, runtime: Runtime
) -> None:
    """In a process of its own: the thread that hangs stays until the process ends."""
    library = compiled("libdelegate.so")

    done = subprocess.run(
        [sys.executable, "-c", _HANGS, str(library), str(_MANIFEST), runtime],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    said = [line for line in done.stdout.splitlines() if line.startswith("answered")]
    assert said == ["answered False", "answered False", "answered True", "answered True"]
    assert done.returncode == 0


def _described(folder: Path, **changes: object) -> Path:
    """Copy the model and its manifest, with other values where given."""
    told = json.loads(_MANIFEST.read_text()) | changes
    shutil.copy(_MANIFEST.with_name(told["file"]), folder)
    (folder / "model.json").write_text(json.dumps(told))
    return folder / "model.json"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_edge_tpu_gets_the_model_that_was_compiled_for_it(
    compiled: Compiled, tmp_path: Path
) -> None:
    library = compiled("libedgetpu.so.1")
    compiled_model = tmp_path / "model_edgetpu.tflite"
    shutil.copy(MODELS / "maskwatch-face-mask-256.tflite", compiled_model)
    manifest = _described(
        tmp_path, edgetpu_file=compiled_model.name, edgetpu_sha256=_sha256(compiled_model)
    )
    accelerator = Accelerator(Plugin(str(library)), deadlines=_DEADLINES)

    _answer(model.load(manifest, accelerator=accelerator))

    assert _invoked(library) > 0


def test_model_that_is_not_compiled_for_the_edge_tpu_runs_on_the_cpu(
    compiled: Compiled, tmp_path: Path
) -> None:
    accelerator = Accelerator(Plugin(str(compiled("libedgetpu.so.1"))), deadlines=_DEADLINES)
    with capture_logs() as lines:
        loaded = model.load(_described(tmp_path), accelerator=accelerator)

    assert _answer(loaded).scores.values.shape[1] == 1
    assert "edgetpu_file" in lines[0]["event"]
    assert not accelerator.is_lost


@pytest.mark.parametrize(
    ("other", "changes", "reason"),
    [
        ("maskwatch-face-mask-256.tflite", {"edgetpu_sha256": "0" * 64}, "its sha256 differs"),
        ("maskwatch-face-mask-256.tflite", {"edgetpu_sha256": None}, "belong together"),
        ("maskwatch-face-mask-320.tflite", {}, "has other inputs or outputs"),
        ("maskwatch-face-mask-256.tflite", {"edgetpu_file": "gone.tflite"}, "cannot be read"),
    ],
)
def test_wrong_compiled_model_is_refused(
    compiled: Compiled, tmp_path: Path, other: str, changes: dict[str, object], reason: str
) -> None:
    file = tmp_path / "model_edgetpu.tflite"
    shutil.copy(MODELS / other, file)
    told: dict[str, object] = {"edgetpu_file": file.name, "edgetpu_sha256": _sha256(file)}
    manifest = _described(tmp_path, **(told | changes))
    accelerator = Accelerator(Plugin(str(compiled("libedgetpu.so.1"))), deadlines=_DEADLINES)

    with pytest.raises(Misconfigured, match=reason):
        model.load(manifest, accelerator=accelerator)
