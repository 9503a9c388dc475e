"""Adapters that start work: Slurm, this machine, a signed webhook, and one that only notes what it would do."""
