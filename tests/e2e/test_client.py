"""The command-line client as one file against the running app, and `flask submit` beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from models.domain.access import Caller, Role
from scripts.pack_client import pack
from services.types import AssetDraft
from tests.support.running import closing_app, in_hours, served

pytestmark = pytest.mark.e2e

SCRIPT = "#!/bin/bash\n#SBATCH --time=2:00:00 -J resnet -c 4\necho trained\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, str, Path]]:
    folder = tmp_path_factory.mktemp("client")
    pack(folder / "halfhour")
    (folder / "train.sh").write_text(SCRIPT)
    with closing_app(folder) as app, served(app) as port:
        operator = Caller("local", Role.OPERATOR)
        app.extensions["services"].create_asset(
            operator, AssetDraft(region="london", max_power_kw=50.0, asset_id="hall")
        )
        yield app, f"http://127.0.0.1:{port}", folder


def halfhour(site: tuple[Flask, str, Path], *words: str, **env: str) -> tuple[int, str, str]:
    _, url, folder = site
    plain = {"PATH": os.environ["PATH"], "HH_URL": url, "HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, "-I", str(folder / "halfhour"), *words],
        cwd=folder, env={**plain, **env}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_a_day_with_the_client(site: tuple[Flask, str, Path]) -> None:
    code, said, _ = halfhour(site, "best-window", "london", "2", "--by", "+20h", "--kw", "3")
    assert (code, said.startswith("Start ")) == (0, True)
    code, said, _ = halfhour(
        site, "--json", "submit", "--kw", "3", "--by", "+20h", "--", "sbatch", "train.sh"
    )
    assert code == 0
    job = json.loads(said)
    assert (job["status"], job["job_name"], job["duration_hours"]) == ("scheduled", "resnet", 2.0)
    assert job["workload"]["resources"] == {"time_limit_minutes": 120, "cpus_per_task": 4}
    assert job["workload"]["working_dir"] == str(site[2])
    code, said, _ = halfhour(site, "status")
    assert (code, job["job_id"] in said) == (0, True)
    code, said, _ = halfhour(site, "explain", job["job_id"])
    assert (code, "chosen" in said) == (0, True)
    code, _, said = halfhour(site, "log", job["job_id"])
    assert (code, "was not handed to an executor" in said) == (1, True)
    code, said, _ = halfhour(site, "cancel", job["job_id"])
    assert (code, "cancelled" in said) == (0, True)
    code, said, _ = halfhour(site, "status", job["job_id"], "--watch")
    assert (code, "cancelled" in said) == (1, True)


def test_copies_a_table_and_a_routine(site: tuple[Flask, str, Path]) -> None:
    code, said, _ = halfhour(
        site, "submit", "--copies", "2", "--hours", "1", "--kw", "3", "--", "python", "t.py"
    )
    assert (code, said.count("scheduled")) == (0, 2)
    by = in_hours(20)
    rows = f"job_id,duration_hours,estimated_power_kw,latest_finish\nc1,1,3,{by}\nc2,2,3,{by}\n"
    (site[2] / "jobs.csv").write_text(rows)
    code, said, _ = halfhour(site, "import", "jobs.csv")
    assert (code, said.count("scheduled")) == (0, 2)
    code, _, said = halfhour(site, "import", "jobs.csv")
    assert (code, "line 2: " in said) == (1, True), "all or none: both ids exist"
    (site[2] / "jobs.csv").write_text(rows.replace("c2,2", "c2,long"))
    code, _, said = halfhour(site, "import", "jobs.csv")
    assert (code, "lines.3.duration_hours: is not understood" in said) == (1, True)
    daily = ("--every", "day", "--at", "18:00", "--within", "+14h", "--hours", "1", "--kw", "3")
    code, said, _ = halfhour(site, "--json", "submit", *daily, "--", "python", "t.py")
    made = json.loads(said)
    assert (code, made["is_live"]) == (0, True)
    assert made["handed_in"] >= 1, "48 hours always hold a day's 18:00 with 14 hours after it"
    assert made["routine_id"] in halfhour(site, "routines")[1]
    assert "ended" in halfhour(site, "end", made["routine_id"])[1]
    assert made["routine_id"] not in halfhour(site, "routines")[1]


def test_what_the_server_refuses_is_told_with_the_cure(site: tuple[Flask, str, Path]) -> None:
    hostile = ("--env", "LD_PRELOAD=/tmp/x.so", "--", "python", "t.py")
    code, _, said = halfhour(site, "submit", "--hours", "1", "--kw", "3", *hostile)
    assert code == 1
    assert "workload.env.LD_PRELOAD" in said
    assert "/tmp/x.so" not in said


def test_what_is_not_understood_is_status_two(site: tuple[Flask, str, Path]) -> None:
    code, _, said = halfhour(site, "submit", "--kw", "3", "--", "sbatch", "--begin=now", "train.sh")
    assert (code, "Halfhour chooses the start" in said) == (2, True)
    assert halfhour(site, "submit", "--nonsense")[0] == 2


def test_an_absent_server_is_one_sentence(site: tuple[Flask, str, Path]) -> None:
    code, _, said = halfhour(site, "status", HH_URL="http://127.0.0.1:9")
    assert (code, said.count("\n")) == (1, 1)
    assert "does not answer" in said


def test_a_key_is_never_sent_in_clear_to_another_machine(site: tuple[Flask, str, Path]) -> None:
    code, _, said = halfhour(site, "status", HH_URL="http://example.org", HH_KEY="hh_secret")
    assert (code, "not sent in clear" in said, "hh_secret" in said) == (1, True, False)


def test_flask_submit_plans_what_sbatch_would_have_started(
    site: tuple[Flask, str, Path],
) -> None:
    app, _, folder = site
    runner = app.test_cli_runner()
    done = runner.invoke(
        args=["submit", "--kw", "3", "--", "sbatch", "-J", "other", str(folder / "train.sh"), "--x"]
    )
    assert done.exit_code == 0, done.output
    assert "other: scheduled" in done.output
    wrong = runner.invoke(args=["submit", "--hours", "1", "--", "python", "t.py"])
    assert (wrong.exit_code, "estimated_power_kw" in wrong.output) == (1, True)
    assert runner.invoke(args=["submit", "--", "sbatch", "-H", "x.sh"]).exit_code == 2
