"""A measured figure, beside its peer's of the same run, against the floor that was promised."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "build" / "bars"


@dataclass(frozen=True)
class Bar:
    """One line of a table.

    Attributes:
        bar: What is measured.
        value: Ours, in `unit`.
        peer: The bare client's in the same run, in the same unit; None without one.
        ratio: What is compared with the floor where there is a peer.
        floor: The promise: a least ratio with a peer, else a least or a largest value.
        ok: Whether it is kept; None where nothing is promised.
    """

    bar: str
    value: float
    unit: str
    peer: float | None = None
    ratio: float | None = None
    floor: float | None = None
    ok: bool | None = None


def beside(bar: str, value: float, peer: float, *, unit: str, floor: float) -> Bar:
    """Return the bar of a rate that has to reach `floor` times the peer's."""
    ratio = value / peer
    return Bar(bar, value, unit, peer, ratio, floor, ratio >= floor)


def at_most(bar: str, value: float, limit: float, *, unit: str) -> Bar:
    """Return the bar of a value that may not exceed the limit."""
    return Bar(bar, value, unit, floor=limit, ok=value <= limit)


def at_least(bar: str, value: float, least: float, *, unit: str) -> Bar:
    """Return the bar of a value that has to reach a floor; nan does not."""
    return Bar(bar, value, unit, floor=least, ok=value >= least)


def report(name: str, bars: Sequence[Bar]) -> bool:
    """Print the table, leave it as build/bars/<name>.json, and return whether all bars hold."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    lines = [asdict(bar) for bar in bars]
    (FOLDER / f"{name}.json").write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")
    print(f"\n{name}")
    print(f"  {'':52} {'ours':>10} {'bare':>10} {'ratio':>6} {'floor':>7}")
    for bar in bars:
        peer = "" if bar.peer is None else _shown(bar.peer)
        ratio = "" if bar.ratio is None else f"{bar.ratio:.2f}"
        floor = "" if bar.floor is None else f"{bar.floor:.3g}"
        verdict = {True: "ok", False: "MISSED", None: ""}[bar.ok]
        ours = f"{f'{bar.bar} [{bar.unit}]':52} {_shown(bar.value):>10}"
        print(f"  {ours} {peer:>10} {ratio:>6} {floor:>7} {verdict}")
    return all(bar.ok is not False for bar in bars)


def _shown(value: float) -> str:
    """Return a figure for the table: shares and small times need their places."""
    return f"{value:,.3f}" if abs(value) < 10 else f"{value:,.1f}"
