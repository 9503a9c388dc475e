"""What a workload may hold, and that everything hostile is refused by the name of its field."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from models.domain.errors import InvalidRequest
from models.domain.workload import (
    Resources,
    SecretRef,
    executor_of,
    read_workload,
    workload_digest,
)

PLAIN = {"command": ["python", "train.py"]}


def test_a_workload_is_read_with_its_defaults() -> None:
    work = read_workload({"command": ["python", "train.py", "--epochs", "3"]})
    assert work.command == ("python", "train.py", "--epochs", "3")
    assert (work.script, work.executor, work.working_dir) == (None, None, None)
    assert (work.copies, work.max_attempts, work.resources) == (1, 1, Resources())


def test_a_workload_is_read_with_everything() -> None:
    work = read_workload(
        {
            "executor": "slurm",
            "script": "#!/bin/bash -l\nmodule load cuda\n\tpython train.py\n",
            "resources": {"partition": "gpu", "gpus": 8, "gpu_type": "h100", "memory_mb": 64_000},
            "env": {"EPOCHS": "3", "HF_TOKEN": {"from_env": "HF_TOKEN"}},
            "working_dir": "/srv/train",
            "copies": 4,
            "max_attempts": 3,
            "retry_pause_minutes": 0,
        }
    )
    assert work.plain_env == {"EPOCHS": "3"}
    assert work.secrets == {"HF_TOKEN": SecretRef("HF_TOKEN")}
    assert (work.resources.gpus, work.resources.gpu_type, work.copies) == (8, "h100", 4)
    assert (work.max_attempts, work.retry_pause_minutes) == (3, 0)


def test_scratch_in_memory_is_a_folder_like_any_other() -> None:
    folder = "/dev/shm/ada/run"
    assert read_workload({**PLAIN, "working_dir": folder}).working_dir == folder


def test_pauses_double_up_to_a_day() -> None:
    work = read_workload({**PLAIN, "retry_pause_minutes": 60})
    pauses = [work.pause_after(failures) / timedelta(hours=1) for failures in range(1, 8)]
    assert pauses == [1, 2, 4, 8, 16, 24, 24]
    assert read_workload(PLAIN).pause_after(1) == timedelta(minutes=10)
    assert read_workload({**PLAIN, "retry_pause_minutes": 0}).pause_after(9) == timedelta(0)


HOSTILE: list[tuple[dict[str, Any], str]] = [
    ({}, "workload.command"),
    ({**PLAIN, "script": "echo"}, "workload.command"),
    ({"command": "python train.py; rm -rf /"}, "workload.command"),
    ({"command": []}, "workload.command"),
    ({"command": ["x"] * 257}, "workload.command"),
    ({"command": ["sh", "-c", "a\nb"]}, "workload.command.2"),
    ({"command": ["python", "a\x00b"]}, "workload.command.1"),
    ({"command": ["python", "a\rb"]}, "workload.command.1"),
    ({"command": ["python", "\x1b[2J"]}, "workload.command.1"),
    ({"command": ["python", "a\u2028b"]}, "workload.command.1"),
    ({"command": ["python", "\ud800"]}, "workload.command.1"),
    ({"command": ["--export=ALL", "x"]}, "workload.command.0"),
    ({"command": ["-rf"]}, "workload.command.0"),
    ({"command": ["~/evil"]}, "workload.command.0"),
    ({"command": ["  "]}, "workload.command.0"),
    ({"command": ["../../bin/sh"]}, "workload.command.0"),
    ({"command": ["/srv/../bin/sh"]}, "workload.command.0"),
    ({"command": ["python", 3]}, "workload.command.1"),
    ({"command": ["python", "x" * 4097]}, "workload.command.1"),
    ({"script": "#!/bin/bash\n#SBATCH --begin=now\necho"}, "workload.script"),
    ({"script": "  # SBATCH -p gpu\n"}, "workload.script"),
    ({"script": "#sbatch --uid=0"}, "workload.script"),
    ({"script": "#PBS -q x"}, "workload.script"),
    ({"script": "#BSUB -q x"}, "workload.script"),
    ({"script": "echo\x00"}, "workload.script"),
    ({"script": "echo\r\n"}, "workload.script"),
    ({"script": "   "}, "workload.script"),
    ({"script": 3}, "workload.script"),
    ({**PLAIN, "executor": "kubernetes"}, "workload.executor"),
    ({**PLAIN, "executor": "slurm; rm"}, "workload.executor"),
    ({**PLAIN, "env": {"LD_PRELOAD": "x.so"}}, "workload.env.LD_PRELOAD"),
    ({**PLAIN, "env": {"LD_LIBRARY_PATH": "/x"}}, "workload.env.LD_LIBRARY_PATH"),
    ({**PLAIN, "env": {"ld_preload": "x.so"}}, "workload.env.ld_preload"),
    ({**PLAIN, "env": {"DYLD_INSERT_LIBRARIES": "x"}}, "workload.env.DYLD_INSERT_LIBRARIES"),
    ({**PLAIN, "env": {"BASH_ENV": "x"}}, "workload.env.BASH_ENV"),
    ({**PLAIN, "env": {"BASH_FUNC_ls": "x"}}, "workload.env.BASH_FUNC_ls"),
    ({**PLAIN, "env": {"ENV": "x"}}, "workload.env.ENV"),
    ({**PLAIN, "env": {"IFS": "x"}}, "workload.env.IFS"),
    ({**PLAIN, "env": {"PS4": "$(id)"}}, "workload.env.PS4"),
    ({**PLAIN, "env": {"PROMPT_COMMAND": "id"}}, "workload.env.PROMPT_COMMAND"),
    ({**PLAIN, "env": {"PYTHONSTARTUP": "x"}}, "workload.env.PYTHONSTARTUP"),
    ({**PLAIN, "env": {"NODE_OPTIONS": "x"}}, "workload.env.NODE_OPTIONS"),
    ({**PLAIN, "env": {"PERL5OPT": "x"}}, "workload.env.PERL5OPT"),
    ({**PLAIN, "env": {"JAVA_TOOL_OPTIONS": "x"}}, "workload.env.JAVA_TOOL_OPTIONS"),
    ({**PLAIN, "env": {"GIT_SSH_COMMAND": "x"}}, "workload.env.GIT_SSH_COMMAND"),
    ({**PLAIN, "env": {"SBATCH_PARTITION": "x"}}, "workload.env.SBATCH_PARTITION"),
    ({**PLAIN, "env": {"SLURM_CONF": "/tmp/x"}}, "workload.env.SLURM_CONF"),
    ({**PLAIN, "env": {"HALFHOUR_SECRET_KEY": "x"}}, "workload.env.HALFHOUR_SECRET_KEY"),
    ({**PLAIN, "env": {"A B": "x"}}, "workload.env"),
    ({**PLAIN, "env": {"A=B": "x"}}, "workload.env"),
    ({**PLAIN, "env": {"A,ALL": "x"}}, "workload.env"),
    ({**PLAIN, "env": {"1A": "x"}}, "workload.env"),
    ({**PLAIN, "env": {"": "x"}}, "workload.env"),
    ({**PLAIN, "env": {"A": "x\ny"}}, "workload.env.A"),
    ({**PLAIN, "env": {"A": "x\x00y"}}, "workload.env.A"),
    ({**PLAIN, "env": {"A": 3}}, "workload.env.A"),
    ({**PLAIN, "env": {"A": None}}, "workload.env.A"),
    ({**PLAIN, "env": {"A": {"from_file": "/etc/shadow"}}}, "workload.env.A"),
    ({**PLAIN, "env": {"A": {"from_env": "X; id"}}}, "workload.env.A"),
    ({**PLAIN, "env": {"A": {"from_env": "X", "also": 1}}}, "workload.env.A"),
    ({**PLAIN, "env": {"HF_TOKEN": "hf_clear"}}, "workload.env.HF_TOKEN"),
    ({**PLAIN, "env": {"db_password": "clear"}}, "workload.env.db_password"),
    ({**PLAIN, "env": {"AWS_SECRET_ACCESS_KEY": "c"}}, "workload.env.AWS_SECRET_ACCESS_KEY"),
    ({**PLAIN, "env": ["A=1"]}, "workload.env"),
    ({**PLAIN, "env": {f"A{n}": "x" for n in range(101)}}, "workload.env"),
    ({**PLAIN, "working_dir": "relative/path"}, "workload.working_dir"),
    ({**PLAIN, "working_dir": "/srv/../etc"}, "workload.working_dir"),
    ({**PLAIN, "working_dir": "/srv/./x"}, "workload.working_dir"),
    ({**PLAIN, "working_dir": "//server/share"}, "workload.working_dir"),
    ({**PLAIN, "working_dir": "/srv\n/x"}, "workload.working_dir"),
    ({**PLAIN, "working_dir": "/srv\x00"}, "workload.working_dir"),
    ({**PLAIN, "working_dir": "/proc/self"}, "workload.working_dir"),
    ({**PLAIN, "working_dir": "/dev"}, "workload.working_dir"),
    ({**PLAIN, "working_dir": "/dev/shmx"}, "workload.working_dir"),
    ({**PLAIN, "working_dir": "/" + "x" * 1024}, "workload.working_dir"),
    ({**PLAIN, "working_dir": 3}, "workload.working_dir"),
    ({**PLAIN, "resources": {"partition": "gpu --uid=0"}}, "workload.resources.partition"),
    ({**PLAIN, "resources": {"partition": "-p"}}, "workload.resources.partition"),
    ({**PLAIN, "resources": {"account": "a\n#SBATCH"}}, "workload.resources.account"),
    ({**PLAIN, "resources": {"constraint": "$(id)"}}, "workload.resources.constraint"),
    ({**PLAIN, "resources": {"gpu_type": "h100:9"}}, "workload.resources.gpu_type"),
    ({**PLAIN, "resources": {"gpu_type": "h100"}}, "workload.resources.gpus"),
    ({**PLAIN, "resources": {"gpus": "8"}}, "workload.resources.gpus"),
    ({**PLAIN, "resources": {"gpus": True}}, "workload.resources.gpus"),
    ({**PLAIN, "resources": {"gpus": -1}}, "workload.resources.gpus"),
    ({**PLAIN, "resources": {"nodes": 1e9}}, "workload.resources.nodes"),
    ({**PLAIN, "resources": {"uid": 0}}, "workload.resources.uid"),
    ({**PLAIN, "resources": "gpu"}, "workload.resources"),
    ({**PLAIN, "copies": 0}, "workload.copies"),
    ({**PLAIN, "copies": 1001}, "workload.copies"),
    ({**PLAIN, "max_attempts": 11}, "workload.max_attempts"),
    ({**PLAIN, "retry_pause_minutes": -1}, "workload.retry_pause_minutes"),
    ({**PLAIN, "retry_pause_minutes": 1441}, "workload.retry_pause_minutes"),
    ({**PLAIN, "retry_pause_minutes": "10"}, "workload.retry_pause_minutes"),
    ({**PLAIN, "comment": "halfhour:other"}, "workload.comment"),
]


@pytest.mark.parametrize(("raw", "field"), HOSTILE, ids=[f"{n}" for n in range(len(HOSTILE))])
def test_a_hostile_or_senseless_workload_is_refused_by_its_field(
    raw: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_workload(raw)
    assert field in [error.field for error in caught.value.fields]
    assert all(error.allowed for error in caught.value.fields)


def test_no_message_repeats_a_value_of_the_environment() -> None:
    secret = "hunter2-hunter2"
    for env in (
        {"TOKEN": secret},
        {"LD_PRELOAD": secret},
        {"A": secret + "\n"},
        {"SLURM_X": secret},
    ):
        with pytest.raises(InvalidRequest) as caught:
            read_workload({**PLAIN, "env": env})
        assert secret not in str(caught.value)
        assert secret not in repr(caught.value.fields)


def test_every_wrong_field_is_named_at_once() -> None:
    raw = {"command": ["-x"], "working_dir": "x", "resources": {"gpus": 0}, "copies": 0}
    with pytest.raises(InvalidRequest) as caught:
        read_workload(raw)
    assert {error.field for error in caught.value.fields} == {
        "workload.command.0",
        "workload.working_dir",
        "workload.resources.gpus",
        "workload.copies",
    }


def test_the_workload_names_its_executor_else_the_asset_does_else_it_is_a_dry_run() -> None:
    assert executor_of({**PLAIN, "executor": "local"}, "slurm") == "local"
    assert executor_of(PLAIN, "slurm") == "slurm"
    assert executor_of(PLAIN, None) == "dry_run"
    assert executor_of(None, "slurm") is None


def test_a_digest_tells_workloads_apart_whatever_the_order_of_their_fields() -> None:
    one = {"command": ["a"], "env": {"B": "1", "C": "2"}}
    same = {"env": {"C": "2", "B": "1"}, "command": ["a"]}
    assert workload_digest(one) == workload_digest(same)
    assert workload_digest(one) != workload_digest({"command": ["b"]})
