"""A study from the first row to the last: resumable row by row, nothing that failed is hidden."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable

import cv2
import torch

from maskwatch_training import record
from maskwatch_training.study import batches, crops, progress, rows, trial
from maskwatch_training.study.progress import Progress, Task
from maskwatch_training.study.recipe import MODES, Recipe
from maskwatch_training.study.rows import Plan
from maskwatch_training.study.tracking import Tracker
from maskwatch_training.study.trial import Bench, Order

_log = logging.getLogger(__name__)


class StudyExists(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """The folder holds a study that this one would overwrite or does not go with."""


class RowsFailed(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """The study is done, but not every row came out."""


def run(order: Order, open_log: Callable[[], Tracker]) -> None:
    """Run every row that is not finished yet; the rows' files are written as they come.

    Args:
        order: What is asked for.
        open_log: Opens the log of experiments, once the data is known to be good.

    Raises:
        UnusableData: The data cannot carry a study.
        StudyExists: The folder holds a study already, or one of other data or another recipe.
        RowsFailed: Some rows failed; the others are there, and the report says why.
    """
    recipe = order.recipe
    torch.set_num_threads(recipe.threads)
    cv2.setNumThreads(1)
    _check(order)
    faces = crops.read(order.data, recipe)
    plan = _planned(order, faces)
    rows.write_plan(plan, order.out)
    job = record.Job(
        step="study",
        folder=order.out,
        seed=recipe.seed,
        settings=recipe.model_dump(mode="json"),
        data=faces.sources,
    )
    with record.recording(job) as results:
        results["faces"] = plan.counts
        results["fingerprint"] = plan.fingerprint
        results["rows"] = _run_rows(order, plan, faces, open_log())
    failed = [name for name, status in results["rows"].items() if status != "finished"]
    if failed:
        raise RowsFailed(
            f"{len(failed)} of {len(results['rows'])} rows failed: {', '.join(failed)}"
        )


def _check(order: Order) -> None:
    if rows.read_plan(order.out) is not None and not order.is_resumed:
        raise StudyExists(f"{order.out}: holds a study; --resume to go on, or another --out")


def _planned(order: Order, faces: crops.Faces) -> Plan:
    tasks = tuple(Task(name, mode) for name in order.names for mode in MODES)
    plan = Plan(
        recipe=order.recipe,
        is_quick=order.is_quick,
        classes=faces.classes,
        counts=faces.counts(),
        unreadable=faces.losses.unreadable,
        too_small=faces.losses.too_small,
        left_out=tuple(faces.losses.named),
        fingerprint=_fingerprint(faces),
        tasks=tasks,
    )
    former = rows.read_plan(order.out)
    if former is None:
        return plan
    if changed := rows.differences(former, plan):
        raise StudyExists(f"{order.out}: other {', '.join(changed)} than now; take another --out")
    # Rows of earlier calls stay in the table when this one names fewer backbones.
    known = dict.fromkeys((*former.tasks, *tasks))
    return plan.model_copy(update={"tasks": tuple(known)})


def _fingerprint(faces: crops.Faces) -> str:
    """Digest every cut and its class, part by part: the same digest, the same faces."""
    digest = hashlib.sha256()
    for part, members in faces.parts.items():
        digest.update(part.encode())
        for face in members:
            digest.update(f"{face.label} {face.image.shape}".encode())
            digest.update(face.image.tobytes())
    return digest.hexdigest()


def _run_rows(
    order: Order, plan: Plan, faces: crops.Faces, tracker: Tracker
) -> dict[str, rows.Status]:
    wanted = [Task(name, mode) for name in order.names for mode in MODES]
    status: dict[str, rows.Status] = {
        task.name: rows.read(order.out, task).status for task in wanted
    }
    open_tasks = [task for task in wanted if status[task.name] != "finished"]
    if len(open_tasks) < len(wanted):
        _log.info("%d of %d rows are finished", len(wanted) - len(open_tasks), len(wanted))
    sizes = {part: len(members) for part, members in faces.parts.items()}
    efforts = {task.name: progress.effort(task, sizes, order.recipe) for task in open_tasks}
    bench = Bench(
        order=order,
        plan=plan,
        parts={
            part: batches.Part(members, faces.targets(part))
            for part, members in faces.parts.items()
        },
        progress=Progress(efforts, say=_log.info),
        tracker=tracker,
        device=_device(order.recipe),
    )
    for task in open_tasks:
        status[task.name] = trial.run(task, bench).status
    return status


def _device(recipe: Recipe) -> torch.device:
    if recipe.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(recipe.device)
