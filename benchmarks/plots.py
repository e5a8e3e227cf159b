"""Rates as small drawings for docs/performance.md."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "performance"
# Okabe and Ito's palette: told apart by colour-blind people too; the mark tells them apart in grey.
_STYLES = (("#0072B2", "o", "-"), ("#D55E00", "s", "--"), ("#009E73", "^", ":"))


@dataclass(frozen=True)
class Series:
    """A line: sizes, and the rate (alerts/s) at each."""

    name: str
    sizes: Sequence[float]
    rates: Sequence[float]


@dataclass(frozen=True)
class Axes:
    """What the sizes are, and the scale of sizes and rates, which begin at 0 when linear."""

    label: str
    x_scale: Literal["linear", "log"] = "linear"
    y_scale: Literal["linear", "log"] = "linear"


def draw(name: str, *, axes: Axes, series: Sequence[Series], folder: Path = FOLDER) -> Path:
    """Write NAME.svg into the folder and return its path."""
    # The same figures give the same bytes: no date, no random identifiers.
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(5.2, 2.9), layout="constrained")
        plot = figure.add_subplot()
        for line, (colour, mark, dash) in zip(series, _STYLES, strict=False):
            plot.plot(
                line.sizes, line.rates, color=colour, marker=mark, linestyle=dash, label=line.name
            )
        plot.set_xscale(axes.x_scale)
        plot.set_yscale(axes.y_scale)
        plot.set_xticks(list(series[0].sizes))
        plot.xaxis.set_minor_locator(NullLocator())
        for side in (plot.xaxis, plot.yaxis):
            side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        highest = max(rate for line in series for rate in line.rates)
        plot.set_ylim(0 if axes.y_scale == "linear" else None, highest * 1.1)
        plot.set_xlabel(axes.label)
        plot.set_ylabel("alerts per second")
        plot.grid(visible=True, color="#dddddd", linewidth=0.6)
        plot.spines[["top", "right"]].set_visible(False)
        # Above the plot, where it hides no line.
        plot.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(series))
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.svg"
        figure.savefig(path, metadata={"Date": None}, facecolor="white")
    return path
