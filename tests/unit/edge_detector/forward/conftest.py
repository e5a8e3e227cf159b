import pytest
from edge_detector.forward.metrics import ForwardMetrics
from prometheus_client import CollectorRegistry


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> ForwardMetrics:
    return ForwardMetrics(registry)
