import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from devstack import audit

_CLEAN = {"name": "a", "version": "1", "vulns": []}
_SKIPPED = {"name": "b", "skip_reason": "Dependency not found"}
_VULNERABLE = {
    "name": "c",
    "version": "2",
    "vulns": [{"id": "CVE-1", "fix_versions": ["2.1", "3.0"]}, {"id": "CVE-2", "fix_versions": []}],
}


def _report(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def _pip_audit(folder: Path, by_service: dict[str, str]) -> Path:
    """A program that prints, for a service, a report (on stdout) or a failure (on stderr)."""
    program = folder / "pip-audit"
    program.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        f"said = {by_service!r}[sys.argv[sys.argv.index('--vulnerability-service') + 1]]\n"
        "print(said, file=sys.stdout if said.startswith('{') else sys.stderr)\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def test_what_a_report_says() -> None:
    assert audit.read(_report(_CLEAN, _SKIPPED, _VULNERABLE)) == audit.Audit(
        audited=2,
        skipped=("b",),
        findings=("c 2: CVE-1, repaired in 2.1, 3.0", "c 2: CVE-2, repaired in no version"),
    )


def test_file_without_packages_is_clean() -> None:
    assert audit.read(_report()) == audit.Audit(audited=0, skipped=(), findings=())


def test_report_that_skipped_every_package_is_none() -> None:
    with pytest.raises(audit.NotReached, match="none of the 2 packages"):
        audit.read(_report(_SKIPPED, _SKIPPED))


@pytest.mark.parametrize(
    ("by_service", "status", "said"),
    [
        ({"pypi": _report(_CLEAN)}, 0, "1 packages, 0 vulnerabilities"),
        ({"pypi": _report(_VULNERABLE)}, 1, "c 2: CVE-1"),
        ({"pypi": _report(_CLEAN, _SKIPPED)}, 0, "not known to pypi: b"),
        ({"pypi": _report(_SKIPPED), "osv": _report(_VULNERABLE)}, 1, "c 2: CVE-1"),
        ({"pypi": "x\nFailed to resolve", "osv": _report(_CLEAN)}, 0, "1 packages"),
        ({"pypi": _report(_SKIPPED), "osv": "ConnectionError"}, 0, "NOT AUDITED"),
        ({"pypi": "KeyError: 'x'"}, 2, "pip-audit failed: KeyError: 'x'"),
    ],
)
def test_exit_status_tells_what_was_found(
    by_service: dict[str, str],
    status: int,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    program = _pip_audit(tmp_path, by_service)

    assert audit.main([str(program), str(tmp_path / "dev.txt")]) == status

    printed = capsys.readouterr()
    assert said in printed.out + printed.err
