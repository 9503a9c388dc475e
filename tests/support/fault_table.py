"""What a user saw under each fault of the providers, collected by the tests that look, and written as a page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HEAD = """# What a user sees when a provider fails

Written by the tests that cause each fault in the [stand-in](../tests/standin/__init__.py) for the providers and look at
the running app through its API and pages:

```console
HALFHOUR_TEST_FAULT_TABLE=docs/faults.md .venv/bin/pytest tests/e2e/test_faults.py -q
```

In every row a job of 2 h and 40 kW in London, to be ready in 20 h, was sent while the fault was on: it was accepted,
planned, and its window ends before its deadline. No request was answered with a status of 500 or above, and none
took longer than the bar of one second once the first failure was known; the last column is the slowest one
measured. *Data line* and *banner* are the words on every page; `…` stands for ages and times that differ from run to run.

| fault | data line | banner | the job | slowest |
| --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True)
class Seen:
    """One row."""

    fault: str
    data_line: str
    banner: str | None
    job: str
    slowest_ms: float


class FaultTable:
    """Rows in the order in which they were seen."""

    def __init__(self) -> None:
        """Begin without rows."""
        self.rows: list[Seen] = []

    def write(self, path: Path) -> None:
        """Write the page."""
        lines = [
            f"| {row.fault} | {row.data_line} | {row.banner or '–'} | {row.job} | {row.slowest_ms:.0f} ms |"
            for row in self.rows
        ]
        path.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
