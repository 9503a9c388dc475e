"""Make the one-file `verify.py` of an export out of the two modules that check it here."""

from __future__ import annotations

import ast
from pathlib import Path

_PARTS = ("chain.py", "export_check.py")
"""Modules in the order in which they are joined; both use the standard library only."""

_HEADER = '''#!/usr/bin/env python3
"""Check this exported decision log with nothing but Python (3.9 or later) and its standard library.

Run it inside the unpacked export: `python3 verify.py`. It prints what it found and exits 0 when nothing is
wrong, 1 otherwise. Signatures are checked too where the package `cryptography` is installed; otherwise it
says that they were not.

An export that was cut at its end, or from which records were left out, shows this only by its manifest and its
anchors: compare the printed key id with the one that was published outside the system.
"""

from __future__ import annotations
'''


def verify_script() -> str:
    """Return the text of `verify.py`: both modules without their docstrings and imports of each other."""
    folder = Path(__file__).parent
    return "\n".join([_HEADER, *(_bare_source(folder / name) for name in _PARTS)])


def _bare_source(path: Path) -> str:
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    tree = ast.parse(source)
    for place, node in enumerate(tree.body):
        docstring = place == 0 and isinstance(node, ast.Expr)
        own = isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in {
            "__future__",
            "audit",
        }
        if docstring or own:
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = ""
    return "\n".join(lines).strip() + "\n"
