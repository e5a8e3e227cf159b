"""What is not as it should be is refused in one line that names what to change; nothing crashes."""

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from devstack.certificates import Authority, Certificate
from devstack.inbox import Inbox, InboxOptions, Login, Tls
from devstack.processes import ProcessError
from devstack.secure.stack import STRANGER
from devstack.service import Service
from maskwatch_runtime.lifecycle import EX_CONFIG

from tests.e2e.secure.conftest import Secure

_TIMEOUT_S = 40.0
_WRONG = "this-password-is-wrong"
_numbers = itertools.count(1)

Change = dict[str, str]
Begin = Callable[[str, Change], Service]


@pytest.fixture
def begin(secure: Secure) -> Iterator[Begin]:
    """Start a service of its own with some variables set otherwise; ends with the test."""
    begun: list[Service] = []

    def begin_changed(name: str, changed: Change) -> Service:
        service = secure.service(name, changed, f"{name}-refused-{next(_numbers)}")
        begun.append(service)
        service.begin()
        return service

    yield begin_changed
    for service in begun:
        if service.is_running:
            service.kill()


@pytest.fixture
def changed(secure: Secure, tmp_path: Path) -> Callable[[str], Change]:
    """Variables that are wrong, by what is wrong with them."""
    foreign = str(Authority(tmp_path / "foreign", name="Somebody else").ca_file)
    wrong = tmp_path / "wrong-password"
    wrong.write_text(_WRONG)
    kafka_port = secure.infra.kafka.port
    stranger = secure.infra.kafka_settings(STRANGER)
    plain = {"MASKWATCH_KAFKA_USERNAME": "", "MASKWATCH_KAFKA_PASSWORD_FILE": ""}
    changes = {
        "kafka: expired": {
            "MASKWATCH_KAFKA_BOOTSTRAP": f"127.0.0.1:{secure.infra.expired_door.port}"
        },
        "kafka: another host": {"MASKWATCH_KAFKA_BOOTSTRAP": f"localhost:{kafka_port}"},
        "kafka: unknown authority": {"MASKWATCH_KAFKA_CA_FILE": foreign},
        "kafka: password": {"MASKWATCH_KAFKA_PASSWORD_FILE": str(wrong)},
        "kafka: mechanism": {"MASKWATCH_KAFKA_SASL_MECHANISM": "SCRAM-SHA-256"},
        "kafka: no login": {**plain, "MASKWATCH_KAFKA_SECURITY_PROTOCOL": "SSL"},
        "kafka: no rights": stranger,
        "postgres: another host": {"MASKWATCH_POSTGRES_HOST": "localhost"},
        "postgres: unknown authority": {"MASKWATCH_POSTGRES_CA_FILE": foreign},
        "postgres: password": {"MASKWATCH_POSTGRES_PASSWORD": _WRONG},
        "postgres: user": {"MASKWATCH_POSTGRES_USER": "nobody-knows-them"},
        "postgres: role": {
            "MASKWATCH_POSTGRES_USER": "reader",
            "MASKWATCH_POSTGRES_PASSWORD": secure.system.dsn("reader").split(":")[2].split("@")[0],
        },
        "smtp: another host": {"MASKWATCH_SMTP_HOST": "localhost"},
        "smtp: unknown authority": {"MASKWATCH_SMTP_CA_FILE": foreign},
        "smtp: password": {"MASKWATCH_SMTP_PASSWORD": _WRONG},
        "smtp: other TLS": {"MASKWATCH_SMTP_TLS": "tls"},
    }
    return lambda what: changes[what]


def _reasons(service: Service) -> list[str]:
    """The reasons that its log tells, a line each."""
    lines = [json.loads(line) for line in service.log().splitlines() if line.startswith("{")]
    return [str(line["reason"]) for line in lines if "reason" in line]


def _is_said(service: Service, words: str) -> bool:
    return any(words in reason for reason in _reasons(service))


def _check_log(service: Service) -> None:
    """Nothing but one-line records, and no password in them."""
    log = service.log()
    assert "Traceback" not in log
    assert _WRONG not in log
    assert all(line.startswith("{") for line in log.splitlines()), log


_KAFKA_REFUSALS = [
    ("kafka: expired", "the server's certificate has expired"),
    ("kafka: another host", "is for another host than MASKWATCH_KAFKA_BOOTSTRAP"),
    ("kafka: unknown authority", "MASKWATCH_KAFKA_CA_FILE does not hold the authority"),
    ("kafka: password", "refuses MASKWATCH_KAFKA_USERNAME, _PASSWORD"),
    ("kafka: mechanism", "or _SASL_MECHANISM"),
    ("kafka: no login", "does MASKWATCH_KAFKA_SECURITY_PROTOCOL fit this port?"),
    ("kafka: no rights", "the ACLs of MASKWATCH_KAFKA_USERNAME"),
]


@pytest.mark.parametrize(
    ("name", "what", "words"),
    [
        *(("dispatcher", what, words) for what, words in _KAFKA_REFUSALS),
        ("ingress", "kafka: unknown authority", "MASKWATCH_KAFKA_CA_FILE does not hold"),
        ("ingress", "kafka: password", "refuses MASKWATCH_KAFKA_USERNAME, _PASSWORD"),
        ("ingress", "kafka: no rights", "the ACLs of MASKWATCH_KAFKA_USERNAME"),
        ("notifier", "kafka: no rights", "the ACLs of MASKWATCH_KAFKA_USERNAME"),
        ("ingress", "postgres: another host", "another host than MASKWATCH_POSTGRES_HOST"),
        ("ingress", "postgres: unknown authority", "MASKWATCH_POSTGRES_CA_FILE does not hold"),
        ("notifier", "postgres: unknown authority", "MASKWATCH_POSTGRES_CA_FILE does not hold"),
        ("notifier", "smtp: another host", "another host than MASKWATCH_SMTP_HOST"),
        ("notifier", "smtp: unknown authority", "MASKWATCH_SMTP_CA_FILE does not hold"),
        ("notifier", "smtp: password", "refuses MASKWATCH_SMTP_USERNAME or _PASSWORD"),
        ("notifier", "smtp: other TLS", "MASKWATCH_SMTP_TLS=tls: TLS failed"),
    ],
)
def test_service_waits_and_says_what_to_change(
    name: str,
    what: str,
    words: str,
    begin: Begin,
    changed: Callable[[str], Change],
    outbox_with_an_alert: Path,
) -> None:
    service = begin(name, {**changed(what), "MASKWATCH_OUTBOX_PATH": str(outbox_with_an_alert)})

    service.process.wait_until(lambda: _is_said(service, words), timeout_s=_TIMEOUT_S)

    assert not service.is_ready()
    assert service.stop() == 0  # it still heard us
    _check_log(service)


@pytest.mark.parametrize(
    ("name", "what", "words"),
    [
        ("ingress", "postgres: password", "refuses MASKWATCH_POSTGRES_USER, _PASSWORD"),
        ("notifier", "postgres: password", "refuses MASKWATCH_POSTGRES_USER, _PASSWORD"),
        ("ingress", "postgres: user", "refuses MASKWATCH_POSTGRES_USER, _PASSWORD"),
        ("notifier", "postgres: role", "is MASKWATCH_POSTGRES_USER granted the service's role?"),
    ],
)
def test_service_that_postgresql_refuses_ends_as_misconfigured(
    name: str, what: str, words: str, begin: Begin, changed: Callable[[str], Change]
) -> None:
    service = begin(name, changed(what))

    assert service.process.wait(_TIMEOUT_S) == EX_CONFIG

    assert _reasons(service)[-1].count("\n") == 0
    assert words in _reasons(service)[-1]
    _check_log(service)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        (
            "dispatcher",
            {"MASKWATCH_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"},
            "MASKWATCH_KAFKA_USERNAME or _PASSWORD is set",
        ),
        (
            "dispatcher",
            {"MASKWATCH_KAFKA_PASSWORD_FILE": "/nowhere/password"},
            "MASKWATCH_KAFKA_PASSWORD_FILE names a file that cannot be read",
        ),
        (
            "ingress",
            {"MASKWATCH_POSTGRES_TLS": "require"},
            "MASKWATCH_POSTGRES_TLS=require checks no certificate",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused_at_start(
    name: str, changes: Change, words: str, begin: Begin
) -> None:
    service = begin(name, changes)

    assert service.process.wait(_TIMEOUT_S) == EX_CONFIG

    (reason,) = _reasons(service)
    assert words in reason
    _check_log(service)


def test_step_without_the_right_to_create_topics_names_the_login(
    secure: Secure, changed: Callable[[str], Change]
) -> None:
    step = secure.system.service("ingress", changed("kafka: no rights"), label="topics-stranger")

    with pytest.raises(ProcessError, match="the ACLs of MASKWATCH_KAFKA_USERNAME"):
        step.step("topics")


def test_expired_certificate_of_postgresql_is_refused(secure: Secure, begin: Begin) -> None:
    postgres = secure.infra.postgres
    good = secure.infra.authority.issue("postgres-renewed")
    postgres.show(secure.infra.expired)
    try:
        service = begin("ingress", {})
        service.process.wait_until(
            lambda: _is_said(service, "the server's certificate has expired"),
            timeout_s=_TIMEOUT_S,
        )
    finally:
        postgres.show(good)

    # The operator has renewed it: nobody needs to start the service anew.
    service.process.wait_until(service.is_ready, timeout_s=_TIMEOUT_S)
    assert service.stop() == 0
    _check_log(service)


@pytest.fixture
def start_inbox(secure: Secure, tmp_path: Path) -> Iterator[Callable[[Certificate, str], Inbox]]:
    started: list[Inbox] = []

    def start(certificate: Certificate, mode: str) -> Inbox:
        settings = secure.infra.smtp_settings()
        login = Login(
            username=settings["MASKWATCH_SMTP_USERNAME"],
            password=settings["MASKWATCH_SMTP_PASSWORD"],
        )
        tls = Tls.model_validate(
            {"certificate": certificate.chain, "key": certificate.key, "mode": mode}
        )
        inbox = Inbox(
            tmp_path / f"inbox-{len(started)}", options=InboxOptions(login=login, tls=tls)
        )
        started.append(inbox)
        inbox.start()
        return inbox

    yield start
    for inbox in started:
        inbox.stop()


@pytest.mark.parametrize(("mode", "tls"), [("required", "starttls"), ("implicit", "tls")])
def test_expired_certificate_of_the_mail_server_is_refused(
    mode: str,
    tls: str,
    secure: Secure,
    begin: Begin,
    start_inbox: Callable[[Certificate, str], Inbox],
) -> None:
    inbox = start_inbox(secure.infra.expired, mode)
    changes = {"MASKWATCH_SMTP_PORT": str(inbox.smtp_port), "MASKWATCH_SMTP_TLS": tls}

    service = begin("notifier", changes)

    service.process.wait_until(
        lambda: _is_said(service, "the server's certificate has expired"), timeout_s=_TIMEOUT_S
    )
    assert service.stop() == 0
    _check_log(service)


async def test_mail_goes_out_with_tls_from_the_first_byte(
    secure: Secure, start_inbox: Callable[[Certificate, str], Inbox]
) -> None:
    inbox = start_inbox(secure.infra.authority.issue("smtps"), "implicit")
    changes = {"MASKWATCH_SMTP_PORT": str(inbox.smtp_port), "MASKWATCH_SMTP_TLS": "tls"}

    secure.service("notifier", changes, "test-mail").step("test-mail")

    async with inbox.client() as mails:
        assert (await mails.summary()).total == 1
