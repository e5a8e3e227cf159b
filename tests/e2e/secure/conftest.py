from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from devstack.secure.stack import SecureInfrastructure
from devstack.service import Service
from devstack.system import Options, System
from maskwatch_runtime.outbox.outbox import Outbox

from devstack import load

RECIPIENT = "operations@plant.example"
_DEBUG = {"MASKWATCH_LOG_LEVEL": "debug"}


@dataclass(frozen=True)
class Secure:
    """The whole system with TLS, logins and rights; the three services run."""

    infra: SecureInfrastructure
    system: System

    def options(self, service: str) -> dict[str, str]:
        """The variables with which a service is let in everywhere."""
        return dict(self.system.options.settings[service])

    def service(self, name: str, changed: dict[str, str], label: str) -> Service:
        """Return a service of its own, not yet started, with some variables set otherwise."""
        return self.system.service(name, self.options(name) | changed, label=label)


def _at_debug(options: Options) -> Options:
    settings = {name: {**chosen, **_DEBUG} for name, chosen in options.settings.items()}
    return replace(options, settings=settings)


@pytest.fixture(scope="session")
def secure(server_folder: Path) -> Iterator[Secure]:
    infra = SecureInfrastructure(server_folder / "secure")
    with infra, System(infra, _at_debug(infra.options((RECIPIENT,)))) as system:
        yield Secure(infra, system)


@pytest.fixture
def outbox_with_an_alert(tmp_path: Path) -> Path:
    """A device's outbox, not the system's, in which an alert waits."""
    path = tmp_path / "alert.db"
    with closing(Outbox.open(path)) as outbox:
        outbox.append(load.alert(1))
    return path
