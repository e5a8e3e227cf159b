"""Other people's names of the classes, and what they are here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from maskwatch_training.labels import LABELS

IGNORE = "ignore"  # leave the box (or the picture of that folder) out, counted
NO_FACE = "no_face"  # a whole picture without a face; no box can be that
MEANINGS = (*LABELS, NO_FACE, IGNORE)

# Written as `normalised` writes them. "face" is not here: some sets mean an uncovered face by it,
# others any face.
KNOWN: Mapping[str, str] = {
    **dict.fromkeys(
        ("mask", "with_mask", "withmask", "face_mask", "facemask", "masked", "mask_on",
         "face_with_mask", "wearing_mask", "mask_worn", "correct_mask", "mask_correct",
         "mask_weared_correct", "correctly_masked"),
        "mask",
    ),
    **dict.fromkeys(
        ("no_mask", "nomask", "without_mask", "withoutmask", "unmasked", "mask_off",
         "face_no_mask", "face_without_mask", "not_masked", "no_face_mask"),
        "no_mask",
    ),
    **dict.fromkeys(
        ("bad_mask", "mask_weared_incorrect", "mask_worn_incorrect", "mask_worn_incorrectly",
         "incorrect_mask", "mask_incorrect", "incorrectly_masked", "wrong_mask", "improper_mask",
         "incorrectly_worn_mask"),
        "bad_mask",
    ),
    **dict.fromkeys(("no_face", "noface", "background", "negative"), NO_FACE),
}  # fmt: skip


class UnknownMeaning(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """A word of --labels cannot be used."""


def normalised(name: str) -> str:
    """Write a name in small letters, with one underscore for blanks, hyphens and full stops."""
    return re.sub(r"[\s\-_.]+", "_", name.strip().lower())


def meaning(name: str, own: Mapping[str, str]) -> str | None:
    """Return one of MEANINGS, or nothing for a name that nobody mapped.

    Args:
        name: As it stands in the foreign set.
        own: The user's map, from `read`; it goes before ours.
    """
    return own.get(normalised(name)) or KNOWN.get(normalised(name))


def read(words: Sequence[str]) -> dict[str, str]:
    """Read `--labels`: pairs `name=meaning`, or files (YAML or JSON) that map names to meanings.

    Raises:
        UnknownMeaning: A word is neither pair nor mapping, or its meaning is none of MEANINGS.
        OSError: A file cannot be read.
    """
    own: dict[str, str] = {}
    for word in words:
        name, equals, said = word.rpartition("=")
        pairs = {name: said} if equals else _from_file(Path(word))
        for foreign, ours in pairs.items():
            if ours not in MEANINGS:
                known = ", ".join(MEANINGS)
                raise UnknownMeaning(f"--labels {foreign}: {ours!r} is none of {known}")
            own[normalised(foreign)] = ours
    return own


def _from_file(path: Path) -> dict[str, str]:
    try:
        mapping = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UnknownMeaning(f"--labels {path}: is no YAML: {error}") from error
    if not isinstance(mapping, dict):
        raise UnknownMeaning(f"--labels {path}: maps no names to meanings")
    return {str(name): str(said) for name, said in mapping.items()}
