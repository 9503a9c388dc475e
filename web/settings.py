"""What the HTTP edge needs to know; `app.py` fills it from `config.Settings`."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Settings of the HTTP edge; the defaults are those of a program on loopback."""

    secret_key: str = field(repr=False)
    """Signs and seals session cookies; at least 16 characters."""
    max_body_bytes: int = 1_048_576
    """Largest request body taken; a larger one is answered 413. [B]"""
    drain_bytes: int = 16_777_216
    """How much of a refused body is read before the answer, so that the client sees it. [B]"""
    rate_limit_per_minute: int = 6000
    """Requests one key, or one address without a key, may make in a minute; 0 switches the limit off. [1/min]"""
    failed_keys_per_minute: int = 20
    """Wrong keys one address may present in a minute; 0 switches the limit off. [1/min]"""
    session_hours: float = 12.0
    """How long a sign-in lasts. [h]"""
    https: bool = False
    """Served over TLS only: cookies are marked `Secure` and HSTS is sent."""
    trusted_proxies: int = 0
    """How many reverse proxies in front may set `X-Forwarded-*`; 0: none is believed."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names answered to where keys exist; empty: any. Without keys only loopback names are."""
    api_docs: bool = True
    """Whether `/api/openapi.json` and `/api/docs` are served."""
    logs_requests: bool = False
    """Whether each answered request is a line of the log, as machines that read it want."""
    version: str = "0.1.0"
    """Version of the program, shown by `/health` and in the API description."""

    def __post_init__(self) -> None:
        """Refuse a secret that can be guessed; that is our own mistake and stops the program."""
        if len(self.secret_key) < 16:
            raise ValueError("the secret key of the web edge must have at least 16 characters")
