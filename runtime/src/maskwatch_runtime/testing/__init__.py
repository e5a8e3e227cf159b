"""Fakes that ship with the runtime; each is held to the real thing by a shared test suite."""

from maskwatch_runtime.testing.clock import FakeClock
from maskwatch_runtime.testing.publisher import FakePublisher
from maskwatch_runtime.testing.source import FakeSource

__all__ = ["FakeClock", "FakePublisher", "FakeSource"]
