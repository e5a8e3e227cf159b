from pathlib import Path

import pytest
from maskwatch_training.study import progress, recipe
from maskwatch_training.study.progress import Progress, Task


def test_nothing_is_estimated_before_anything_is_done() -> None:
    assert progress.remaining_s(0.0, 5.0, 10.0) is None
    assert progress.remaining_s(2.0, 6.0, 4.0) == 12.0


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "?"), (0, "0 s"), (89, "89 s"), (120, "2 min"), (7200, "2.0 h")],
)
def test_duration_is_written_for_people(seconds: float | None, said: str) -> None:
    assert progress.duration(seconds) == said


def test_larger_backbone_and_longer_training_cost_more(shipped: Path) -> None:
    plan = recipe.read(shipped)
    faces = {"training": 100, "validation": 20, "test": 20}

    def effort(backbone: str, mode: recipe.Mode) -> float:
        return progress.effort(Task(backbone, mode), faces, plan)

    assert effort("vgg16", "features") > effort("resnet18", "features")
    assert effort("resnet18", "fine-tuning") > 5 * effort("resnet18", "features")
    # Four views of 100 faces, statistics of them, and 20 + 20 + 20 judged.
    assert progress.passes("features", faces, plan) == 560


def test_lines_say_what_is_left_of_the_study() -> None:
    now = [0.0]
    said: list[str] = []
    bar = Progress({"a": 1.0, "b": 3.0}, say=said.append, clock=lambda: now[0])
    bar.begin("a", 10)
    now[0] = 5.0
    bar.advance(5, "half")
    assert len(said) == 1, "five seconds after the last line nothing is said"
    now[0] = 30.0
    bar.advance(0, "half")
    assert said[-1] == "[1/2] a  50% half; study: 4 min left"
    bar.end("finished")
    bar.begin("b", 10)
    assert said[-1] == "[2/2] b   0% started; study: 2 min left"
    assert "100%" in said[-2]
