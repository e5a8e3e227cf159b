"""Training a classifier: its head on frozen features, then, in fine-tuning, all of it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from maskwatch_training.arrays import Floats, Integers
from maskwatch_training.study import batches, rate_finder, recipe
from maskwatch_training.study.backbones import Classifier
from maskwatch_training.study.batches import Part
from maskwatch_training.study.progress import Progress
from maskwatch_training.study.recipe import Mode, Recipe
from maskwatch_training.study.rows import Epoch, Stage

_BACKWARD = 2.0  # times the forward pass
_RARITY = 0.5  # power of a class's rarity in the loss: 0 ignores it, 1 evens the classes out
_NORMS = (nn.BatchNorm2d,)


class Diverged(ArithmeticError):  # noqa: N818 - named for what is wrong, as all our errors are
    """The loss is no number any more."""


@dataclass(frozen=True)
class Lesson:
    """What a classifier learns from: its parts, side in px, recipe, and whom to tell."""

    parts: Mapping[str, Part]
    side_px: int
    recipe: Recipe
    progress: Progress
    on_epoch: Callable[[str, int, Epoch], None]


@dataclass(frozen=True)
class _Course:
    """One stage's own: the module that learns, its rates, its inputs."""

    name: str
    plan: recipe.Stage
    module: nn.Module
    groups: tuple[tuple[list[nn.Parameter], float], ...]
    epoch: Callable[[], Iterator[tuple[Tensor, Tensor]]]
    steps: int
    held_back: Callable[[], Iterator[Tensor]]
    cost: float  # passes of the backbone for one input


class Trainer:
    """Trains one classifier in place.

    Args:
        network: On the device where it is to be trained.
        lesson: The data and the plan.
        is_pretrained: A pretrained backbone keeps its batch statistics and learns more slowly.
    """

    def __init__(self, network: Classifier, lesson: Lesson, *, is_pretrained: bool) -> None:
        self.network, self.lesson = network, lesson
        self.is_pretrained = is_pretrained
        self.device = next(network.parameters()).device
        self.random = np.random.default_rng(lesson.recipe.seed)
        training = lesson.parts["training"]
        classes = network.head[-1].out_features
        assert isinstance(classes, int)
        weights = class_weights(training.targets, classes=classes).to(self.device)
        self.loss = nn.CrossEntropyLoss(weight=weights)

    def train(self, mode: Mode) -> tuple[Stage, ...]:
        """Train the head; in fine-tuning the whole network after it.

        Raises:
            Diverged: The loss is no number any more.
        """
        if not self.is_pretrained:
            self._estimate_statistics()
        head = self._run(self._head_course())
        if mode == "features":
            return (head,)
        return head, self._run(self._whole_course())

    def judge(self, part: str) -> Floats:
        """Give the logits, (N, classes), of a part's faces."""
        images = self._images(part)
        logits = [self._judged(self.network, batch) for batch in images]
        return torch.cat(logits).cpu().numpy()

    def _head_course(self) -> _Course:
        training, held_back = self._training_features(), self._features(self._images("validation"))
        size = self.lesson.recipe.batch_size
        features, targets = training
        steps = math.ceil(len(features) / size)

        def epoch() -> Iterator[tuple[Tensor, Tensor]]:
            order = torch.from_numpy(self.random.permutation(len(features)))
            for chosen in torch.split(order, size):
                yield features[chosen], targets[chosen]

        head = self.network.head
        groups = ((list(head.parameters()), 1.0),)
        plan = self.lesson.recipe.head
        return _Course("head", plan, head, groups, epoch, steps, lambda: iter([held_back]), 0.0)

    def _whole_course(self) -> _Course:
        lesson, training = self.lesson, self.lesson.parts["training"]
        size = lesson.recipe.batch_size
        share = lesson.recipe.backbone_rate_share if self.is_pretrained else 1.0
        network = self.network
        return _Course(
            name="fine-tuning",
            plan=lesson.recipe.fine_tuning,
            module=network,
            groups=(
                (list(network.head.parameters()), 1.0),
                (list(network.backbone.parameters()), share),
            ),
            epoch=lambda: batches.shuffled(training, lesson.side_px, size, self.random),
            steps=len(training) // size + (len(training) % size > 1),
            held_back=lambda: self._images("validation"),
            cost=1.0,
        )

    def _run(self, course: _Course) -> Stage:
        """Find the rate, train by one cycle, stop early, keep the best weights."""
        sweep = self._sweep(course)
        optimiser = self._optimiser(course, sweep.rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser,
            max_lr=[group["lr"] for group in optimiser.param_groups],
            # One more than it takes: asked for a step beyond its end it raises.
            total_steps=course.plan.epochs * course.steps + 1,
        )
        best, best_state, epochs = 0, copy.deepcopy(course.module.state_dict()), list[Epoch]()
        for index in range(course.plan.epochs):
            epoch = self._epoch(course, optimiser, schedule)
            epochs.append(epoch)
            self._tell(course, index, epoch)
            if index == 0 or epoch.validation_loss < epochs[best].validation_loss:
                best, best_state = index, copy.deepcopy(course.module.state_dict())
            elif index - best >= course.plan.patience:
                break
        course.module.load_state_dict(best_state)
        return Stage(
            name=course.name,
            sweep=sweep,
            epochs=tuple(epochs),
            best=best,
            stopped_early=len(epochs) < course.plan.epochs,
        )

    def _sweep(self, course: _Course) -> rate_finder.Sweep:
        before = copy.deepcopy(course.module.state_dict())
        optimiser = self._optimiser(course, course.plan.rate)
        shares = [share for _, share in course.groups]
        source = _endless(course.epoch)

        def step(rate: float) -> float:
            for group, share in zip(optimiser.param_groups, shares, strict=True):
                group["lr"] = rate * share
            return self._step(course, optimiser, next(source))

        self._set_training(course.module)
        sweep = rate_finder.sweep(step, self.lesson.recipe.rate_finder, course.plan.rate)
        course.module.load_state_dict(before)
        self.lesson.progress.tell(f"{course.name}: rate {sweep.rate:.2g}, {sweep.reason}")
        return sweep

    def _optimiser(self, course: _Course, rate: float) -> torch.optim.AdamW:
        groups = [{"params": tensors, "lr": rate * share} for tensors, share in course.groups]
        return torch.optim.AdamW(groups, weight_decay=self.lesson.recipe.weight_decay)

    def _epoch(
        self,
        course: _Course,
        optimiser: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
    ) -> Epoch:
        self._set_training(course.module)
        total, count = 0.0, 0
        for batch in course.epoch():
            loss = self._step(course, optimiser, batch)
            if not math.isfinite(loss):
                raise Diverged(f"{course.name}: the loss is {loss} after {count} faces")
            schedule.step()
            total, count = total + loss * len(batch[1]), count + len(batch[1])
        loss, accuracy = self._validated(course)
        return Epoch(
            training_loss=total / max(1, count), validation_loss=loss, validation_accuracy=accuracy
        )

    def _step(
        self, course: _Course, optimiser: torch.optim.Optimizer, batch: tuple[Tensor, Tensor]
    ) -> float:
        inputs, targets = (tensor.to(self.device) for tensor in batch)
        loss: Tensor = self.loss(course.module(inputs), targets)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(course.module.parameters(), self.lesson.recipe.clip_norm)
        optimiser.step()
        self.lesson.progress.advance(course.cost * len(inputs) * (1 + _BACKWARD), course.name)
        return float(loss.detach())

    def _validated(self, course: _Course) -> tuple[float, float]:
        logits = torch.cat([self._judged(course.module, batch) for batch in course.held_back()])
        targets = torch.from_numpy(self.lesson.parts["validation"].targets).to(self.device)
        accuracy = (logits.argmax(dim=1) == targets).float().mean()
        return float(nn.functional.cross_entropy(logits, targets)), float(accuracy)

    @torch.no_grad()
    def _judged(self, module: nn.Module, inputs: Tensor) -> Tensor:
        module.eval()
        logits: Tensor = module(inputs.to(self.device))
        return logits

    def _images(self, part: str) -> Iterator[Tensor]:
        lesson = self.lesson
        of_part = batches.in_order(lesson.parts[part], lesson.side_px, lesson.recipe.batch_size)
        for images in of_part:
            yield images
            lesson.progress.advance(len(images), f"judging {part}")

    def _training_features(self) -> tuple[Tensor, Tensor]:
        """Give features (M, C) and targets (M,) of every training face, plain and varied."""
        part, size = self.lesson.parts["training"], self.lesson.recipe.batch_size
        features, targets = [self._features(self._images("training"))], [part.targets]
        for _ in range(self.lesson.recipe.feature_views):
            for images, labels in batches.shuffled(part, self.lesson.side_px, size, self.random):
                features.append(self._features(iter([images])))
                targets.append(labels.numpy())
                self.lesson.progress.advance(len(images), "features")
        return torch.cat(features), torch.from_numpy(np.concatenate(targets)).to(self.device)

    @torch.no_grad()
    def _features(self, images: Iterator[Tensor]) -> Tensor:
        self.network.eval()
        return torch.cat([self.network.features(batch.to(self.device)) for batch in images])

    @torch.no_grad()
    def _estimate_statistics(self) -> None:
        """Give a random backbone's norms the statistics of the training faces.

        As made they pass all through, so a head on frozen features would learn from next to nothing
        and meet quite other features in the second stage.
        """
        norms = [part for part in self.network.backbone.modules() if isinstance(part, _NORMS)]
        kept = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over all batches
        self.network.train()
        for images in self._images("training"):
            if norms and len(images) > 1:
                self.network.features(images.to(self.device))
        for norm, momentum in zip(norms, kept, strict=True):
            norm.momentum = momentum

    def _set_training(self, module: nn.Module) -> None:
        module.train()
        if self.is_pretrained:
            for part in module.modules():
                if isinstance(part, _NORMS):
                    part.eval()

    def _tell(self, course: _Course, index: int, epoch: Epoch) -> None:
        self.lesson.on_epoch(course.name, index, epoch)
        self.lesson.progress.tell(
            f"{course.name} epoch {index + 1}/{course.plan.epochs}: "
            f"loss {epoch.training_loss:.3f}, validation {epoch.validation_loss:.3f}, "
            f"accuracy {epoch.validation_accuracy:.3f}"
        )


def class_weights(targets: Integers, *, classes: int) -> Tensor:
    """Give each class its weight in the loss, (C,): the rarer the more; their mean over faces is 1.

    Raises:
        ValueError: A class has no face.
    """
    counts = np.bincount(targets, minlength=classes)
    if (counts == 0).any():
        raise ValueError(f"class {int(counts.argmin())} has no face to train on")
    weights = counts ** -float(_RARITY)
    weights *= counts.sum() / (weights * counts).sum()
    return torch.from_numpy(weights.astype(np.float32))


def _endless(
    epoch: Callable[[], Iterator[tuple[Tensor, Tensor]]],
) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        yield from epoch()
