from pathlib import Path
from typing import Self

from maskwatch_runtime.settings import ServiceSettings
from pydantic import Field, SecretStr, model_validator

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_TOKEN_LENGTH_MIN = 16


class WebSettings(ServiceSettings):
    """The web server's settings: nothing is served unless a token is set, or nobody is asked."""

    web_host: str = "127.0.0.1"
    web_port: int = Field(default=8000, ge=0, le=65_535, description="0 picks a free port")
    web_token: SecretStr | None = None
    web_open: bool = Field(default=False, description="no token is asked for; loopback only")
    web_session_h: float = Field(default=12.0, gt=0, le=720)
    web_tls_certificate: Path | None = None
    web_tls_key: Path | None = None
    web_picture_width_px: int = Field(default=640, ge=160, le=1920)

    predict_workers: int = Field(default=1, ge=1, le=64)
    predict_queue_max: int = Field(default=16, ge=1, le=1000)
    predict_body_bytes_max: int = Field(default=16 * 1024 * 1024, ge=65_536, le=256 * 1024 * 1024)
    predict_body_s: float = Field(default=20.0, gt=0, le=300)

    @model_validator(mode="after")
    def _check_web(self) -> Self:
        token = self.web_token
        if token is not None and self.web_open:
            raise ValueError("WEB_OPEN asks nobody for the WEB_TOKEN: set one of the two")
        if token is not None and len(token.get_secret_value()) < _TOKEN_LENGTH_MIN:
            raise ValueError(f"WEB_TOKEN needs at least {_TOKEN_LENGTH_MIN} characters")
        if token is not None and not token.get_secret_value().isascii():
            raise ValueError("WEB_TOKEN may hold ASCII characters only")
        if self.web_open and self.web_host not in _LOOPBACK:
            raise ValueError("WEB_OPEN is for this machine alone: WEB_HOST must be 127.0.0.1")
        if (self.web_tls_certificate is None) != (self.web_tls_key is None):
            raise ValueError("WEB_TLS_CERTIFICATE and WEB_TLS_KEY are set together or not at all")
        return self

    @property
    def is_web_on(self) -> bool:
        """Whether anything is served at all."""
        return self.web_token is not None or self.web_open
