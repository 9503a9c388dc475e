"""Baselines, deviation volumes and valuation regimes of flexibility. Empty until the first regime is valued."""
