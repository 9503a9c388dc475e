"""The lock leaves the choice of a torch build to the machine that installs it."""

from __future__ import annotations

from scripts.lock import blocks, without_builds

COMPILED = """\
flask==3.1.3
    # via
    #   -r requirements-core.in
nvidia-cublas==13.1.1.3 ; sys_platform == 'linux'
    # via torch
torch==2.13.0 ; sys_platform == 'darwin'
    # via -r requirements.in
torch==2.13.0+cpu ; sys_platform == 'linux'
    # via -r requirements.in
triton==3.7.1 ; sys_platform == 'linux'
    # via torch
urllib3==2.8.0
    # via requests
"""


def test_a_block_is_a_pin_with_its_comments() -> None:
    assert [block.split("\n")[0] for block in blocks(COMPILED)][:2] == [
        "flask==3.1.3",
        "nvidia-cublas==13.1.1.3 ; sys_platform == 'linux'",
    ]


def test_accelerator_packages_and_build_labels_are_dropped_and_torch_is_pinned_once() -> None:
    assert without_builds(COMPILED) == (
        "flask==3.1.3\n    # via\n    #   -r requirements-core.in\n"
        "torch==2.13.0\n    # via -r requirements.in\n"
        "urllib3==2.8.0\n    # via requests\n"
    )
