"""The systemd units, read by systemd itself."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_ANALYZE = shutil.which("systemd-analyze")
_FOLDER = Path(__file__).resolve().parents[3] / "deploy/systemd"
_UNITS = sorted(path.name for path in _FOLDER.glob("*.service"))
_DROP_INS = sorted(path.name for path in (_FOLDER / "drop-ins").glob("*.conf"))
# Of 10; "OK" ends at 5. The detector sees devices, and asks the clock.
_EXPOSURE_MAX = 2.0
_INSTALLED = "/opt/maskwatch/bin/python"

needs_systemd = pytest.mark.skipif(
    _ANALYZE is None, reason="needs systemd-analyze (apt install systemd)"
)


def _unit_of(drop_in: str) -> str:
    (unit,) = [
        name
        for name in _UNITS
        if drop_in.startswith(name.removeprefix("maskwatch-").removesuffix(".service"))
    ]
    return unit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The units and every drop-in, with a Python that this machine has."""
    for name in _UNITS:
        text = (_FOLDER / name).read_text()
        assert text.count(_INSTALLED) == 1
        (tmp_path / name).write_text(text.replace(_INSTALLED, sys.executable))
    for name in _DROP_INS:
        beside = tmp_path / f"{_unit_of(name)}.d"
        beside.mkdir(exist_ok=True)
        shutil.copy(_FOLDER / "drop-ins" / name, beside)
    return tmp_path


def _analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert _ANALYZE is not None
    return subprocess.run(
        [_ANALYZE, "--no-pager", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_there_is_a_unit_for_each_program_of_the_device() -> None:
    assert _UNITS == [
        "maskwatch-dispatcher.service",
        "maskwatch-edge-detector.service",
        "maskwatch-gateway.service",
    ]
    assert _DROP_INS


@needs_systemd
@pytest.mark.parametrize("unit", _UNITS)
def test_systemd_understands_every_line(folder: Path, unit: str) -> None:
    verified = _analyze("verify", "--man=no", str(folder / unit))

    # Other units of the machine may have their faults.
    assert [line for line in verified.stderr.splitlines() if "maskwatch" in line] == []
    assert verified.returncode == 0, verified.stderr


@needs_systemd
def test_line_that_systemd_does_not_know_is_noticed(folder: Path) -> None:
    unit = folder / _UNITS[0]
    unit.write_text(unit.read_text().replace("RestartSec=5", "RestartSeconds=5"))

    assert "RestartSeconds" in _analyze("verify", "--man=no", str(unit)).stderr


@needs_systemd
@pytest.mark.parametrize("unit", _UNITS)
def test_service_is_hardened(folder: Path, unit: str) -> None:
    judged = _analyze(
        "security", "--offline=yes", f"--threshold={_EXPOSURE_MAX * 10:.0f}", str(folder / unit)
    )

    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert re.search(r"Overall exposure level for \S+: [0-9.]+", judged.stdout + judged.stderr)


@pytest.mark.parametrize("name", [*_UNITS, *(f"drop-ins/{name}" for name in _DROP_INS)])
def test_no_secret_stands_in_a_unit(name: str) -> None:
    text = (_FOLDER / name).read_text()

    for variable, value in re.findall(r"(MASKWATCH_\w*(?:TOKEN|PASSWORD|KEY)\w*)=(\S+)", text):
        assert variable.endswith("_FILE")
        assert value.startswith("%d/")
