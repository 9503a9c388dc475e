"""How many discoveries a second are acknowledged with many windows on offer, and how far the outbox lags meanwhile.

The program runs as a user runs it, under gunicorn with its loop, on a simulated grid and with enough clusters for the
asked number of windows: with `--workers 1` by `python app.py`, else as the container does. A peer on this machine
sends `discover` messages with one of twenty filters, signed before, at a steady pace over several connections, and
takes the callbacks in a process of its own; all of it shares the cores. A wait counts from when a message was due.

    python -m benchmarks.beckn [--windows 10000] [--per-second 200] [--seconds 20] [--runs 5] [--workers 2]
"""

from __future__ import annotations

import argparse
import http.client
import http.server
import json
import multiprocessing
import os
import queue
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import uuid4

from beckn import keys, signing
from benchmarks.process import environment, free_port, serving
from benchmarks.shared import show_table

BAR_MS = 100.0
"""Longest p95 from sending a message to its ACK. [ms]"""

WINDOWS_PER_CLUSTER = 270
"""About as many windows one empty cluster offers in 48 hours."""

SENDERS = 16


class Callbacks(http.server.BaseHTTPRequestHandler):
    """Takes callbacks and notes when each came."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one piece
    came: dict[str, float] = {}
    twice: list[str] = []

    def do_POST(self) -> None:  # noqa: D102
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        ident = raw.split(b'"messageId":"', 1)[1][:36].decode()
        if ident in self.came:
            self.twice.append(ident)
        self.came[ident] = time.perf_counter()
        answer = json.dumps({"message": {"status": "ACK", "messageId": ident}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002, D102
        del format, args


class Receiver:
    """A process of its own that takes callbacks, so that those who send do not wait for it."""

    def __init__(self, port: int) -> None:
        """Start to listen on this machine."""
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_receive, args=(port, theirs), daemon=True)
        self._process.start()
        self._pipe.recv()

    def came(self) -> tuple[dict[str, float], int]:
        """Return when each callback came, by message id, and how many came twice."""
        self._pipe.send("came")
        found: tuple[dict[str, float], int] = self._pipe.recv()
        return found

    def close(self) -> None:
        """Stop listening."""
        self._process.terminate()
        self._process.join()


def _receive(port: int, pipe: Connection) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Callbacks)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pipe.send("listening")
    while pipe.recv():
        pipe.send((dict(Callbacks.came), len(Callbacks.twice)))


def message(bap: str, bap_url: str, number: int) -> tuple[str, bytes]:
    """Return a discovery with one of twenty filters, and its id."""
    ident = str(uuid4())
    context = {
        "version": "2.0.0", "action": "discover", "bapId": bap, "bapUri": bap_url,
        "transactionId": str(uuid4()), "messageId": ident,
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "ttl": "PT60S",
    }  # fmt: skip
    expression = f"$.resources[?(@.resourceAttributes.capacityKw >= {number % 20})]"
    intent = {"filters": {"type": "jsonpath", "expression": expression}}
    return ident, json.dumps({"context": context, "message": {"intent": intent}}).encode()


def fill(port: int, windows: int) -> int:
    """Register clusters for about as many windows; return how many clusters."""
    regions = ("london", "yorkshire", "south_scotland", "south_wales", "east_england")
    count = max(1, -(-windows // WINDOWS_PER_CLUSTER))
    for k in range(count):
        body = {"asset_id": f"hall-{k}", "region": regions[k % 5], "max_power_kw": 100 + k}
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/assets", json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )  # fmt: skip
        urllib.request.urlopen(request, timeout=30).close()
    return count


@dataclass(frozen=True)
class Prepared:
    """A signed message and when it is due."""

    ident: str
    raw: bytes
    header: str
    after_s: float
    """Since the beginning. [s]"""


def send(
    port: int,
    begun: float,
    todo: queue.Queue[Prepared | None],
    told: list[tuple[str, float, float, int]],
) -> None:
    """Send messages at their times over one connection; note id, when it was due, ACK time and status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    while (item := todo.get()) is not None:
        ident, raw, header, due = item.ident, item.raw, item.header, begun + item.after_s
        time.sleep(max(due - time.perf_counter(), 0))
        connection.request(
            "POST", "/beckn/discover", raw,
            {"Content-Type": "application/json", "Authorization": header},
        )  # fmt: skip
        answer = connection.getresponse()
        answer.read()
        told.append((ident, due, time.perf_counter(), answer.status))


@dataclass(frozen=True)
class Run:
    """What one run of the load took."""

    waits_ms: Sequence[float]
    """From when a message was due to its ACK, sorted. [ms]"""
    lags_s: Sequence[float]
    """From an ACK to its callback, sorted. [s]"""
    accepted: int
    took_s: float
    drained_s: float
    """Until the last callback had come. [s]"""
    cpu_s: float
    """Processor time of the program. [s]"""


def measure(
    folder: Path, windows: int, per_second: int, seconds: float, runs: int, workers: int
) -> list[Sequence[Any]]:
    """Run the load several times against one program and return the rows of the table."""
    peer_port, port = free_port(), free_port()
    seed, public = keys.generate()
    own_seed, own_public = keys.generate()
    url, own_url = f"http://127.0.0.1:{peer_port}/beckn", f"http://127.0.0.1:{port}/beckn"
    rows = [
        {"subscriber_id": "load.example", "url": url, "type": "BAP", "key_id": "k1",
         "signing_public_key": public, "status": "SUBSCRIBED"},
        {"subscriber_id": "flex.example", "url": own_url, "type": "BPP", "key_id": "k1",
         "signing_public_key": own_public, "status": "SUBSCRIBED"},
    ]  # fmt: skip
    registry = folder / "registry.json"
    registry.write_text(json.dumps(rows), encoding="utf-8")
    settings = {
        **environment(folder),
        "HALFHOUR_PORT": str(port),
        "HALFHOUR_BECKN_MESSAGES_PER_MINUTE": str(per_second * 120),  # counted, not reached
        "HALFHOUR_BECKN_SUBSCRIBER_ID": "flex.example",
        "HALFHOUR_BECKN_SUBSCRIBER_URL": own_url,
        "HALFHOUR_BECKN_KEY_ID": "k1",
        "HALFHOUR_BECKN_PRIVATE_KEY": own_seed,
        "HALFHOUR_BECKN_REGISTRY_FILE": str(registry),
        "HALFHOUR_BECKN_ALLOW_LOOPBACK": "1",
    }
    receiver = Receiver(peer_port)
    command = [sys.executable, "app.py"]
    if workers > 1:
        settings["HALFHOUR_WEB_WORKERS"] = str(workers)
        command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "app:app"]
    with serving(command, settings, port, "/health") as (process, _):
        clusters = fill(port, windows)
        signer = signing.Signer("load.example", "k1", keys.private_key(seed))
        _run(port, signer, url, 40, 10)
        made = []
        for _ in range(runs):
            time.sleep(5)
            count = int(per_second * seconds)
            made.append(_measured(port, process.pid, signer, url, receiver, count, per_second))
        _, twice = receiver.came()
    receiver.close()
    middle = statistics.median(_p95(run.waits_ms) for run in made)
    verdict = "kept" if middle <= BAR_MS else "MISSED"
    sent = sum(len(run.waits_ms) for run in made)
    return [
        ("clusters, windows on offer (about)", f"{clusters}, {clusters * WINDOWS_PER_CLUSTER:,}"),
        ("web processes", str(workers)),
        ("asked for", f"{per_second}/s for {seconds:g} s, {runs} times"),
        *(
            (
                f"run {n}: acknowledged; median, p95, worst to ACK; callbacks within",
                f"{run.accepted / run.took_s:.0f}/s; {_three(run.waits_ms, 'ms')}; {run.drained_s:.1f} s",
            )
            for n, run in enumerate(made, 1)
        ),
        ("acknowledged", f"{sum(run.accepted for run in made)} of {sent}"),
        (
            "callbacks that came",
            f"{sum(len(run.lags_s) for run in made)} of {sent}, {twice} twice",
        ),
        (
            "median, p95, worst lag of a callback",
            _three(sorted(lag for run in made for lag in run.lags_s), "s"),
        ),
        (
            "processor time of the program",
            f"{sum(run.cpu_s for run in made) / sent * 1000:.1f} ms per discovery",
        ),
        (
            "bar",
            f"p95 at most {BAR_MS:.0f} ms, median of the runs {middle:.1f} ms: {verdict}",
        ),
    ]


def _measured(
    port: int,
    pid: int,
    signer: signing.Signer,
    url: str,
    receiver: Receiver,
    count: int,
    per_second: int,
) -> Run:
    """Run the load once and wait for its callbacks."""
    used = cpu_seconds(pid)
    told = _run(port, signer, url, count, per_second)
    begun = min(due for _, due, _, _ in told)
    give_up_at = time.perf_counter() + 120
    wanted = {ident for ident, *_ in told}
    came, _ = receiver.came()
    while not wanted <= came.keys() and time.perf_counter() < give_up_at:
        time.sleep(0.1)
        came, _ = receiver.came()
    return Run(
        waits_ms=sorted((done - due) * 1000 for _, due, done, _ in told),
        lags_s=sorted(came[ident] - done for ident, _, done, _ in told if ident in came),
        accepted=sum(status == 200 for *_, status in told),
        took_s=max(done for *_, done, _ in told) - begun,
        drained_s=max((came[ident] for ident in wanted if ident in came), default=begun) - begun,
        cpu_s=cpu_seconds(pid) - used,
    )


def cpu_seconds(pid: int) -> float:
    """Return the processor time a process and those it started have used so far. [s]"""
    tick = os.sysconf("SC_CLK_TCK")
    times: dict[int, float] = {}
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        number = int(stat.parent.name)
        parents[number] = int(fields[1])
        times[number] = (int(fields[11]) + int(fields[12])) / tick
    family, before = {pid}, 0
    while len(family) > before:
        before = len(family)
        family |= {number for number, parent in parents.items() if parent in family}
    return sum(times.get(number, 0.0) for number in family)


def _run(
    port: int, signer: signing.Signer, url: str, count: int, per_second: int
) -> list[tuple[str, float, float, int]]:
    """Send messages at a steady pace; return id, when it was due, when its ACK came, and its status."""
    told: list[tuple[str, float, float, int]] = []
    todo: queue.Queue[Prepared | None] = queue.Queue()
    for k in range(count):  # signed before, so that only the program works while it is measured
        ident, raw = message(signer.subscriber_id, url, k)
        todo.put(Prepared(ident, raw, signer.header(raw, int(time.time())), k / per_second))
    begun = time.perf_counter() + 0.2
    for _ in range(SENDERS):
        todo.put(None)
    threads = [
        threading.Thread(target=send, args=(port, begun, todo, told)) for _ in range(SENDERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def _p95(values: Sequence[float]) -> float:
    return values[min(len(values) - 1, int(len(values) * 0.95))]


def _three(values: Sequence[float], unit: str) -> str:
    return f"{statistics.median(values):.1f}, {_p95(values):.1f}, {values[-1]:.1f} {unit}"


def main() -> int:
    """Measure, print the table, and exit 1 where the bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.beckn", description=__doc__)
    parser.add_argument("--windows", type=int, default=10_000)
    parser.add_argument("--per-second", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(
            Path(folder), asked.windows, asked.per_second, asked.seconds, asked.runs, asked.workers
        )
    show_table(("what", "measured"), rows)
    return int("MISSED" in rows[-1][1])


if __name__ == "__main__":
    sys.exit(main())
