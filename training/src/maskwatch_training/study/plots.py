"""Plots of a study, as SVG."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator

from maskwatch_training.calibration import Reliability
from maskwatch_training.study.backbones import BACKBONES
from maskwatch_training.study.rows import Row, Stage

_COLOURS = {"features": "#0b6e99", "fine-tuning": "#c2571a"}
_GREY = "#777777"
_PANEL_INCHES = (3.4, 2.7)
_WIDE_INCHES = 5.4  # on a phone of 390 px its letters are still 9 px high
# Any: matplotlib types the keys as a list of literals.
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "svg.fonttype": "none",  # text stays text: smaller, and sharp on every screen
    "svg.hashsalt": "maskwatch",  # the same figures give the same file
}


def accuracy_by_time(rows: Sequence[Row]) -> bytes:
    """Draw accuracy with its 95 % interval over milliseconds; hollow points began at random."""
    with _figure((_WIDE_INCHES, 4.2)) as (figure, axes):
        for row in rows:
            if row.judgement is None or row.cost is None:
                continue
            scores, colour = row.judgement.scores, _COLOURS[row.mode]
            is_random = row.weights is not None and row.weights.origin == "random"
            reach = [
                [scores.accuracy - scores.accuracy_low],
                [scores.accuracy_high - scores.accuracy],
            ]
            axes.errorbar(
                row.cost.ms,
                scores.accuracy,
                yerr=reach,
                fmt="o",
                color=colour,
                markerfacecolor="white" if is_random else colour,
                elinewidth=0.8,
                alpha=0.9,
            )
        _name_backbones(axes, rows)
        for mode, colour in _COLOURS.items():
            axes.plot([], [], "o", color=colour, label=mode)
        axes.plot([], [], "o", color=_GREY, markerfacecolor="white", label="from random weights")
        axes.set_xscale("log")
        for ticks in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
            ticks(LogFormatter(minor_thresholds=(2, 0.5)))
        axes.margins(x=0.12)
        axes.set_xlabel("milliseconds a face, one CPU thread, PyTorch (log)")
        axes.set_ylabel("accuracy on the test faces, 95 % interval")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=3)
        return _svg(figure)


def f1_and_energy(rows: Sequence[Row]) -> bytes:
    """Draw macro F1 and the energy of the training as bars, both ways of a backbone together."""
    names = list(dict.fromkeys(row.backbone for row in rows))
    with mpl.rc_context(_STYLE):
        inches = (_WIDE_INCHES, 1.1 + 0.42 * len(names))
        figure = Figure(figsize=inches, layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for offset, (mode, colour) in zip((-0.2, 0.2), _COLOURS.items(), strict=True):
            shown = [row for row in rows if row.mode == mode and row.judgement is not None]
            places = [names.index(row.backbone) + offset for row in shown]
            f1 = [row.judgement.scores.f1 if row.judgement else 0.0 for row in shown]
            watt_hours = [(row.energy.kwh or 0.0) * 1000 if row.energy else 0.0 for row in shown]
            left.barh(places, f1, 0.38, color=colour, label=mode)
            right.barh(places, watt_hours, 0.38, color=colour)
        left.set_yticks(range(len(names)), [BACKBONES[name].title for name in names])
        left.invert_yaxis()
        left.set_xlim(0, 1)
        left.set_xlabel("macro F1")
        right.set_xscale("log")
        right.set_xlabel("training, Wh (log)")
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper right", ncols=2)
        return _svg(figure)


def rate_finder(stages: Sequence[Stage]) -> bytes:
    """Draw the loss over the swept learning rate of each stage, and the rates chosen."""
    with _figure(_PANEL_INCHES) as (figure, axes):
        for stage, colour in zip(stages, _COLOURS.values(), strict=False):
            axes.plot(stage.sweep.rates, stage.sweep.losses, color=colour, label=stage.name)
            axes.axvline(stage.sweep.rate, color=colour, linestyle=":", linewidth=1.2)
        axes.set_xscale("log")
        axes.set_xlabel("learning rate (log); dotted: chosen")
        axes.set_ylabel("loss, smoothed")
        axes.legend()
        return _svg(figure)


def curves(stages: Sequence[Stage]) -> bytes:
    """Draw training and validation loss by epoch, the stages one after the other."""
    with _figure(_PANEL_INCHES) as (figure, axes):
        begin = 1
        for stage, colour in zip(stages, _COLOURS.values(), strict=False):
            at = range(begin, begin + len(stage.epochs))
            training = [epoch.training_loss for epoch in stage.epochs]
            held_back = [epoch.validation_loss for epoch in stage.epochs]
            axes.plot(at, training, "--", marker=".", color=colour, label=f"{stage.name}, training")
            axes.plot(at, held_back, marker=".", color=colour, label="validation")
            kept = (begin + stage.best, held_back[stage.best])
            axes.plot(*kept, "o", markersize=9, markerfacecolor="none", color=colour)
            begin += len(stage.epochs)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch; ring: weights kept")
        axes.set_ylabel("loss, nats")
        axes.legend(fontsize=7)
        return _svg(figure)


def reliability(raw: Reliability, scaled: Reliability) -> bytes:
    """Draw accuracy over confidence, before and after the temperature; areas are faces."""
    with _figure(_PANEL_INCHES) as (figure, axes):
        axes.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8)
        drawn = ((raw, "as trained", "#0b6e99"), (scaled, "with temperature", "#c2571a"))
        for found, name, colour in drawn:
            filled = [i for i, count in enumerate(found.counts) if count]
            x = [found.confidence[i] for i in filled]
            y = [found.accuracy[i] for i in filled]
            total = sum(found.counts)
            areas = [12 + 220 * found.counts[i] / total for i in filled]
            axes.plot(x, y, color=colour, linewidth=1)
            axes.scatter(
                x, y, areas, color=colour, alpha=0.55, label=f"{name}, ECE {found.ece:.3f}"
            )
        axes.set_xlim(0, 1.03)
        axes.set_ylim(0, 1.03)
        axes.set_xlabel("confidence")
        axes.set_ylabel("accuracy")
        legend = axes.legend(fontsize=7, loc="upper left")
        for handle in legend.legend_handles:
            handle.set_sizes([25])  # type: ignore[union-attr]
        return _svg(figure)


def _name_backbones(axes: Axes, rows: Sequence[Row]) -> None:
    """Write each backbone's name once, at its better row."""
    best: dict[str, tuple[float, float]] = {}
    for row in rows:
        if row.judgement is not None and row.cost is not None:
            place = (row.judgement.scores.accuracy, row.cost.ms)
            best[row.backbone] = max(best.get(row.backbone, place), place)
    # Above and below in turn: neighbours in time would write over each other.
    by_time = sorted(best.items(), key=lambda item: item[1][1])
    for index, (name, (accuracy, ms)) in enumerate(by_time):
        axes.annotate(
            BACKBONES[name].title,
            (ms, accuracy),
            xytext=(3, 9 if index % 2 else -14),
            textcoords="offset points",
            fontsize=8,
        )


@contextmanager
def _figure(inches: tuple[float, float]) -> Iterator[tuple[Figure, Axes]]:
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=inches, layout="constrained")
        yield figure, figure.subplots()


def _svg(figure: Figure) -> bytes:
    target = io.BytesIO()
    figure.savefig(target, format="svg", metadata={"Date": None})
    return target.getvalue()
