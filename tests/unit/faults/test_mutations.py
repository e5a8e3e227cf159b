from pathlib import Path

import pytest

from faults import mutations
from faults.mutations import MUTATIONS, Mutation
from faults.sources import ROOT


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_mutation_still_fits_the_sources(mutation: Mutation, tmp_path: Path) -> None:
    source = (ROOT / mutation.file).read_text(encoding="utf-8")
    (tmp_path / mutation.file).parent.mkdir(parents=True)
    (tmp_path / mutation.file).write_text(source, encoding="utf-8")

    mutations.mutate(mutation, tmp_path)

    mutated = (tmp_path / mutation.file).read_text(encoding="utf-8")
    assert mutated != source
    compile(mutated, mutation.file, "exec")


@pytest.mark.parametrize("text", ["", "one\none\n"])
def test_mutation_that_does_not_fit_once_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "source.py").write_text(text)

    with pytest.raises(ValueError, match="times, not once"):
        mutations.mutate(Mutation("wrong", "source.py", "one\n", "two\n", "F1"), tmp_path)
