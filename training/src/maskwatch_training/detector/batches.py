"""Batches of training images, prepared beside the training on one thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from maskwatch_training.datasets.photos import Photo, decode
from maskwatch_training.detector import targets as target_assignment
from maskwatch_training.detector.augment import Drawer, Stock
from maskwatch_training.detector.losses import BatchTargets
from maskwatch_training.detector.recipe import Recipe
from maskwatch_training.detector.targets import Targets
from maskwatch_training.views import View, whole

_WAITING = 3  # batches prepared ahead
_POLL_S = 0.5


@dataclass(frozen=True)
class Batch:
    """Images (B, 3, S, S) float32 RGB 0..255 in channels-last memory, and their targets."""

    images: Tensor
    targets: BatchTargets


def stock(photos: list[Photo], recipe: Recipe) -> Stock:
    """Decode all photos into memory (about 1 MB each)."""
    shown = [whole(decode(photo), photo.boxes_px, photo.labels) for photo in photos]
    shares = np.array([recipe.datasets[photo.dataset] for photo in photos], np.float32)
    negatives = set(recipe.background_datasets)
    return Stock(
        photos=shown,
        shares=shares / shares.sum(),
        faced=[view for view in shown if len(view.labels)],
        backgrounds=[
            view for view, photo in zip(shown, photos, strict=True) if photo.dataset in negatives
        ],
    )


def compose(shown: list[View], *, size_px: int) -> Batch:
    """Stack training images and assign their targets."""
    images = torch.from_numpy(np.stack([view.image for view in shown]))
    assigned = [
        target_assignment.assign(view.boxes_px, view.labels, view.ignored_px, size_px=size_px)
        for view in shown
    ]

    def stacked(
        part: Callable[[Targets], np.ndarray[tuple[int, ...], np.dtype[np.generic]]],
    ) -> Tensor:
        return torch.from_numpy(np.stack([part(one) for one in assigned]))

    return Batch(
        images=images.permute(0, 3, 1, 2).float(),
        targets=BatchTargets(
            heat=stacked(lambda one: one.heat),
            counts=stacked(lambda one: one.counts),
            boxes=stacked(lambda one: one.boxes),
            weights=stacked(lambda one: one.weights),
            labels=stacked(lambda one: one.labels),
        ),
    )


class Feed:
    """Prepares batches ahead on a thread of its own; use as a context manager."""

    def __init__(self, drawer: Drawer, recipe: Recipe, *, seed: int) -> None:
        self._drawer, self._recipe = drawer, recipe
        self._random = np.random.default_rng(seed)
        self._ready: queue.Queue[Batch | BaseException] = queue.Queue(_WAITING)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._prepare, name="batches", daemon=True)
        self.progress = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def take(self) -> Batch:
        """Wait for the next batch; an error of the preparing thread is raised here."""
        item = self._ready.get()
        if isinstance(item, BaseException):
            raise item
        return item

    def _prepare(self) -> None:
        while not self._stopped.is_set():
            item: Batch | BaseException
            try:
                item = self._next()
            except BaseException as error:  # noqa: BLE001 - handed over to take()
                item = error
            while not self._stopped.is_set():
                try:
                    self._ready.put(item, timeout=_POLL_S)
                    break
                except queue.Full:
                    continue

    def _next(self) -> Batch:
        shown = [
            self._drawer.draw(self._random, progress=self.progress)
            for _ in range(self._recipe.batch_size)
        ]
        return compose(shown, size_px=self._recipe.input_size_px)
