"""One row of a study: a backbone with its weights, trained, judged, measured, noted."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from maskwatch_training import calibration, drafts, energy
from maskwatch_training.study import (
    batches,
    cost,
    metrics,
    progress,
    rows,
    weights,
)
from maskwatch_training.study.backbones import BACKBONES, Classifier
from maskwatch_training.study.fine_tuning import Lesson, Trainer
from maskwatch_training.study.progress import Progress, Task
from maskwatch_training.study.recipe import Recipe
from maskwatch_training.study.rows import Epoch, Judgement, Plan, Row
from maskwatch_training.study.tracking import Tracker

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Order:
    """What is asked for; `files` are weight files by backbone."""

    data: Path
    out: Path
    recipe: Recipe
    is_quick: bool
    names: tuple[str, ...]
    files: Mapping[str, Path] = field(default_factory=dict)
    is_resumed: bool = False
    keeps_weights: bool = False


@dataclass(frozen=True)
class Bench:
    """What every row works with."""

    order: Order
    plan: Plan
    parts: Mapping[str, batches.Part]
    progress: Progress
    tracker: Tracker
    device: torch.device


def run(task: Task, bench: Bench) -> Row:
    """Run one row and give what came of it; its file says so at every moment.

    Only an interruption by the user is passed on: a row that fails must not cost the others.
    """
    out = bench.order.out
    row = Row(backbone=task.backbone, mode=task.mode, status="running", device=str(bench.device))
    rows.write(row, out)
    sizes = {part: len(members) for part, members in bench.parts.items()}
    bench.progress.begin(task.name, progress.passes(task.mode, sizes, bench.order.recipe))
    bench.tracker.begin(task.name, _settings(task, bench))
    try:
        row = _filled(row, task, bench)
    except KeyboardInterrupt:
        _close(row, bench, "interrupted", "interrupted by the user")
        raise
    except Exception as error:  # noqa: BLE001 - see above
        _log.exception("%s failed", task.name)
        return _close(row, bench, "failed", f"{type(error).__name__}: {error}".splitlines()[0])
    return _close(row, bench, "finished", "")


def _close(row: Row, bench: Bench, status: rows.Status, reason: str) -> Row:
    row = row.model_copy(update={"status": status, "reason": reason})
    rows.write(row, bench.order.out)
    bench.tracker.end(status, _figures(row))
    bench.progress.end(f"{status} {reason}".strip())
    return row


def _filled(row: Row, task: Task, bench: Bench) -> Row:
    """Train, judge and measure one row."""
    recipe, backbone = bench.order.recipe, BACKBONES[task.backbone]
    torch.manual_seed(recipe.seed)
    network = Classifier(backbone, len(bench.plan.classes), recipe.dropout)
    file = bench.order.files.get(task.backbone)
    source = weights.load(network.backbone, backbone, file)
    bench.progress.tell(f"weights: {source.origin}, {source.detail}")
    side_px = min(backbone.input_px, recipe.input_px_max)
    network.to(bench.device)
    steps = iter(range(1, 1_000_000))

    def on_epoch(stage: str, _: int, epoch: Epoch) -> None:
        figures = {f"{stage}.{name}": value for name, value in epoch.model_dump().items()}
        bench.tracker.log(figures, next(steps))

    lesson = Lesson(bench.parts, side_px, recipe, bench.progress, on_epoch)
    trainer = Trainer(network, lesson, is_pretrained=source.origin != "random")
    begin = time.monotonic()
    with energy.metered() as meter:
        stages = trainer.train(task.mode)
        spent = meter.stop()
    seconds = time.monotonic() - begin
    judgement = _judged(trainer, bench)
    if bench.order.keeps_weights:
        _keep(network, bench.order.out / "weights" / f"{task.name}.pt")
    return row.model_copy(
        update={
            "weights": source,
            "input_px": side_px,
            "stages": stages,
            "judgement": judgement,
            "cost": cost.measure(network, side_px, calls=recipe.latency_calls),
            "energy": spent,
            "seconds": seconds,
        }
    )


def _judged(trainer: Trainer, bench: Bench) -> Judgement:
    bins, classes = bench.order.recipe.calibration_bins, len(bench.plan.classes)
    held_back, logits = trainer.judge("validation"), trainer.judge("test")
    targets = bench.parts["test"].targets
    warmth = calibration.temperature(held_back, bench.parts["validation"].targets)
    return Judgement(
        scores=metrics.scores(logits.argmax(axis=1), targets, classes=classes),
        loss=calibration.likelihood_loss(logits, targets),
        raw=calibration.reliability(calibration.softmax(logits), targets, bins=bins),
        scaled=calibration.reliability(calibration.softmax(logits, warmth), targets, bins=bins),
        temperature=warmth,
    )


def _keep(network: Classifier, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with drafts.file(path) as draft:
        torch.save(network.state_dict(), draft)


def _settings(task: Task, bench: Bench) -> dict[str, object]:
    return {
        **asdict(task),
        "title": BACKBONES[task.backbone].title,
        "data": bench.plan.fingerprint,
        **bench.order.recipe.model_dump(mode="json"),
    }


def _figures(row: Row) -> dict[str, float]:
    """Give a row's last figures for the log."""
    figures: dict[str, float] = {}
    if row.judgement is not None:
        scores = row.judgement.scores
        figures |= {"accuracy": scores.accuracy, "precision": scores.precision}
        figures |= {"recall": scores.recall, "f1": scores.f1}
        figures |= {"ece": row.judgement.raw.ece, "ece_scaled": row.judgement.scaled.ece}
    if row.cost is not None:
        figures |= asdict(row.cost)
    if row.energy is not None and row.energy.kwh is not None:
        figures |= {"kwh": row.energy.kwh, "co2_kg": row.energy.co2_kg or 0.0}
    if row.seconds is not None:
        figures["seconds"] = row.seconds
    return figures
