"""Debian's mosquitto as a child process: with TLS client certificates, as AWS IoT demands them."""

import datetime as dt
import ipaddress
import shutil
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from devstack.processes import Command, Process

from devstack import ports

_START_S = 20.0
_SBIN = "/usr/sbin/mosquitto"  # not on every user's PATH


def program() -> str | None:
    """Return the path of mosquitto, None where it is not installed."""
    return shutil.which("mosquitto") or (_SBIN if Path(_SBIN).is_file() else None)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key; PEM files."""

    cert: Path
    key: Path


class Authority:
    """A certificate authority of a test; a day is as long as it lasts."""

    def __init__(self, folder: Path, name: str = "test authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self.cert = folder / f"{name.replace(' ', '-')}.pem"
        builder = _builder(self._name, self._name, self._key.public_key())
        builder = builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.cert.write_bytes(_pem(builder.sign(self._key, hashes.SHA256())))

    def issue(self, name: str, *, is_server: bool = False) -> Pair:
        """Make a certificate with this common name; a server's is for 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        use = ExtendedKeyUsageOID.SERVER_AUTH if is_server else ExtendedKeyUsageOID.CLIENT_AUTH
        address = x509.IPAddress(ipaddress.ip_address(ports.LOOPBACK))
        signed = (
            _builder(_name(name), self._name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        pair.cert.write_bytes(_pem(signed))
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        pair.key.chmod(0o600)
        return pair


class Mosquitto:
    """A broker that keeps what it has in a file; it can be stopped, killed and started again.

    Args:
        folder: Takes everything.
        authority: Clients need a certificate of this one; None: no TLS, anybody may connect.
    """

    def __init__(self, folder: Path, authority: Authority | None) -> None:
        found = program()
        if found is None:
            raise RuntimeError("mosquitto is not installed: apt-get install mosquitto")
        folder.mkdir(parents=True, exist_ok=True)
        (self.port,) = ports.free(1)
        self._config = folder / "mosquitto.conf"
        self._config.write_text("\n".join(self._lines(folder, authority)) + "\n", encoding="utf-8")
        self._command = Command(
            name="mosquitto", argv=(found, "-c", str(self._config)), folder=folder
        )
        self._process: Process | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = Process(self._command)
        self._process.wait_until(lambda: ports.is_listening(self.port), timeout_s=_START_S)

    def stop(self) -> None:
        """End it in order: it writes down what it has."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()

    def log(self) -> str:
        """All that it has written."""
        return self._command.log_file.read_text(encoding="utf-8", errors="replace")

    def _lines(self, folder: Path, authority: Authority | None) -> list[str]:
        lines = [
            "per_listener_settings false",
            "persistence true",
            f"persistence_location {folder}/",
            # After every change: what a killed broker has queued since the last time is lost.
            "autosave_on_changes true",
            "autosave_interval 1",
            "max_queued_messages 0",
            "max_inflight_messages 100",
            f"listener {self.port} {ports.LOOPBACK}",
        ]
        if authority is None:
            return [*lines, "allow_anonymous true"]
        server = authority.issue("broker", is_server=True)
        return [
            *lines,
            "allow_anonymous false",
            "require_certificate true",
            "use_identity_as_username true",
            f"cafile {authority.cert}",
            f"certfile {server.cert}",
            f"keyfile {server.key}",
            "user root",
        ]


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
