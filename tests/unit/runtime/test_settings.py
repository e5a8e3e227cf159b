from pathlib import Path

import pytest
from maskwatch_runtime import settings
from maskwatch_runtime.errors import Misconfigured
from maskwatch_runtime.settings import KafkaSettings, PostgresSettings


class _Settings(KafkaSettings, PostgresSettings):
    pass


_COMPLETE = {
    "MASKWATCH_KAFKA_BOOTSTRAP": "127.0.0.1:9092",
    "MASKWATCH_POSTGRES_HOST": "127.0.0.1",
    "MASKWATCH_POSTGRES_USER": "ingress",
    "MASKWATCH_POSTGRES_PASSWORD": "s3cret",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in _COMPLETE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_complete_environment_is_accepted_with_defaults(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("MASKWATCH_SHUTDOWN_S", "3.5")

    loaded = settings.load(_Settings)

    assert loaded.kafka_bootstrap == "127.0.0.1:9092"
    assert loaded.shutdown_s == 3.5
    assert loaded.postgres_port == 5432


@pytest.mark.parametrize("missing", sorted(_COMPLETE))
def test_missing_variable_is_named(environment: pytest.MonkeyPatch, missing: str) -> None:
    environment.delenv(missing)

    with pytest.raises(Misconfigured, match=missing):
        settings.load(_Settings)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MASKWATCH_SHUTDOWN_S", "-1"),
        ("MASKWATCH_SHUTDOWN_S", "soon"),
        ("MASKWATCH_ADMIN_PORT", "70000"),
        ("MASKWATCH_LOG_LEVEL", "loud"),
        ("MASKWATCH_KAFKA_BOOTSTRAP", ""),
        ("MASKWATCH_KAFKA_SECURITY_PROTOCOL", "TLS"),
    ],
)
def test_senseless_value_is_refused_with_the_variables_name(
    environment: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    environment.setenv(variable, value)

    with pytest.raises(Misconfigured, match=variable):
        settings.load(_Settings)


def test_secret_comes_from_the_file_that_is_named(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.delenv("MASKWATCH_POSTGRES_PASSWORD")
    (tmp_path / "password").write_text("from a file\n")
    environment.setenv("MASKWATCH_POSTGRES_PASSWORD_FILE", str(tmp_path / "password"))

    assert settings.load(_Settings).postgres_password.get_secret_value() == "from a file"


def test_unreadable_secret_file_is_refused_with_the_variables_name(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("MASKWATCH_POSTGRES_PASSWORD_FILE", str(tmp_path / "absent"))

    with pytest.raises(Misconfigured, match="MASKWATCH_POSTGRES_PASSWORD_FILE"):
        settings.load(_Settings)


def test_error_about_other_variables_does_not_show_a_secret(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("MASKWATCH_POSTGRES_PORT", "none")

    with pytest.raises(Misconfigured) as refusal:
        settings.load(_Settings)

    assert "s3cret" not in str(refusal.value)


def test_secret_is_not_in_the_settings_representation(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("MASKWATCH_LOG_LEVEL", "debug")

    assert "s3cret" not in repr(settings.load(_Settings))
