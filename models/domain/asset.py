"""Assets (shown as clusters): compute at one place with a power limit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from models.domain.job import Flexibility
from models.domain.power_limit import PowerLimit

LOCAL_OWNER = "local"
"""The owner of everything where no keys are used."""


@dataclass(frozen=True, slots=True)
class Asset:
    """Compute at one place.

    Power figures are IT power; the meter sees them times `pue`.
    """

    asset_id: str
    owner: str
    asset_type: str
    region: str
    max_power_kw: float
    """IT power that jobs and base load may draw together in any half-hour. [kW]"""
    created_at: datetime
    name: str = ""
    """Shown name; the id where empty."""
    pue: float = 1.0
    """Power usage effectiveness: meter power over IT power, at least 1."""
    base_load_kw: float = 0.0
    """Inflexible IT load that jobs must leave room for (upper quantile). [kW]"""
    flexibility_type: Flexibility = Flexibility.DEFERRABLE
    """Kind given to jobs that do not name one."""
    is_deferrable: bool = True
    """False: every job here runs on arrival, as if it were `fixed`."""
    gpu_model: str | None = None
    gpu_count: int | None = None
    tariff: str = "agile"
    """Which price signal applies; `agile` is the household proxy (price shape)."""
    embodied_g_per_kwh: float | None = None
    """Embodied carbon rate of the hardware per IT kWh where known; never mixed into `carbon_kg`. [g/kWh]"""
    executor: str | None = None
    """Name of the executor that starts jobs here; None: a person or another system starts them."""
    power_limits: tuple[PowerLimit, ...] = ()
    """Stretches of time with less power: maintenance, a contracted peak."""
    is_demo: bool = False
    """Loaded by the demo, so that one click can remove it."""
    version: int = 1
    deleted_at: datetime | None = None

    @property
    def label(self) -> str:
        """Return the shown name."""
        return self.name or self.asset_id

    @property
    def room_kw(self) -> float:
        """Return the IT power left for jobs once the base load is served, while nothing limits it further. [kW]"""
        return max(0.0, self.max_power_kw - self.base_load_kw)

    def power_at(self, slot_start: datetime) -> float:
        """Return the IT power that jobs and base load may draw in the half-hour that begins at an instant. [kW]"""
        meanwhile = [one.max_power_kw for one in self.power_limits if one.covers(slot_start)]
        return min([self.max_power_kw, *meanwhile])

    def room_at(self, slot_start: datetime) -> float:
        """Return the IT power left for jobs in the half-hour that begins at an instant. [kW]"""
        if not self.power_limits:
            return self.room_kw
        return max(0.0, self.power_at(slot_start) - self.base_load_kw)
