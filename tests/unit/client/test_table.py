"""Jobs from a CSV file."""

from __future__ import annotations

import pytest

from client.sbatch_line import BadLine
from client.table import jobs_of
from web.schemas.routines import JobBatch


def test_every_line_is_a_job_the_api_takes() -> None:
    text = (
        "\ufeffjob_name,duration_hours,estimated_power_kw,latest_finish,allowed_regions,command,gpu_count\r\n"
        'train,2.5,40,2026-11-22T09:00:00Z,london|wales,"python train.py --name ""a b""",\r\n'
        "eval,1,3,2026-11-22T09:00:00Z,,,\r\n"
    )
    jobs = jobs_of(text)
    assert jobs == [
        {
            "job_name": "train", "duration_hours": 2.5, "estimated_power_kw": 40.0,
            "latest_finish": "2026-11-22T09:00:00Z", "allowed_regions": ["london", "wales"],
            "workload": {"command": ["python", "train.py", "--name", "a b"]},
        },
        {
            "job_name": "eval", "duration_hours": 1.0, "estimated_power_kw": 3.0,
            "latest_finish": "2026-11-22T09:00:00Z",
        },
    ]  # fmt: skip
    assert len(JobBatch.model_validate({"jobs": jobs}).to_drafts(None)) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no job"),
        ("duration_hours\n", "holds no job"),
        ("duration_hours\nlong\n", "line 2, column duration_hours"),
        ("duration_hours,job_name\n1\n", "line 2 has another number"),
        ("job_name\na,b\n", "line 2 has another number"),
        ("workload\n{\n", "column workload"),
        ('job_name\n"a\n', "is not CSV"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(BadLine, match=said):
        jobs_of(text)
