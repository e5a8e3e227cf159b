from pathlib import Path

import pytest
from maskwatch_runtime import settings as environment
from maskwatch_runtime.errors import Misconfigured
from notifier.mailbox import Mailbox
from notifier.settings import CheckSettings, NotifierSettings

_REQUIRED = {
    "MASKWATCH_KAFKA_BOOTSTRAP": "kafka:9092",
    "MASKWATCH_POSTGRES_HOST": "postgres",
    "MASKWATCH_POSTGRES_USER": "notifier",
    "MASKWATCH_POSTGRES_PASSWORD": "invented",
    "MASKWATCH_RECIPIENTS": "ann@example.org",
    "MASKWATCH_SENDER": "Maskwatch <alerts@example.org>",
    "MASKWATCH_SMTP_HOST": "smtp.example.org",
}


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in _REQUIRED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.usefixtures("variables")
def test_required_variables_are_enough() -> None:
    settings = environment.load(NotifierSettings)

    assert settings.sender == Mailbox("alerts@example.org", "Maskwatch")
    assert settings.recipients == (Mailbox("ann@example.org"),)
    assert settings.cooldown_minutes == 10
    assert settings.smtp_servers[0].port == 587
    assert settings.camera_mails
    assert (settings.camera_mails_per_hour, settings.camera_group_wait_s) == (4, 30)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CAMERA_MAILS", "perhaps"),
        ("CAMERA_MAILS_PER_HOUR", "0"),
        ("CAMERA_GROUP_WAIT_S", "-1"),
    ],
)
def test_senseless_setting_for_cameras_is_named(
    variables: pytest.MonkeyPatch, name: str, value: str
) -> None:
    variables.setenv(f"MASKWATCH_{name}", value)

    with pytest.raises(Misconfigured, match=f"MASKWATCH_{name}: "):
        environment.load(NotifierSettings)


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("ann@example.org,bob@example.org", ["ann@example.org", "bob@example.org"]),
        ('["Ann <ann@example.org>", "bob@example.org"]', ["ann@example.org", "bob@example.org"]),
        ("ann@example.org, ANN@example.org,", ["ann@example.org"]),
    ],
)
def test_recipients_are_a_json_list_or_a_list_with_commas(
    variables: pytest.MonkeyPatch, text: str, addresses: list[str]
) -> None:
    variables.setenv("MASKWATCH_RECIPIENTS", text)

    recipients = environment.load(CheckSettings).recipients

    assert [one.address for one in recipients] == addresses


@pytest.mark.parametrize(("tls", "port"), [("none", 25), ("starttls", 587), ("tls", 465)])
def test_port_follows_from_tls(variables: pytest.MonkeyPatch, tls: str, port: int) -> None:
    variables.setenv("MASKWATCH_SMTP_TLS", tls)

    assert environment.load(CheckSettings).smtp_servers[0].port == port


def test_password_may_stand_in_a_file(variables: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n", encoding="utf-8")
    variables.setenv("MASKWATCH_SMTP_USERNAME", "maskwatch")
    variables.setenv("MASKWATCH_SMTP_PASSWORD_FILE", str(tmp_path / "password"))

    assert environment.load(CheckSettings).smtp_password.get_secret_value() == "secret"


@pytest.mark.usefixtures("variables")
def test_without_a_fallback_there_is_one_server() -> None:
    (server,) = environment.load(CheckSettings).smtp_servers

    assert (server.prefix, server.address) == ("MASKWATCH_SMTP", "smtp.example.org:587")


def test_fallback_is_a_second_server_with_its_own_login(
    variables: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("secret\n", encoding="utf-8")
    variables.setenv("MASKWATCH_SMTP_FALLBACK_HOST", "backup.example.net")
    variables.setenv("MASKWATCH_SMTP_FALLBACK_TLS", "tls")
    variables.setenv("MASKWATCH_SMTP_FALLBACK_USERNAME", "plant")
    variables.setenv("MASKWATCH_SMTP_FALLBACK_PASSWORD_FILE", str(tmp_path / "password"))

    first, fallback = environment.load(CheckSettings).smtp_servers

    assert (first.address, first.username) == ("smtp.example.org:587", "")
    assert (fallback.address, fallback.username) == ("backup.example.net:465", "plant")
    assert fallback.password.get_secret_value() == "secret"
    assert "secret" not in repr(fallback)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MASKWATCH_RECIPIENTS", ""),
        ("MASKWATCH_RECIPIENTS", "ann"),
        ("MASKWATCH_RECIPIENTS", "[1]"),
        ("MASKWATCH_RECIPIENTS", '["ann@example.org"'),
        ("MASKWATCH_RECIPIENTS", "ann@example.org\r\nBcc: all@example.org"),
        ("MASKWATCH_SENDER", "<i>Maskwatch</i> <alerts@example.org>"),
        ("MASKWATCH_SMTP_HOST", ""),
        ("MASKWATCH_SMTP_HOST", "smtp example"),
        ("MASKWATCH_SMTP_TLS", "ssl3"),
        ("MASKWATCH_SMTP_CONNECTIONS", "0"),
        ("MASKWATCH_SMTP_PASSWORD", "secret"),
        ("MASKWATCH_SMTP_FALLBACK_HOST", "backup example"),
        ("MASKWATCH_SMTP_FALLBACK_TLS", "ssl3"),
        ("MASKWATCH_SMTP_FALLBACK_USERNAME", "plant"),
        ("MASKWATCH_PICTURE_WAIT_S", "-1"),
        ("MASKWATCH_TIME_ZONE", "Mars/Olympus"),
        ("MASKWATCH_TIME_ZONE", "../../etc/passwd"),
        ("MASKWATCH_CONSOLE_URL", "javascript:alert(1)"),
        ("MASKWATCH_COOLDOWN_MINUTES", "-1"),
        ("MASKWATCH_UNKNOWN_REPEATS", "2"),
    ],
)
def test_senseless_value_is_refused_by_its_name(
    variables: pytest.MonkeyPatch, name: str, value: str
) -> None:
    variables.setenv(name, value)

    with pytest.raises(Misconfigured, match=name) as caught:
        environment.load(NotifierSettings)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(_REQUIRED))
def test_missing_variable_is_named(variables: pytest.MonkeyPatch, name: str) -> None:
    variables.delenv(name)

    with pytest.raises(Misconfigured, match=name):
        environment.load(NotifierSettings)
