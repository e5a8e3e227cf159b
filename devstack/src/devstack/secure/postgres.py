"""PostgreSQL with TLS; who comes without it is turned away."""

import shutil
import signal
from pathlib import Path

from devstack import ports
from devstack.certificates import Authority, Certificate
from devstack.postgres import Postgres
from devstack.secure import postgres_programs

_RULES = f"hostssl all all {ports.LOOPBACK}/32 scram-sha-256\n"


class SecurePostgres(Postgres):
    """A server that takes connections with TLS and password alone.

    Args:
        folder: See `Postgres`.
        authority: Signs its certificate.

    Raises:
        JarError: Its programs cannot be had.
    """

    def __init__(self, folder: Path, authority: Authority) -> None:
        super().__init__(folder, programs=postgres_programs.ensure())
        self._certificate = self.folder / "server.pem"
        self._key = self.folder / "server.key"
        self._rules = self.folder / "pg_hba.conf"
        self._authority = authority
        self._settings |= {
            "ssl": "on",
            "ssl_cert_file": str(self._certificate),
            "ssl_key_file": str(self._key),
            "hba_file": str(self._rules),
        }

    def show(self, certificate: Certificate) -> None:
        """Take another certificate, from the next connection on."""
        self._install(certificate)
        self.process.signal(signal.SIGHUP)

    def _make_data(self) -> None:
        super()._make_data()
        self._rules.write_text(_RULES, encoding="ascii")
        self._install(self._authority.issue("postgres"))
        self._hand_over(self._rules)

    def _install(self, certificate: Certificate) -> None:
        for source, target in (
            (certificate.chain, self._certificate),
            (certificate.key, self._key),
        ):
            target.touch(mode=0o600)  # else PostgreSQL refuses a key
            shutil.copyfile(source, target)
        self._hand_over(self._certificate, self._key)
