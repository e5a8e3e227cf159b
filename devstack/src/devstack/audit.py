"""``python -m devstack.audit PIP_AUDIT FILE...``: known vulnerabilities in hashed requirements.

pip-audit says "No known vulnerabilities found", and ends with 0, when the database knew none of the
packages, as a mirror without advisories does. Here that counts as not audited, and is said.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

# pip-audit's names of the databases, in the order in which they are tried.
SERVICES = ("pypi", "osv")
_NOT_REACHED = re.compile(r"connect|resolve|timed out|timeout|proxy|unreachable", re.IGNORECASE)
_TIMEOUT_S = 600
_FOUND, _BROKEN = 1, 2


class NotReached(Exception):  # noqa: N818 - named for what is the case
    """The database does not answer, or knows none of the packages."""


class AuditError(Exception):
    """pip-audit failed by itself; the message is its last line."""


@dataclass(frozen=True)
class Audit:
    """What is known of the packages of one file.

    Attributes:
        audited: How many the database knows.
        skipped: Names of those that it does not know.
        findings: One line for each known vulnerability: package, version, id, fixed versions.
    """

    audited: int
    skipped: tuple[str, ...]
    findings: tuple[str, ...]


def read(report: str) -> Audit:
    """Return what a report of pip-audit in JSON says.

    Raises:
        NotReached: Not one package was looked at.
    """
    packages = json.loads(report)["dependencies"]
    known = [each for each in packages if "skip_reason" not in each]
    if packages and not known:
        raise NotReached(f"it knows none of the {len(packages)} packages")
    return Audit(
        audited=len(known),
        skipped=tuple(each["name"] for each in packages if "skip_reason" in each),
        findings=tuple(_finding(each, found) for each in known for found in each["vulns"]),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Audit the files and return 0 also when no database is reached, 1 for a finding, 2 else."""
    parser = argparse.ArgumentParser(prog="audit", description=__doc__)
    parser.add_argument("pip_audit", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    chosen = parser.parse_args(arguments)
    problems = []
    for service in SERVICES:
        try:
            audits = {file: run(chosen.pip_audit, service, file) for file in chosen.files}
        except NotReached as error:
            problems.append(f"{service}: {error}")
        except AuditError as error:
            print(f"pip-audit failed: {error}", file=sys.stderr)
            return _BROKEN
        else:
            return tell(service, audits.items())
    print(f"NOT AUDITED: no vulnerability database can be used here ({'; '.join(problems)})")
    return 0


def run(pip_audit: Path, service: str, file: Path) -> Audit:
    """Return what a database knows of the packages of one hashed requirement file.

    Raises:
        NotReached: It does not answer, or knows none of them.
        AuditError: pip-audit failed otherwise.
    """
    ended = subprocess.run(
        [
            *(str(pip_audit), "--vulnerability-service", service, "--format", "json"),
            *("--progress-spinner", "off", "--disable-pip", "--require-hashes"),
            *("--requirement", str(file)),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    if ended.stdout.startswith("{"):
        return read(ended.stdout)
    lines = ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"]
    if _NOT_REACHED.search(lines[-1]):
        raise NotReached("it does not answer")
    raise AuditError(lines[-1])


def tell(service: str, audits: Iterable[tuple[Path, Audit]]) -> int:
    """Print what was found and return the exit status."""
    is_clean = True
    for file, audit in audits:
        unknown = f", not known to {service}: {', '.join(audit.skipped)}" if audit.skipped else ""
        print(f"{file}: {audit.audited} packages, {len(audit.findings)} vulnerabilities{unknown}")
        for finding in audit.findings:
            print(f"  {finding}")
        is_clean &= not audit.findings
    return 0 if is_clean else _FOUND


def _finding(package: dict[str, object], found: dict[str, object]) -> str:
    fixed = found.get("fix_versions")
    repaired = ", ".join(map(str, fixed)) if isinstance(fixed, list) and fixed else "no version"
    return f"{package['name']} {package['version']}: {found['id']}, repaired in {repaired}"


if __name__ == "__main__":
    sys.exit(main())
