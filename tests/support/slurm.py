"""A real Slurm cluster for tests: munge, slurmctld and slurmd of this machine on loopback, in a folder of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from executors.commands import CommandRunner
from executors.slurm import SlurmExecutor, SlurmSettings

PROGRAMS = ("sbatch", "squeue", "scontrol", "slurmctld", "slurmd", "munged")
START_TIMEOUT_SECONDS = 30.0

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={control_port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.sock
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=2
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/linux
MinJobAge={min_job_age}
{accounting}
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str | None:
    """Return why no cluster can be started here, or None."""
    missing = [name for name in PROGRAMS if _which(name) is None]
    if missing:
        return (
            f"needs Slurm: install slurm-wlm, slurmd, slurmctld and munge (no {', '.join(missing)})"
        )
    if os.geteuid() != 0:
        return "needs root to start slurmd and munged"
    return None


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@dataclass
class Cluster:
    """A running cluster."""

    folder: Path
    conf: Path

    @property
    def runs(self) -> Path:
        """Return the folder of notes and output."""
        return self.folder / "runs"

    def env(self, zone: str = "UTC") -> dict[str, str]:
        """Return the environment in which its commands work."""
        return {
            "PATH": f"{os.environ['PATH']}:/usr/sbin",
            "HOME": "/",
            "USER": "root",
            "LOGNAME": "root",
            "LANG": "C.UTF-8",
            "TZ": zone,
            "SLURM_CONF": str(self.conf),
        }

    def say(self, *command: str) -> str:
        """Run one of its commands and return what it prints."""
        done = subprocess.run(
            command, env=self.env(), capture_output=True, text=True, timeout=30, check=True
        )
        return done.stdout

    def executor(self, zone: str = "UTC", **secrets_by_name: str) -> SlurmExecutor:
        """Return our executor on it."""
        timeout = 20.0
        return SlurmExecutor(
            SlurmSettings(self.runs, ZoneInfo(zone), timeout),
            CommandRunner((), self.env(zone), timeout),
            lambda _owner, name: secrets_by_name.get(name),
        )

    def clear(self) -> None:
        """End every job."""
        self.say("scancel", "--user=root")

    def stop_control(self) -> None:
        """End slurmctld; it writes down what it knows, as on an orderly restart."""
        _kill(self.folder / "slurmctld.pid", signal.SIGTERM)

    def start_control(self) -> None:
        """Start slurmctld again."""
        _daemon("slurmctld", "-f", str(self.conf), env=self.env())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _daemon(*command: str, env: dict[str, str] | None = None) -> None:
    program = _which(command[0])
    assert program is not None
    subprocess.run(
        [program, *command[1:]],
        env=env,
        check=True,
        timeout=30,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@contextmanager
def running_cluster(
    *, cpus: int = 2, min_job_age: int = 600, accounting: str = ""
) -> Iterator[Cluster]:
    """Run a cluster of one node in a throw-away folder."""
    # munge refuses folders that others may write to, and paths of sockets must be short.
    folder = Path(tempfile.mkdtemp(prefix="hh-slurm-"))
    folder.chmod(0o755)
    try:
        for name in ("state", "spool", "run", "log", "runs"):
            (folder / name).mkdir()
        key = folder / "run" / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        shutil.chown(folder / "run", "munge")
        shutil.chown(key, "munge")
        host = socket.gethostname().partition(".")[0]
        conf = folder / "slurm.conf"
        conf.write_text(
            CONFIGURATION.format(
                host=host, folder=folder, control_port=_free_port(), node_port=_free_port(), cpus=cpus,
                min_job_age=min_job_age, accounting=accounting or "AccountingStorageType=accounting_storage/none",
            )
        )  # fmt: skip
        cluster = Cluster(folder, conf)
        try:
            _start(cluster, host)
            yield cluster
        finally:
            with suppress(subprocess.SubprocessError, OSError):
                cluster.clear()
            for name in ("slurmctld.pid", "slurmd.pid", "run/munged.pid"):
                _kill(folder / name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(cluster: Cluster, host: str) -> None:
    run = cluster.folder / "run"
    munged = _which("munged")
    assert munged is not None
    subprocess.run(
        [
            munged, f"--key-file={run}/munge.key", f"--socket={run}/munge.sock", f"--pid-file={run}/munged.pid",
            f"--log-file={run}/munged.log", f"--seed-file={run}/munged.seed", "--force",
        ],
        user="munge", group="munge", extra_groups=[], check=True, timeout=30, cwd=run,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    cluster.start_control()
    _daemon("slurmd", "-f", str(cluster.conf), "-N", host, env=cluster.env())
    give_up_at = time.monotonic() + START_TIMEOUT_SECONDS
    while True:
        with suppress(subprocess.SubprocessError):
            if cluster.say("sinfo", "--noheader", "--format=%T").strip() == "idle":
                return
        if time.monotonic() > give_up_at:
            log = (cluster.folder / "log" / "slurmctld.log").read_text()[-2000:]
            raise AssertionError(f"the cluster did not come up: {log}")
        time.sleep(0.1)


def _kill(pid_file: Path, how: signal.Signals = signal.SIGKILL) -> None:
    """End the process named in a file and wait until it is gone."""
    with suppress(OSError, ValueError):
        pid = int(pid_file.read_text().strip())
        os.kill(pid, how)
        give_up_at = time.monotonic() + 10
        while time.monotonic() < give_up_at:
            os.kill(pid, 0)
            time.sleep(0.02)


@pytest.fixture(scope="session")
def slurm_cluster() -> Iterator[Cluster]:
    """Give a real cluster of one node that lives as long as the test session."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with running_cluster() as cluster:
        yield cluster
