import errno
from pathlib import Path

import pytest
from maskwatch_training import drafts


def test_folder_appears_whole(tmp_path: Path) -> None:
    with drafts.folder(tmp_path / "deep" / "out") as draft:
        (draft / "a").write_text("a")
        assert not (tmp_path / "deep" / "out").exists()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]
    assert (tmp_path / "deep" / "out" / "a").read_text() == "a"


def test_nothing_is_left_when_the_body_fails(tmp_path: Path) -> None:
    def fail(draft: Path) -> None:
        (draft / "a").write_text("a")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), drafts.folder(tmp_path / "out") as draft:
        fail(draft)
    assert list(tmp_path.iterdir()) == []


def test_draft_of_a_killed_step_is_cleared(tmp_path: Path) -> None:
    stale = tmp_path / ".out.draft"
    (stale / "deep").mkdir(parents=True)
    (stale / "half").write_text("h")
    with drafts.folder(tmp_path / "out") as draft:
        (draft / "a").write_text("a")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]


def test_result_that_exists_is_kept(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("a")
    with (
        pytest.raises(FileExistsError, match=r"out: exists already"),
        drafts.folder(tmp_path / "out"),
    ):
        pytest.fail("the body ran")
    assert (tmp_path / "out" / "a").read_text() == "a"


def test_empty_folder_may_become_the_result(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with drafts.folder(tmp_path / "out") as draft:
        (draft / "a").write_text("a")
    assert (tmp_path / "out" / "a").exists()


def test_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    def fill(draft: Path) -> None:
        (draft / "a").symlink_to("/dev/full")  # the kernel's own full disk
        (draft / "a").write_text("a")

    said = "out: no room left"
    with pytest.raises(drafts.DiskFull, match=said), drafts.folder(tmp_path / "out") as draft:
        fill(draft)
    assert list(tmp_path.iterdir()) == []


def test_other_errors_keep_their_kind(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), drafts.folder(tmp_path / "out"):
        raise PermissionError(errno.EACCES, "no")


def test_second_writer_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with drafts.folder(tmp_path / "out") as draft:
        (draft / "a").write_text("a")
        with pytest.raises(BlockingIOError, match="another step"), drafts.folder(tmp_path / "out"):
            pytest.fail("the body ran")
    assert (tmp_path / "out" / "a").read_text() == "a"


def test_file_takes_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "entry.json"
    with drafts.file(path) as draft:
        draft.write_text("a")
        assert not path.exists()
    assert path.read_text() == "a"
    assert list(tmp_path.iterdir()) == [path]


def test_file_without_room_leaves_the_former_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "entry.json"
    path.write_text("former")

    def fail(draft: Path, code: int) -> None:
        draft.write_text("half")
        raise OSError(code, "no")

    with (
        pytest.raises(drafts.DiskFull, match=r"entry\.json: no room left"),
        drafts.file(path) as one,
    ):
        fail(one, errno.ENOSPC)
    with pytest.raises(PermissionError), drafts.file(path) as one:
        fail(one, errno.EACCES)
    assert path.read_text() == "former"
    assert list(tmp_path.iterdir()) == [path]
