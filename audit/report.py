"""Say what a verification found, and with which exit status a command should end."""

from __future__ import annotations

from models.domain.ports import VerifyReport

EXIT_OK, EXIT_FAULT, EXIT_UNREADABLE = 0, 1, 2
"""Exit status: nothing wrong; a fault was found; the log could not be read at all."""


def exit_status(report: VerifyReport) -> int:
    """Return 0 for a whole log, 1 for a fault in it, 2 if it could not be read."""
    if report.ok:
        return EXIT_OK
    unreadable = report.first_fault_seq is None and (report.fault or "").startswith("unreadable")
    return EXIT_UNREADABLE if unreadable else EXIT_FAULT


def summary(report: VerifyReport) -> str:
    """Return a few lines for people."""
    verdict = "OK: the log is whole" if report.ok else f"FAULT {report.fault}"
    lines = [
        verdict,
        f"{report.records} records in {len(report.files)} files followed, up to seq {report.last_seq}",
        f"head hash {report.last_hash}",
        f"{report.anchors_checked} signed anchors checked",
        *(f"warning: {text}" for text in report.warnings),
    ]
    return "\n".join(lines) + "\n"
