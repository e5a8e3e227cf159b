"""What a recipe trains: its field `task`."""

from __future__ import annotations

from pathlib import Path

from maskwatch_training import recipes

DETECTOR = "face_mask_detector"
CLASSIFIER = "mask_classifier"
_TASKS = (DETECTOR, CLASSIFIER)


class UnknownTask(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """The recipe's `task` is none that can be trained."""


def of(recipe: Path) -> str:
    """Give the task of a recipe file; one without the field is a detector's.

    Raises:
        InvalidRecipe: The file is no YAML mapping.
        UnknownTask: Its task is none of ours.
    """
    task = str(recipes.entries(recipe).get("task", DETECTOR))
    if task not in _TASKS:
        raise UnknownTask(f"{recipe}: task: is {task!r}, not one of {', '.join(_TASKS)}")
    return task
