from ingress.registry import Registry
from maskwatch_runtime.testing import FakeClock


def test_unknown_is_due() -> None:
    assert Registry(FakeClock()).due({"a": 1}) == {"a": 1}


def test_asking_does_not_make_it_known() -> None:
    registry = Registry(FakeClock())
    registry.due({"a": 1})

    assert registry.due({"a": 1}) == {"a": 1}


def test_written_is_due_again_after_a_minute() -> None:
    clock = FakeClock()
    registry = Registry(clock)
    registry.written(["a"])

    clock.advance(59.9)
    assert registry.due({"a": 1, "b": 2}) == {"b": 2}
    clock.advance(0.1)
    assert registry.due({"a": 1}) == {"a": 1}


def test_clock_that_is_set_back_changes_nothing() -> None:
    clock = FakeClock()
    registry = Registry(clock)
    registry.written(["a"])

    clock.jump(-3600)

    assert registry.due({"a": 1}) == {}


def test_forgotten_is_due() -> None:
    registry = Registry(FakeClock())
    registry.written(["a"])

    registry.forget()

    assert registry.due({"a": 1}) == {"a": 1}
