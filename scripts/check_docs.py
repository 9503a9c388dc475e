"""Check the documentation: links lead somewhere, the settings page is current, marked examples work.

A `console` block after `<!-- run -->` is run as it stands; after `<!-- run: with the app -->` it is run against an app
that this script starts on a free port, with a simulated grid and a folder of its own.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = re.compile(
    r"<!-- run(?P<app>: with the app)? -->\n```console\n(?P<body>.*?)```", re.DOTALL
)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
PAGES_ADDRESS = "http://127.0.0.1:5000"
START_SECONDS = 60


@dataclass(frozen=True)
class Example:
    """One marked block."""

    page: Path
    script: str
    needs_app: bool


def pages() -> list[Path]:
    """Return every page of documentation."""
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def heading_anchors(text: str) -> set[str]:
    """Return the anchors that headings of a page make."""
    heads = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in heads}


def broken_links(page: Path) -> list[str]:
    """Return a sentence for each link of a page that leads nowhere in the project."""
    found = []
    for match in LINK.finditer(page.read_text(encoding="utf-8")):
        target, _, anchor = match["target"].partition("#")
        if re.match(r"[a-z]+:", match["target"]):
            continue
        there = (page.parent / target).resolve() if target else page
        if not there.exists():
            found.append(f"{page.relative_to(ROOT)}: {match['target']} does not exist")
        elif anchor and anchor not in heading_anchors(there.read_text(encoding="utf-8")):
            found.append(f"{page.relative_to(ROOT)}: {match['target']} has no such heading")
    return found


def examples() -> list[Example]:
    """Return the marked examples of all pages, in order."""
    found = []
    for page in pages():
        for match in EXAMPLE.finditer(page.read_text(encoding="utf-8")):
            lines = re.split(r"^\$ ", match["body"], flags=re.MULTILINE)[1:]
            found.append(Example(page, "\n".join(lines), match["app"] is not None))
    return found


def free_port() -> int:
    """Return a port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running_app(folder: Path) -> Iterator[str]:
    """Start the app in a folder of its own and yield its address; stop it afterwards."""
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HALFHOUR_")}
    environment |= {
        "HALFHOUR_PORT": str(port),
        "HALFHOUR_GRID_SOURCE": "simulated",
        "HALFHOUR_DATA_DIR": str(folder / "data"),
        "HALFHOUR_LOGS_DIR": str(folder / "logs"),
    }
    migrate = [sys.executable, "-m", "flask", "--app", "app", "db", "upgrade"]
    subprocess.run(migrate, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    with (folder / "app.log").open("w") as log:
        app = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
        try:
            wait_until_ready(f"http://127.0.0.1:{port}/ready", app)
            yield f"http://127.0.0.1:{port}"
        except RuntimeError:
            print((folder / "app.log").read_text(), file=sys.stderr)
            raise
        finally:
            app.terminate()
            app.wait(timeout=30)


def wait_until_ready(address: str, app: subprocess.Popen[bytes]) -> None:
    """Wait until an address answers 200.

    Raises:
        RuntimeError: If the app ends or is not ready in time.
    """
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and app.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(address, timeout=5).close()  # noqa: S310  # our own address
            return
        time.sleep(0.2)
    raise RuntimeError("the app did not become ready; its output follows")


def failure(example: Example, address: str | None) -> str | None:
    """Run an example; return what went wrong, or None."""
    script = example.script.replace(PAGES_ADDRESS, address) if address else example.script
    environment = dict(os.environ)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    shell = f'set -euo pipefail\ncurl() {{ command curl --fail-with-body "$@"; }}\n{script}'
    done = subprocess.run(
        ["bash", "-c", shell], cwd=ROOT, env=environment, check=False,
        capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode == 0:
        return None
    said = (done.stdout + done.stderr).strip()[-1500:]
    return f"{example.page.relative_to(ROOT)}: this example failed:\n{script}\n{said}"


def run_examples() -> list[str]:
    """Run every marked example; return what went wrong."""
    plain = [e for e in examples() if not e.needs_app]
    with_app = [e for e in examples() if e.needs_app]
    failed = [failure(example, None) for example in plain]
    if with_app:
        with tempfile.TemporaryDirectory() as folder, running_app(Path(folder)) as address:
            failed += [failure(example, address) for example in with_app]
    return [sentence for sentence in failed if sentence]


def stale_settings_page() -> list[str]:
    """Return a sentence if docs/configuration.md is not what `config.py` says."""
    command = [sys.executable, "-m", "config", "--markdown"]
    wanted = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    if page.strip() == wanted.strip():
        return []
    return ["docs/configuration.md is stale: python -m config --markdown > docs/configuration.md"]


def main() -> int:
    """Check everything; print what is wrong and return the exit status."""
    problems = [sentence for page in pages() for sentence in broken_links(page)]
    problems += stale_settings_page()
    problems += run_examples()
    for sentence in problems:
        print(sentence, file=sys.stderr)
    print(f"{len(pages())} pages, {len(examples())} examples, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
