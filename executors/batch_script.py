"""The script a batch system is given: the caller's work between a note of its start and a note of its end.

The two notes are small files named by our id, beside the output. They tell the real times and the exit code when the
batch system has forgotten the run, and the first one is taken once only: a run that was handed over twice by a fault
starts once. The script's first line after the shebang is a command, so that no later line can be read as a directive.
"""

from __future__ import annotations

from shlex import quote

from models.domain.execution import WorkOrder

STARTED_BEFORE = 75
"""Exit code of a run that finds itself started already."""


def batch_script(order: WorkOrder, folder: str) -> str:
    """Return the script of one hand-over.

    Args:
        order: What to run; values of secrets are not in it, they travel in the environment.
        folder: Full path of the folder of notes and output, as the machines of the cluster see it.
    """
    work = order.workload
    lines = [
        "#!/bin/bash",
        "set -u",
        f"hh_note={quote(f'{folder}/{order.hand_over_id}')}.${{SLURM_ARRAY_TASK_ID:-0}}",
        "hh_before=false",
        '(set -C; date +%s > "$hh_note.start") 2>/dev/null || [ ! -e "$hh_note.start" ] || hh_before=true',
        'if $hh_before && [ "${SLURM_RESTART_COUNT:-0}" -eq 0 ]; then',
        '  echo "halfhour: this run was started before; it is not started again" >&2',
        f"  exit {STARTED_BEFORE}",
        "fi",
        f"export HALFHOUR_JOB_ID={quote(order.job_id)} HALFHOUR_RUN_ID={quote(order.hand_over_id)}",
        *(f"export {name}={quote(value)}" for name, value in sorted(work.plain_env.items())),
    ]
    if work.working_dir is not None:
        lines.append(f"cd -- {quote(work.working_dir)} || exit 1")
    lines += ["set +u", *_body(order), "hh_code=$?"]
    lines += ['echo "$(date +%s) $hh_code" > "$hh_note.end"', "exit $hh_code", ""]
    return "\n".join(lines)


def _body(order: WorkOrder) -> list[str]:
    work = order.workload
    if work.script is None:
        return [" ".join(quote(part) for part in work.command)]
    # The mark is made of our id, which is drawn after the script was accepted, so no script can hold it.
    mark = f"HALFHOUR_{order.hand_over_id}"
    text = work.script if work.script.startswith("#!") else f"#!/bin/bash\n{work.script}"
    return [
        "hh_script=$(mktemp) || exit 1; trap 'rm -f \"$hh_script\"' EXIT",
        f"cat > \"$hh_script\" <<'{mark}'",
        text.removesuffix("\n"),
        mark,
        'chmod 700 "$hh_script"',
        '"$hh_script"',
    ]
