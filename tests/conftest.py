import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["devstack.pytest_plugin"]

# Two busy cores: a slow example says nothing about the code.
settings.register_profile(
    "maskwatch", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60
)
settings.load_profile("maskwatch")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kill-rounds", type=int, default=2, help="how often each service is killed (e2e)"
    )
    parser.addoption(
        "--kill-seed", type=int, default=None, help="repeats the random moments of a former run"
    )
