"""The fuzzer's corpus: what it found once is checked for ever, without the fuzzer."""

from pathlib import Path

import pytest

from tests.fuzz import seeds
from tests.fuzz.properties import CHECKS

_FILES = sorted(path for path in seeds.CORPUS.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", _FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_message_of_the_corpus_is_invalid_or_comes_through_unchanged(path: Path) -> None:
    CHECKS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("kind", CHECKS)
def test_corpus_holds_every_seed_as_it_is_made_today(kind: str) -> None:
    made = seeds.seeds()[kind]

    assert {name: (seeds.CORPUS / kind / name).read_bytes() for name in made} == dict(made)


@pytest.mark.parametrize("kind", CHECKS)
def test_corpus_has_valid_and_invalid_messages(kind: str) -> None:
    assert len(seeds.seeds()[kind]) > 3
