"""The report of a study: one HTML file that needs nothing else, and the same as Markdown."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from maskwatch_training import drafts
from maskwatch_training.study import plots, rows
from maskwatch_training.study.backbones import BACKBONES
from maskwatch_training.study.progress import duration
from maskwatch_training.study.rows import Plan, Row

_TEMPLATES = ("report.html.j2", "report.md.j2")


class NoStudy(ValueError):  # noqa: N818 - named for what is wrong, as all our errors are
    """The folder holds no study."""


@dataclass(frozen=True)
class Plot:
    """A plot, where it lies beside the report, and what it shows, for those who cannot see it."""

    file: str
    svg: bytes
    shows: str

    @property
    def data_url(self) -> str:
        """The plot itself as an address."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg).decode()


def write(folder: Path) -> list[Path]:
    """Write report.html, report.md and the plots of a study from its rows.

    Raises:
        NoStudy: There is no study.json.
        StudyUnreadable: A row's file is damaged.
    """
    plan = rows.read_plan(folder)
    if plan is None:
        raise NoStudy(f"{folder}: no study.json")
    table = [rows.read(folder, task) for task in plan.tasks]
    context = _context(plan, table)
    (folder / "plots").mkdir(exist_ok=True)
    for plot in (*context["overview"], *(p for ps in context["details"].values() for p in ps)):
        (folder / plot.file).write_bytes(plot.svg)
    environment = _environment()
    written: list[Path] = []
    for template in _TEMPLATES:
        target = folder / template.removesuffix(".j2")
        text = environment.get_template(template).render(context)
        with drafts.file(target) as draft:
            draft.write_text(text, encoding="utf-8")
        written.append(target)
    return written


def best(table: list[Row]) -> Row | None:
    """Give the row with the highest macro F1; the faster one where two are equal."""
    done = [row for row in table if row.judgement is not None and row.cost is not None]
    return max(done, key=_worth, default=None)


def _worth(row: Row) -> tuple[float, float]:
    f1 = row.judgement.scores.f1 if row.judgement else 0.0
    return f1, -(row.cost.ms if row.cost else 0.0)


def _context(plan: Plan, table: list[Row]) -> dict[str, Any]:
    finished = [row for row in table if row.judgement is not None]
    overview = []
    if finished:
        overview = [
            Plot(
                "plots/accuracy-by-time.svg",
                plots.accuracy_by_time(finished),
                "Accuracy over milliseconds a face, one point a row",
            ),
            Plot(
                "plots/f1-and-energy.svg",
                plots.f1_and_energy(finished),
                "Macro F1 and energy of the training, a bar a row",
            ),
        ]
    return {
        "plan": plan,
        "rows": table,
        "finished": finished,
        "best": best(table),
        "overview": overview,
        "details": {row.name: _row_plots(row) for row in finished},
        "notes": sorted({row.energy.note for row in table if row.energy is not None}),
        "countries": sorted({row.energy.country for row in table if row.energy is not None}),
    }


def _row_plots(row: Row) -> list[Plot]:
    assert row.judgement is not None
    title = f"{BACKBONES[row.backbone].title}, {row.mode}"
    stem = f"plots/{row.name}"
    judged = row.judgement
    return [
        Plot(
            f"{stem}-rate.svg",
            plots.rate_finder(row.stages),
            f"Learning-rate finder of {title}: loss over rate",
        ),
        Plot(
            f"{stem}-curves.svg",
            plots.curves(row.stages),
            f"Training of {title}: loss by epoch",
        ),
        Plot(
            f"{stem}-reliability.svg",
            plots.reliability(judged.raw, judged.scaled),
            f"Reliability of {title}: accuracy over confidence",
        ),
    ]


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["duration"] = duration
    environment.filters["title"] = lambda row: BACKBONES[row.backbone].title
    environment.filters["line"] = lambda text: " ".join(str(text).split()).replace("|", "\\|")
    return environment
