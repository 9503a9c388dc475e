"""The app: `create_app()`, `gunicorn app:app`, `flask --app app …` and `python app.py`.

Importing this module builds nothing; the app is made when somebody asks for it, and no thread is started by that.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config import InvalidSettings, Settings, bind_problem, is_loopback
from log_lines import write_to_stderr
from models.domain.errors import HalfhourError

if TYPE_CHECKING:
    from flask import Flask

    from web import WebSettings

PROJECT = Path(__file__).resolve().parent


def create_app(settings: Settings | None = None) -> Flask:
    """Build the app on real adapters.

    Args:
        settings: Everything that can be set; without it the environment is read.

    Raises:
        InvalidSettings: If the environment cannot be used.
        HalfhourError: If the database or a folder cannot be used.
    """
    import cli
    import wiring
    from web import create_flask

    settings = settings or Settings.from_env()
    write_to_stderr(settings.log_level, settings.log_format)
    wired = wiring.wire(settings)
    app: Flask = create_flask(wired.services, _web_settings(settings))
    app.extensions["services"] = wired.services
    app.extensions[wiring.EXTENSION] = wired
    cli.register(app)
    return app


def _web_settings(settings: Settings) -> WebSettings:
    import wiring
    from web import WebSettings
    from wiring_sources import VERSION

    return WebSettings(
        secret_key=wiring.secret_key(settings),
        max_body_bytes=settings.max_body_bytes,
        rate_limit_per_minute=settings.rate_limit_per_minute,
        session_hours=settings.session_hours,
        https=settings.https,
        trusted_proxies=settings.trusted_proxies,
        allowed_hosts=tuple(settings.allowed_hosts),
        version=VERSION,
        logs_requests=settings.log_format == "json",
    )


def __getattr__(name: str) -> Any:
    """Make `app` when it is first asked for, as `gunicorn app:app` and `flask --app app` do."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        made = create_app()
    except InvalidSettings as error:
        sys.exit(str(error))
    globals()["app"] = made
    return made


def main() -> int:
    """Serve on the configured address, with the loop; return an exit status."""
    try:
        settings = Settings.from_env()
        problem = _start_problem(settings)
    except HalfhourError as error:
        problem = str(error)
    if problem:
        print(problem, file=sys.stderr)
        return 1
    address = f"http://{_host(settings)}:{settings.port}/"
    print(
        f"Halfhour answers at {address} - open it and press New job. Ctrl-C stops it.", flush=True
    )
    _serve()
    return 0


def _host(settings: Settings) -> str:
    return f"[{settings.bind}]" if ":" in settings.bind else settings.bind


def _start_problem(settings: Settings) -> str | None:
    """Return why the program cannot listen where it should, or None."""
    if not is_loopback(settings.bind):
        problem = bind_problem(settings.bind, has_keys=_has_keys(settings))
        if problem:
            return problem
    family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((settings.bind, settings.port))
        except OSError as error:
            return (
                f"cannot listen on {_host(settings)}:{settings.port} ({error.strerror}); "
                "stop what uses it, or set HALFHOUR_PORT to another port"
            )
    return None


def _has_keys(settings: Settings) -> bool:
    """Return whether a key exists in the settings or in the database."""
    import wiring

    if settings.api_keys:
        return True
    wired = wiring.wire(settings)
    try:
        return wired.services.keys_exist()
    finally:
        wired.close()


def _serve() -> None:
    """Hand over to gunicorn with one worker process; gunicorn.conf.py checks the address again and starts the loop."""
    from gunicorn.app.wsgiapp import WSGIApplication  # type: ignore[import-untyped]

    conf = str(PROJECT / "gunicorn.conf.py")
    sys.argv = ["gunicorn", "--config", conf, "--workers", "1", "--log-level", "warning", "app:app"]
    WSGIApplication("%(prog)s [OPTIONS] [APP_MODULE]").run()


if __name__ == "__main__":
    sys.exit(main())
