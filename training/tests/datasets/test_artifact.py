import json
from collections.abc import Callable
from pathlib import Path

import pytest
from maskwatch_training import drafts
from maskwatch_training.datasets import artifact
from maskwatch_training.datasets.artifact import InvalidArtifact

WriteSet = Callable[..., Path]


@pytest.fixture
def source(tmp_path: Path, write_set: WriteSet) -> Path:
    folder = write_set(tmp_path / "in", "own", {"seed": 1}, {"seed": 2, "licence": "CC-BY-4.0"})
    (folder / "record-import.json").write_text("{}")
    return folder


def test_version_holds_all_and_is_its_own(tmp_path: Path, source: Path) -> None:
    made = artifact.store(source, "faces", tmp_path / "shelf")
    assert made.is_new
    assert made.folder == tmp_path / "shelf" / "faces" / "v1"
    manifest = artifact.verify(made.folder)
    assert sorted(manifest.files) == ["own.jsonl", "pictures/0.png", "pictures/1.png"]
    assert list(manifest.notes) == ["record-import.json"]
    assert manifest.licences == {"CC0-1.0": 1, "CC-BY-4.0": 1}
    assert manifest.parts["own"]["pictures"] == 2
    (source / "pictures" / "0.png").write_bytes(b"changed")
    artifact.verify(made.folder)


def test_same_content_is_the_same_version(tmp_path: Path, source: Path) -> None:
    first = artifact.store(source, "faces", tmp_path / "shelf")
    (source / "record-import.json").write_text('{"another": "run"}')
    again = artifact.store(source, "faces", tmp_path / "shelf")
    assert (again.folder, again.is_new) == (first.folder, False)
    assert [path.name for path in (tmp_path / "shelf" / "faces").iterdir()] == ["v1"]


def test_each_content_has_its_number(tmp_path: Path, source: Path, write_set: WriteSet) -> None:
    for number in range(1, 12):
        write_set(source, "own", {"seed": number})
        assert artifact.store(source, "faces", tmp_path / "shelf").folder.name == f"v{number}"
    write_set(source, "own", {"seed": 2})
    assert artifact.store(source, "faces", tmp_path / "shelf").folder.name == "v2"


def test_every_damage_is_named(tmp_path: Path, source: Path) -> None:
    folder = artifact.store(source, "faces", tmp_path / "shelf").folder
    (folder / "pictures" / "0.png").write_bytes(b"changed")
    (folder / "pictures" / "1.png").unlink()
    (folder / "more.txt").write_text("")
    with pytest.raises(InvalidArtifact) as caught:
        artifact.verify(folder)
    assert str(caught.value).splitlines()[1:] == [
        "  pictures/1.png: is missing",
        "  more.txt: is not in the manifest",
        "  pictures/0.png: has changed",
    ]


def test_manifest_that_was_edited_is_found(tmp_path: Path, source: Path) -> None:
    folder = artifact.store(source, "faces", tmp_path / "shelf").folder
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"].pop("pictures/1.png")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidArtifact, match=r"(?s)1\.png: is not in .*digest: is not that of"):
        artifact.verify(folder)
    (folder / "manifest.json").write_text(json.dumps(manifest | {"digest": "abc"}))
    with pytest.raises(InvalidArtifact, match=r"manifest\.json: digest: "):
        artifact.store(source, "faces", tmp_path / "shelf")


def test_folder_without_manifest_is_no_version(tmp_path: Path) -> None:
    with pytest.raises(InvalidArtifact, match=r"manifest\.json: there is none"):
        artifact.verify(tmp_path)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b", "x" * 65])
def test_name_that_is_no_folders_is_refused(tmp_path: Path, source: Path, name: str) -> None:
    with pytest.raises(InvalidArtifact, match="--name"):
        artifact.store(source, name, tmp_path / "shelf")
    assert not (tmp_path / "shelf").exists()


def test_version_that_is_being_written_is_not_disturbed(tmp_path: Path, source: Path) -> None:
    with drafts.folder(tmp_path / "shelf" / "faces" / "v1") as draft:
        with pytest.raises(BlockingIOError, match="another step is writing"):
            artifact.store(source, "faces", tmp_path / "shelf")
        (draft / "a").write_text("a")
    assert [path.name for path in (tmp_path / "shelf" / "faces" / "v1").iterdir()] == ["a"]
