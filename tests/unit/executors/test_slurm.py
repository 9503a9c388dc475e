"""What the Slurm executor makes of what its commands say, with a cluster that answers from a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from executors.commands import Said
from executors.slurm import SlurmExecutor, SlurmSettings
from models.domain.errors import ExecutorFailed
from models.domain.execution import WorkOrder
from models.domain.workload import read_workload

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RUN = "0f" * 16
DONE = Said(0, "", "")


class Script:
    """A `Runner` that answers each command with what a test wrote for it."""

    def __init__(self, **answers: Said) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(
        self, command: Sequence[str], *, text: str = "", env: Mapping[str, str] | None = None
    ) -> Said:
        self.asked.append(" ".join(command[:2]))
        return self.answers.get(command[0], DONE)


def slurm(folder: Path, script: Script) -> SlurmExecutor:
    settings = SlurmSettings(folder, ZoneInfo("UTC"), 5.0)
    return SlurmExecutor(settings, script, lambda _owner, _name: None, system_now=lambda: NOON)


def refused(folder: Path, says: str, code: int = 1) -> ExecutorFailed:
    """Return what is made of a submission that sbatch did not take."""
    order = WorkOrder(RUN, "j", "local", read_workload({"command": ["true"]}), NOON, HOUR, 2 * HOUR)
    with pytest.raises(ExecutorFailed) as caught:
        slurm(folder, Script(sbatch=Said(code, "", says))).hand_over(order)
    return caught.value


@pytest.mark.parametrize(
    "says",
    [
        "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified",
        "sbatch: error: Batch job submission failed: Invalid partition name specified",
        "sbatch: error: Batch job submission failed: Requested node configuration is not available",
    ],
)
def test_what_would_be_refused_again_is_refused_for_good(tmp_path: Path, says: str) -> None:
    error = refused(tmp_path, says)
    assert (error.is_final, error.may_have_acted) == (True, False)


@pytest.mark.parametrize(
    "says",
    [
        "sbatch: error: Batch job submission failed: Required partition not available (inactive or drain)",
        "sbatch: error: Batch job submission failed: Required node not available (down, drained or reserved)",
        "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit)",
    ],
)
def test_what_passes_is_tried_again(tmp_path: Path, says: str) -> None:
    error = refused(tmp_path, says)
    assert (error.is_final, error.may_have_acted) == (False, False)


@pytest.mark.parametrize(
    ("says", "code"),
    [
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", 1),
        ("sbatch: error: something nobody has seen before", 1),
        ("", -9),
    ],
)
def test_a_submission_that_failed_otherwise_may_have_been_taken(
    tmp_path: Path, says: str, code: int
) -> None:
    error = refused(tmp_path, says, code)
    assert (error.is_final, error.may_have_acted) == (False, True)


def test_a_held_job_is_released_when_it_is_moved_or_the_move_failed(tmp_path: Path) -> None:
    held = f"7|7|PENDING|N/A|N/A|JobHeldUser|halfhour-{RUN}|halfhour:{RUN}"
    script = Script(squeue=Said(0, held, ""))
    slurm(tmp_path, script).move("7", NOON)
    assert script.asked == ["scontrol update", "squeue --noheader", "scontrol release"]
    mute = Script(squeue=Said(1, "", "slurm_load_jobs error: Unable to contact slurm controller"))
    with pytest.raises(ExecutorFailed):
        slurm(tmp_path, mute).move("7", NOON)


def test_times_in_another_form_are_the_executors_failure_and_not_ours(tmp_path: Path) -> None:
    line = f"7|7|RUNNING|Sat 21 Nov 12:00|N/A|None|halfhour-{RUN}|halfhour:{RUN}"
    with pytest.raises(ExecutorFailed, match="SLURM_TIME_FORMAT"):
        slurm(tmp_path, Script(squeue=Said(0, line, ""))).find({RUN: "7"})
