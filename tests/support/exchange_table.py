"""What came of each journey and each fault between participants, collected by the tests over HTTP, and written as a page."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

HEAD = """# Journeys and faults of the market, as run over HTTP

Written by the tests that run them: real programs with a file registry, signed messages over loopback HTTP, simulated grid.

```console
HALFHOUR_TEST_EXCHANGE_TABLE=docs/beckn-journeys.md .venv/bin/pytest -q \\
  tests/e2e/test_beckn_journeys.py tests/e2e/test_beckn_faults.py tests/e2e/test_beckn_samples.py
```

What the dialects, errors and answers mean is in [Market](beckn.md).
"""

JOURNEYS = """
## Journeys × dialects × roles

Each row is one run. *Messages* are those in the journal of program A, in the order in which they left or came (`→` sent, `←` taken),
each acknowledged; every body it sent fits the published schema of its dialect. An answer that is still being taken when the
next request leaves stands behind it. The discovery before a journey has a transaction of its own where a program buys.

| journey | dialect | buyer | seller | messages | what came of it | s |
| --- | --- | --- | --- | --- | --- | --- |
"""

SAMPLES = """
## Official samples

| dialect | requests sent | acknowledged | answered in their dialect, by a callback that fits its schema |
| --- | --- | --- | --- |
"""

FAULTS = """
## Faults

In every row each job runs when and where it did before, by the same plan (capacity that is given back may make a new one with the same
times), and the exchange is in the audit log by its ids; the tests assert both. At the end the log is verified as a whole.

| fault | answer | what followed |
| --- | --- | --- |
"""


@dataclass
class ExchangeTable:
    """Rows in the order in which they were seen."""

    journeys: list[tuple[str, ...]] = field(default_factory=list)
    samples: list[tuple[str, ...]] = field(default_factory=list)
    faults: list[tuple[str, ...]] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write the page."""
        parts = [HEAD]
        for head, rows in (
            (JOURNEYS, self.journeys),
            (SAMPLES, self.samples),
            (FAULTS, self.faults),
        ):
            parts.append(head + "".join(f"| {' | '.join(row)} |\n" for row in rows))
        path.write_text("".join(parts), encoding="utf-8")
