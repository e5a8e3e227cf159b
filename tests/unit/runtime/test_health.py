from maskwatch_runtime.health import Health
from maskwatch_runtime.testing import FakeClock


def test_new_service_is_live_and_ready() -> None:
    health = Health(FakeClock())

    assert health.not_live() == []
    assert health.not_ready() == {}


def test_absent_dependency_is_not_ready_but_live() -> None:
    clock = FakeClock()
    health = Health(clock)

    health.missing("kafka", "connection refused")
    clock.advance(3600)

    assert health.not_ready() == {"kafka": "connection refused"}
    assert health.not_live() == []


def test_dependency_that_came_back_is_ready() -> None:
    health = Health(FakeClock())
    health.missing("kafka", "connection refused")

    health.present("kafka")

    assert health.not_ready() == {}


def test_waiting_work_without_progress_is_not_live_after_the_limit() -> None:
    clock = FakeClock()
    health = Health(clock)
    progress = health.track("relay", stalled_after_s=60)

    progress.waits()
    clock.advance(60)
    assert health.not_live() == []
    clock.advance(1)
    assert health.not_live() == ["relay"]


def test_repeated_wait_does_not_start_the_time_anew() -> None:
    clock = FakeClock()
    health = Health(clock)
    progress = health.track("relay", stalled_after_s=60)

    progress.waits()
    clock.advance(50)
    progress.waits()
    clock.advance(11)

    assert health.not_live() == ["relay"]


def test_idle_loop_is_live_for_ever() -> None:
    clock = FakeClock()
    health = Health(clock)
    progress = health.track("relay", stalled_after_s=60)

    progress.waits()
    progress.made()
    clock.advance(86_400)

    assert health.not_live() == []
