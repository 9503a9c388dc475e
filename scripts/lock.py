"""Compile the requirements locks: exact versions, no registry address.

`torch` is pinned by its public version alone. Which of its builds is installed, with or without CUDA, and which
accelerator packages come along, is left to the installer of the machine, because a lock would force one build on all.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements-core", "requirements", "requirements-dev")
BUILD_SPECIFIC = re.compile(r"(nvidia-|cuda-|triton)", re.IGNORECASE)


def blocks(text: str) -> list[str]:
    """Split a compiled file into one block a package: its pin and the comments under it."""
    return [block for block in re.split(r"\n(?=\S)", text.strip()) if block]


def without_builds(text: str) -> str:
    """Drop accelerator packages and local version labels; keep one pin of `torch`."""
    kept: list[str] = []
    for block in blocks(text):
        if BUILD_SPECIFIC.match(block):
            continue
        if block.startswith("torch=="):
            pin, _, comments = block.partition("\n")
            version = re.split(r"[+ ;]", pin)[0]
            block = f"{version}\n{comments}"
        if block not in kept:
            kept.append(block)
    return "\n".join(kept) + "\n"


def main() -> int:
    """Compile every lock with uv; return the exit status."""
    uv = shutil.which("uv")
    if uv is None:
        print("`make lock` needs uv (pip install uv)", file=sys.stderr)
        return 1
    environment = dict(os.environ)
    environment.setdefault("UV_FIND_LINKS", environment.get("PIP_FIND_LINKS", ""))
    for name in LOCKS:
        command = [uv, "pip", "compile", f"{name}.in", "--universal", "--python-version", "3.11"]
        command += ["--no-emit-index-url", "--no-emit-find-links", "--no-header", "--quiet"]
        command += ["--output-file", f"{name}.txt", *sys.argv[1:]]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
        lock = ROOT / f"{name}.txt"
        lock.write_text(without_builds(lock.read_text()))
        print(f"{name}.txt: {len(blocks(lock.read_text()))} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
