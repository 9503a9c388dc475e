"""Words of the field: time, regions, jobs, assets, signals, plans, decisions, ports and errors. No I/O."""
