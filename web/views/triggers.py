"""Why a negotiation began, in words."""

from __future__ import annotations

TRIGGER_WORDS = {
    "submit": "a job was submitted",
    "schedule": "somebody asked for a plan",
    "schedule_all": "somebody asked for a plan of everything",
    "new_forecast": "a new carbon forecast arrived",
    "new_prices": "new prices were published",
    "asset_changed": "a cluster changed",
    "control": "somebody changed a job",
    "cancel": "a job was cancelled",
    "completed": "a job that others wait for was completed",
    "failed": "a run was reported as failed",
    "did_not_run": "a run did not take place",
    "worker": "the loop planned again",
    "several": "several things changed at once",
    "executor": "a run ended, failed or lasted longer than planned",
}
"""Why a negotiation began."""
