from pathlib import Path

import pytest
from edge_detector.web.settings import WebSettings
from maskwatch_runtime import settings as environment
from maskwatch_runtime.errors import Misconfigured


def test_nothing_is_served_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOKEN", "TOKEN_FILE", "OPEN"):
        monkeypatch.delenv(f"MASKWATCH_WEB_{name}", raising=False)

    assert not environment.load(WebSettings).is_web_on


def test_token_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-token-of-sixteen\n", encoding="utf-8")
    monkeypatch.setenv("MASKWATCH_WEB_TOKEN_FILE", str(tmp_path / "token"))

    settings = environment.load(WebSettings)

    assert settings.is_web_on
    assert settings.web_token is not None
    assert settings.web_token.get_secret_value() == "a-token-of-sixteen"
    assert "a-token" not in repr(settings)


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"WEB_TOKEN": "short"}, "WEB_TOKEN needs at least 16"),
        ({"WEB_TOKEN": "sixteen or more ä"}, "ASCII"),
        ({"WEB_TOKEN": "a-token-of-sixteen", "WEB_OPEN": "true"}, "set one of the two"),
        ({"WEB_OPEN": "true", "WEB_HOST": "0.0.0.0"}, "WEB_HOST must be 127.0.0.1"),
        ({"WEB_TLS_KEY": "key.pem"}, "set together"),
        ({"PREDICT_WORKERS": "0"}, "MASKWATCH_PREDICT_WORKERS"),
    ],
)
def test_senseless_settings_are_refused_by_name(
    variables: dict[str, str], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"MASKWATCH_{name}", value)

    with pytest.raises(Misconfigured, match=reason) as refused:
        environment.load(WebSettings)

    assert "short" not in str(refused.value)
