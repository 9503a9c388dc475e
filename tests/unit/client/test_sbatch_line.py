"""An sbatch command line, read as a workload."""

from __future__ import annotations

import pytest

from client.sbatch_line import BadLine, work_of
from models.domain.workload import read_workload

SCRIPT = """#!/bin/bash
# a comment
#SBATCH --job-name=resnet --time=1-12:00:00
#SBATCH -p gpu  # the fast one
#SBATCH --gres=gpu:a100:8
#SBATCH --output=out.%j

module load cuda
#SBATCH --nodes=9
python train.py "$1"
"""


def read(line: str, script: str = SCRIPT):
    return work_of(line.split(), lambda _path: script, "/srv/ada")


def test_directives_become_resources_and_end_at_the_first_command() -> None:
    work = read("sbatch train.sh")
    assert work.workload["resources"] == {
        "time_limit_minutes": 36 * 60, "partition": "gpu", "gpus": 8, "gpu_type": "a100",
    }  # fmt: skip
    assert (work.job_name, work.hours, work.left_out) == ("resnet", 36.0, ["--output"])
    assert work.workload["working_dir"] == "/srv/ada"


def test_the_command_line_beats_the_script() -> None:
    work = read("sbatch -J other -t 90 --partition cpu -c4 -D /srv/x train.sh")
    assert (work.job_name, work.hours) == ("other", 1.5)
    assert work.workload["resources"]["partition"] == "cpu"
    assert work.workload["resources"]["cpus_per_task"] == 4
    assert work.workload["working_dir"] == "/srv/x"


def test_no_directive_is_left_for_a_batch_system_to_obey() -> None:
    script = SCRIPT + " # pbs -l nodes=2\n#BSUB -n 4\n"
    work = read("sbatch train.sh", script)
    assert work.workload["script"].count("\n") == script.count("\n"), "lines keep their numbers"
    read_workload(work.workload)  # accepts it; directives would be refused


def test_arguments_of_a_script_are_set_without_a_chance_to_become_commands() -> None:
    work = work_of(["sbatch", "train.sh", "a b", "$(reboot)"], lambda _: SCRIPT, "/")
    assert work.workload["script"].splitlines()[1] == "set -- 'a b' '$(reboot)'"


def test_arguments_for_other_than_a_shell_are_refused() -> None:
    with pytest.raises(BadLine, match="run the program itself"):
        read("sbatch train.py 3", "#!/usr/bin/env python3\nprint(1)\n")
    assert read("sbatch train.py", "#!/usr/bin/env python3\nprint(1)\n").workload["script"]


@pytest.mark.parametrize(
    ("written", "minutes"),
    [("30", 30), ("1:30", 2), ("2:00:00", 120), ("1-0", 1440), ("1-2:30", 1590), ("0-0:0:61", 2)],
)
def test_time_limits_are_read_as_slurm_reads_them(written: str, minutes: int) -> None:
    # sbatch(1): minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes, …; rounded up.
    work = read(f"sbatch -t {written} x.sh", "true\n")
    assert work.workload["resources"]["time_limit_minutes"] == minutes


@pytest.mark.parametrize(
    ("written", "megabytes"), [("500", 500), ("64G", 65536), ("512K", 1), ("2T", 2 * 1024 * 1024)]
)
def test_memory_is_in_megabytes(written: str, megabytes: int) -> None:
    assert read(f"sbatch --mem={written} x.sh", "true\n").workload["resources"] == {
        "memory_mb": megabytes
    }


def test_arrays_from_0_are_copies_and_variables_are_passed_on() -> None:
    work = read("sbatch --array=0-3 --export=NONE,EPOCHS=3 x.sh", "true\n")
    assert (work.workload["copies"], work.workload["env"]) == (4, {"EPOCHS": "3"})


def test_wrap_and_plain_programs_need_no_script() -> None:
    work = work_of(["sbatch", "--wrap", "date; hostname"], lambda _: "", "/")
    assert work.workload["script"] == "date; hostname\n"
    assert work_of(["python", "-x", "t.py"], lambda _: "", "/").workload["command"] == [
        "python", "-x", "t.py",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        "", "sbatch", "sbatch --begin=now x.sh", "sbatch -d afterok:3 x.sh", "sbatch --array=1-4%2 x.sh",
        "sbatch --nodes=2-4 x.sh", "sbatch --time=UNLIMITED x.sh", "sbatch --time=0 x.sh", "sbatch --mem=lots x.sh",
        "sbatch --export=ALL x.sh", "sbatch --reservation=root x.sh", "sbatch --gres=lic:2 x.sh",
        "sbatch --nodes=2 --gpus=4 x.sh", "sbatch --wrap=date x.sh", "sbatch --uid=0 x.sh", "sbatch -H x.sh", "sbatch -p",
    ],
)  # fmt: skip
def test_what_cannot_be_passed_on_is_refused_with_a_sentence(line: str) -> None:
    with pytest.raises(BadLine, match=r"\w+ \w+"):
        read(line, "true\n")
