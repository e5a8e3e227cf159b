"""What a recipe trains: its field `task`."""

from __future__ import annotations

from pathlib import Path

import yaml

DETECTOR = "face_mask_detector"
CLASSIFIER = "mask_classifier"
_TASKS = (DETECTOR, CLASSIFIER)


class UnknownTask(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """The recipe's `task` is none that can be trained."""


def of(recipe: Path) -> str:
    """Give the task of a recipe file; one without the field is a detector's.

    Raises:
        UnknownTask: The file is no YAML mapping, or its task is none of ours.
    """
    try:
        entry = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UnknownTask(f"{recipe}: {error}") from error
    if not isinstance(entry, dict):
        raise UnknownTask(f"{recipe}: no mapping of fields")
    task = str(entry.get("task", DETECTOR))
    if task not in _TASKS:
        raise UnknownTask(f"{recipe}: task: is {task!r}, not one of {', '.join(_TASKS)}")
    return task
