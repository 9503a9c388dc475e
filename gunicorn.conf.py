"""How gunicorn serves the app: where it listens, with how many workers, and the loop in each of them.

    gunicorn -c gunicorn.conf.py app:app

Listening beyond loopback without any API key is refused, also when the address comes from gunicorn's own `--bind`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

_PROJECT = Path(__file__).resolve().parent
sys.path.insert(0, str(_PROJECT))

from config import InvalidSettings, Settings, bind_problem, is_loopback  # noqa: E402

try:
    _settings = Settings.from_env()
except InvalidSettings as error:
    sys.exit(str(error))

_host = f"[{_settings.bind}]" if ":" in _settings.bind else _settings.bind

bind = [f"{_host}:{_settings.port}"]
workers = _settings.web_workers
worker_class = "gthread"
threads = _settings.web_threads
timeout = 120
graceful_timeout = 30
keepalive = 5
loglevel = _settings.log_level.lower()
accesslog = None
control_socket_disable = True
proc_name = "halfhour"

_ASK_FOR_KEYS = """
import sys
from app import create_app
sys.exit(0 if create_app().extensions["services"].keys_exist() else 3)
"""


def _database_has_keys() -> bool:
    """Ask the database in a process of its own: a connection must not be carried into the workers."""
    asked = subprocess.run([sys.executable, "-c", _ASK_FOR_KEYS], cwd=_PROJECT, check=False)  # noqa: S603
    if asked.returncode not in (0, 3):
        sys.exit("cannot tell whether an API key exists, see the error above; not listening")
    return asked.returncode == 0


def on_starting(server: Any) -> None:
    """Refuse addresses that strangers can reach while nobody needs a key."""
    hosts = [address[0] for address in server.cfg.address if isinstance(address, tuple)]
    if all(is_loopback(host) for host in hosts):
        return
    has_keys = bool(_settings.api_keys) or _database_has_keys()
    for host in hosts:
        problem = bind_problem(host, has_keys=has_keys)
        if problem:
            sys.exit(problem)


def post_worker_init(worker: Any) -> None:
    """Start the planning loop; the lease in the database lets one process work at a time."""
    from wiring import start_loop

    start_loop(worker.wsgi)
