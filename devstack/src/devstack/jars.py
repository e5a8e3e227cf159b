"""Java archives from Maven Central, each checked against a hash kept in this repository.

``kafka_jars.sha256`` is the lock file: one line per archive, ``SHA256  GROUP:ARTIFACT:VERSION``.
"""

import hashlib
import ssl
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import certifi
import httpx
from jgo.maven import Artifact, MavenContext
from jgo.parse import Coordinate

KAFKA_BROKER = "org.apache.kafka:kafka_2.13:4.1.1"
# The broker's own POM leaves the choice of a log back end to the distribution.
KAFKA_LOG_BINDING = "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3"
LOCK_FILE = Path(__file__).with_name("kafka_jars.sha256")
_DOWNLOADS_AT_ONCE = 8
_ATTEMPTS = 3
_TIMEOUT_S = 30


class JarError(RuntimeError):
    """An archive could not be downloaded, or what came is not what the hash says."""


@dataclass(frozen=True)
class Jar:
    """One archive.

    Attributes:
        coordinate: ``GROUP:ARTIFACT:VERSION``.
        sha256: Its hash, 64 lower-case hexadecimal digits.
    """

    coordinate: str
    sha256: str

    @property
    def file_name(self) -> str:
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def kafka_jars() -> tuple[Jar, ...]:
    """The archives that the Kafka broker needs, as locked."""
    return locked(LOCK_FILE)


def locked(lock_file: Path) -> tuple[Jar, ...]:
    """The archives of a lock file."""
    lines = lock_file.read_text(encoding="ascii").splitlines()
    pairs = (line.split() for line in lines if not line.startswith("#"))
    return tuple(Jar(coordinate, sha256) for sha256, coordinate in pairs)


def ensure(jars: Iterable[Jar], folder: Path) -> list[Path]:
    """Have every archive in the folder, download what is absent or damaged, give the files.

    Safe to be called by several processes at once: a file appears whole or not at all.

    Raises:
        JarError: An archive cannot be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {folder / jar.file_name: jar for jar in jars}
    with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
        are_whole = pool.map(_is_whole, wanted, wanted.values())
        absent = [
            each for each, is_whole in zip(wanted.items(), are_whole, strict=True) if not is_whole
        ]
        if absent:
            with httpx.Client(timeout=_TIMEOUT_S, follow_redirects=True, verify=_trust()) as http:
                list(pool.map(lambda each: _fetch(http, *each), absent))
    return list(wanted)


def lock_kafka() -> str:
    """Resolve the broker with all that it needs; give the text of the lock file."""
    lines = lock_lines(KAFKA_BROKER, alone=(KAFKA_LOG_BINDING,))
    return "# Written by `python -m devstack lock-jars`.\n" + lines


def lock_lines(endpoint: str, *, alone: Iterable[str] = (), unwanted: Iterable[str] = ()) -> str:
    """Resolve one archive with all that it needs, download and hash; give a lock file's lines.

    Args:
        endpoint: Its coordinate.
        alone: Coordinates to lock beside it, without what they need.
        unwanted: Of what it needs, ``GROUP:ARTIFACT`` that is left out.
    """
    left_out = set(unwanted)
    with tempfile.TemporaryDirectory() as scratch:
        context = MavenContext(repo_cache=Path(scratch), timeout=_TIMEOUT_S)
        # Resolved alone: jgo would let the version management of a second endpoint's parents
        # replace archives of the first (kafka-clients 4.1.1 by 3.7).
        wanted = context.create_dependency(replace(Coordinate.parse(endpoint), scope="compile"))
        given, needed = context.resolver.resolve([wanted])
        found = [*given, *(each for each in needed if each.scope in {"compile", "runtime"})]
        artifacts = [
            each.artifact
            for each in found
            if f"{each.artifact.groupId}:{each.artifact.artifactId}" not in left_out
        ] + [_artifact(context, coordinate) for coordinate in alone]
        lines = sorted(map(_lock_line, artifacts), key=lambda line: line.split()[1])
    return "\n".join(lines) + "\n"


def _artifact(context: MavenContext, coordinate: str) -> Artifact:
    group, artifact, version = coordinate.split(":")
    return context.project(group, artifact).at_version(version).artifact()


def _lock_line(artifact: Artifact) -> str:
    name = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
    return f"{_sha256(artifact.resolve())}  {name}"


def _trust() -> ssl.SSLContext:
    """Trust what the machine trusts (a company's own authority, too) and the usual authorities."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _is_whole(path: Path, jar: Jar) -> bool:
    return path.exists() and _sha256(path) == jar.sha256


def _fetch(http: httpx.Client, path: Path, jar: Jar) -> None:
    problem: Exception | None = None
    for _ in range(_ATTEMPTS):
        try:
            _download(http, path, jar)
        except (httpx.HTTPError, OSError, JarError) as error:
            problem = error
        else:
            return
    raise JarError(f"{jar.coordinate}: {problem}") from problem


def _download(http: httpx.Client, path: Path, jar: Jar) -> None:
    # Beside the target, so that the last step is one atomic rename.
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        part = Path(scratch) / path.name
        with http.stream("GET", _address(jar)) as answer, part.open("wb") as file:
            answer.raise_for_status()
            for chunk in answer.iter_bytes():
                file.write(chunk)
        if (actual := _sha256(part)) != jar.sha256:
            raise JarError(f"downloaded file has sha256 {actual}, expected {jar.sha256}")
        part.replace(path)


def _address(jar: Jar) -> str:
    context = MavenContext()
    (central,) = context.remote_repos.values()
    artifact = _artifact(context, jar.coordinate)
    # jgo's own download leaves its connections open, which a strict test run reports.
    return f"{central}/{artifact.component.path_prefix.as_posix()}/{artifact.filename}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
