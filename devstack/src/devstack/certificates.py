"""An authority of one's own, and certificates that it signs: for servers on this machine alone."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from devstack import ports

_VALID_FOR = timedelta(days=30)
_CLOCK_SKEW = timedelta(hours=1)


@dataclass(frozen=True)
class Certificate:
    """A server's certificate.

    Attributes:
        chain: PEM file: the certificate.
        key: PEM file (PKCS #8, not encrypted), readable by its owner alone.
        both: PEM file with the two, as Kafka wants them; readable by its owner alone.
    """

    chain: Path
    key: Path
    both: Path


class Authority:
    """Signs certificates; who trusts `ca_file` trusts them and nothing else.

    Args:
        folder: Takes the files; made when absent. The authority's own key is never written.
        name: Its common name.
    """

    def __init__(self, folder: Path, *, name: str = "Maskwatch devstack") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        now = datetime.now(UTC)
        built = (
            _builder(self._name, self._name, self._key)
            .not_valid_before(now - 10 * _VALID_FOR)
            .not_valid_after(now + _VALID_FOR)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_SIGNING, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        folder.mkdir(parents=True, exist_ok=True)
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(built.public_bytes(Encoding.PEM))

    def issue(
        self, name: str, *, host: str = ports.LOOPBACK, expired_at: datetime | None = None
    ) -> Certificate:
        """Return a certificate for a server, valid from an hour ago.

        Args:
            name: Its common name, and that of its files.
            host: The one address that it is for.
            expired_at: When it has ended; None makes one that holds for a month.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        end = expired_at or now + _VALID_FOR
        built = (
            _builder(_name(name), self._name, key)
            .not_valid_before(min(now, end) - _CLOCK_SKEW)
            .not_valid_after(end)
            .add_extension(_alternative_name(host), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        pem = built.public_bytes(Encoding.PEM)
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        made = Certificate(*(self._folder / f"{name}{end}" for end in (".pem", ".key", ".both")))
        made.chain.write_bytes(pem)
        for file, content in ((made.key, secret), (made.both, secret + pem)):
            file.touch(mode=0o600)
            file.write_bytes(content)
        return made


_SIGNING = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    crl_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _alternative_name(host: str) -> x509.SubjectAlternativeName:
    try:
        return x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))])
    except ValueError:
        return x509.SubjectAlternativeName([x509.DNSName(host)])
