"""Reading a file from its end."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.files import decision_files, file_name, lines_from_end


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    pieces=st.lists(st.integers(0, 70_000), max_size=6),
    tail=st.integers(0, 70_000),
    filler=st.sampled_from([b"x", b"\r", b"\x00"]),
)
def test_lines_come_last_first_whatever_their_length(
    tmp_path: Path, pieces: list[int], tail: int, filler: bytes
) -> None:
    lines = [filler * size + b"\n" for size in pieces] + ([filler * tail] if tail else [])
    path = tmp_path / "f"
    path.write_bytes(b"".join(lines))
    assert list(lines_from_end(path)) == lines[::-1]


def test_only_day_files_are_log_files_and_they_come_oldest_first(tmp_path: Path) -> None:
    for name in ("decisions-2026-11-22.jsonl", "decisions-2026-11-21.jsonl", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "decisions-2026-11-21.jsonl.bak").touch()
    assert [path.name for path in decision_files(tmp_path)] == [
        "decisions-2026-11-21.jsonl",
        "decisions-2026-11-22.jsonl",
    ]
    assert decision_files(tmp_path / "nowhere") == []


def test_the_file_of_a_record_is_named_after_its_utc_date() -> None:
    assert file_name("2026-11-21T23:59:59.999Z") == "decisions-2026-11-21.jsonl"
