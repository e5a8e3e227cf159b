import torch
from maskwatch_training.detector import losses
from maskwatch_training.detector.losses import BatchTargets
from maskwatch_training.detector.network import Raw

_CELLS = 5


def _raw(seed: int) -> Raw:
    random = torch.Generator().manual_seed(seed)
    return Raw(
        scores=torch.randn(1, _CELLS, 1, generator=random),
        boxes=torch.rand(1, _CELLS, 4, generator=random) + 0.5,
        classes=torch.randn(1, _CELLS, 3, generator=random),
    )


def _background() -> BatchTargets:
    return BatchTargets(
        heat=torch.zeros(1, _CELLS),
        counts=torch.ones(1, _CELLS, dtype=torch.bool),
        boxes=torch.zeros(1, _CELLS, 4),
        weights=torch.zeros(1, _CELLS),
        labels=torch.zeros(1, _CELLS, dtype=torch.long),
    )


def test_learning_brings_the_answers_to_the_teachers() -> None:
    teacher, pupil = _raw(1), _raw(2)
    parts = [pupil.scores, pupil.boxes, pupil.classes]
    for part in parts:
        part.requires_grad_()
    optimiser = torch.optim.Adam(parts, lr=0.05)
    first = losses.imitation(pupil, teacher).item()
    for _ in range(400):
        optimiser.zero_grad()
        losses.imitation(pupil, teacher).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    seen = torch.sigmoid(teacher.scores[..., 0]) > 0.3
    assert losses.imitation(pupil, teacher).item() < first
    torch.testing.assert_close(pupil.boxes[seen], teacher.boxes[seen], atol=0.1, rtol=0.1)
    assert torch.equal(pupil.classes[seen].argmax(-1), teacher.classes[seen].argmax(-1))
    apart = torch.sigmoid(pupil.scores) - torch.sigmoid(teacher.scores)
    assert apart.abs().max() < 0.15


def test_face_that_only_the_teacher_sees_is_no_background() -> None:
    teacher = _raw(1)
    teacher.scores[:] = -5
    teacher.scores[0, 2] = 3
    doubted = losses.doubt(_background(), teacher)
    assert doubted.counts.tolist() == [[True, True, False, True, True]]


def test_annotated_face_counts_whatever_the_teacher_says() -> None:
    teacher, targets = _raw(1), _background()
    targets.heat[0, 2] = 1
    teacher.scores[:] = 3
    assert losses.doubt(targets, teacher).counts.tolist() == [[False, False, True, False, False]]
