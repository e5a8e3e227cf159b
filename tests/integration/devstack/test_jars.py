"""Archives are what their hashes say, whatever lies in the cache."""

from dataclasses import replace
from pathlib import Path

import pytest

from devstack import jars


@pytest.fixture(scope="module")
def smallest() -> jars.Jar:
    return next(jar for jar in jars.kafka_jars() if jar.coordinate.startswith("org.jspecify:"))


def test_lock_file_names_the_broker_once_each() -> None:
    coordinates = [jar.coordinate for jar in jars.kafka_jars()]
    assert jars.KAFKA_BROKER in coordinates
    assert jars.KAFKA_LOG_BINDING in coordinates
    assert len(coordinates) == len(set(coordinates))
    assert all(len(jar.sha256) == 64 for jar in jars.kafka_jars())


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not the archive"])
def test_damaged_archive_is_fetched_again(
    tmp_path: Path, smallest: jars.Jar, damage: bytes
) -> None:
    (path,) = jars.ensure([smallest], tmp_path)
    whole = path.read_bytes()
    path.write_bytes(damage)
    assert jars.ensure([smallest], tmp_path) == [path]
    assert path.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [path]


def test_whole_archive_is_not_fetched_again(tmp_path: Path, smallest: jars.Jar) -> None:
    (path,) = jars.ensure([smallest], tmp_path)
    before = path.stat()
    jars.ensure([smallest], tmp_path)
    assert path.stat().st_ino == before.st_ino


def test_download_with_another_hash_is_refused(tmp_path: Path, smallest: jars.Jar) -> None:
    forged = replace(smallest, sha256="0" * 64)
    with pytest.raises(jars.JarError, match=r"org\.jspecify:jspecify:.*sha256"):
        jars.ensure([forged], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_absent_archive_is_named(tmp_path: Path) -> None:
    absent = jars.Jar("org.jspecify:jspecify:0.0.0-none", "0" * 64)
    with pytest.raises(jars.JarError, match=r"jspecify:0\.0\.0-none"):
        jars.ensure([absent], tmp_path)
