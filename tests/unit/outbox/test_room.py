from pathlib import Path

import pytest
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.outbox import room
from maskwatch_runtime.outbox.room import Disk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alert.db"


def test_ballast_is_kept_and_dropped(path: Path) -> None:
    disk, ballast = Disk(path, 100_000), path.with_name("alert.db-ballast")
    disk.keep_ballast()
    disk.keep_ballast()
    assert ballast.stat().st_size == 100_000
    disk.drop_ballast()
    disk.drop_ballast()
    assert not ballast.exists()


def test_ballast_that_does_not_fit_leaves_nothing(path: Path) -> None:
    Disk(path, 1 << 60).keep_ballast()
    assert not list(path.parent.iterdir())


def test_no_ballast_is_kept_where_none_is_wanted(path: Path) -> None:
    Disk(path, 0).keep_ballast()
    assert not list(path.parent.iterdir())


def test_free_bytes_are_those_of_the_file_s_disk(path: Path) -> None:
    assert Disk(path).free_bytes() > 0


def test_disk_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    gone = tmp_path / "gone" / "alert.db"
    with pytest.raises(Unavailable, match="No such file"):
        Disk(gone).free_bytes()
    with pytest.raises(Unavailable, match="No such file"):
        room.check_writable(gone)


def test_writable_disk_passes(path: Path) -> None:
    room.check_writable(path)
