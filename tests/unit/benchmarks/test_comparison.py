from benchmarks.alerts import Load
from benchmarks.debezium.comparison import SERVICES, SET_UPS, STEPS, Figures, Part, Table
from benchmarks.stage import Run

_LOAD = Load("some", picture_bytes=0, messages=1_000)
_PART = Part("some", _LOAD, {1: 2.0, 3: 1.0})


def _table(*, steps: tuple[float, float, float], theirs: float) -> Table:
    ours = dict(zip(STEPS, steps, strict=True)) | dict.fromkeys(SERVICES, 5.0)
    return Table(
        _PART,
        {each: Figures(rate, cpu_us=60.0) for each, rate in ours.items()},
        {set_up: Figures(theirs, cpu_us=80.0) for set_up in SET_UPS},
    )


def test_one_task_is_beside_one_process_and_three_beside_the_best_of_ours() -> None:
    one, three, *_ = _table(steps=(30.0, 50.0, 40.0), theirs=20.0).bars()

    assert (one.value, one.ratio, one.floor, one.ok) == (30.0, 1.5, 2.0, False)
    assert (three.value, three.ratio, three.floor, three.ok) == (50.0, 2.5, 1.0, True)
    assert "x 2" in three.bar


def test_only_the_step_beside_messages_with_their_schema_is_promised() -> None:
    _, _, *shown = _table(steps=(30.0, 50.0, 40.0), theirs=20.0).bars()

    assert {bar.ok for bar in shown} == {None}
    assert sum("apart" in bar.bar for bar in shown) == 6
    assert sum("service" in bar.bar for bar in shown) == 4


def test_figures_are_medians_and_cpu_is_of_all_parties() -> None:
    runs = [
        Run(seconds, {"writer": used, "postgres": 2.0})
        for seconds, used in ((1.0, 30.0), (2.0, 10.0), (9.0, 20.0))
    ]

    assert Figures.of(runs, _LOAD) == Figures(rate=500.0, cpu_us=22.0)
