from pathlib import Path

import pytest

from benchmarks import plots
from benchmarks.plots import Axes, Series


@pytest.fixture
def lines() -> list[Series]:
    return [Series("ingress", [1, 10], [5.0, 6.0]), Series("bare client", [1, 10], [4.0, 7.0])]


def test_plot_names_its_axes_and_lines(lines: list[Series], tmp_path: Path) -> None:
    path = plots.draw(
        "devices", axes=Axes("devices", x_scale="log"), series=lines, folder=tmp_path / "new"
    )

    text = path.read_text(encoding="utf-8")
    assert all(
        word in text for word in ("ingress", "bare client", ">devices<", "alerts per second")
    )


def test_same_figures_give_the_same_file(lines: list[Series], tmp_path: Path) -> None:
    first, second = (
        plots.draw(
            "devices", axes=Axes("devices"), series=lines, folder=tmp_path / name
        ).read_bytes()
        for name in ("a", "b")
    )

    assert first == second
