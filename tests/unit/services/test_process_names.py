"""Names of processes in leases, and telling which of them have ended."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from services.process_names import is_gone, process_name

HOST = socket.gethostname()


def test_names_differ_and_this_process_is_there() -> None:
    first, second = process_name(), process_name()
    assert first != second
    assert not is_gone(first)
    assert not is_gone(f"{first}:a-negotiation")


def test_a_process_that_has_ended_is_gone_and_so_is_one_nobody_took_note_of() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    while ended.poll() is None:
        pass
    assert is_gone(f"{HOST}-{ended.pid}-0123abcd")
    child = os.fork()
    if child == 0:
        os._exit(0)
    # The child's end is not collected yet, so its number still exists.
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    try:
        assert is_gone(f"{HOST}-{child}-0123abcd:plan")
    finally:
        os.waitpid(child, 0)


def test_a_process_of_another_machine_or_of_another_making_counts_as_there() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not is_gone(f"elsewhere-{ended.pid}-0123abcd")
    assert not is_gone(f"{HOST}-{ended.pid}")
    assert not is_gone("process")
