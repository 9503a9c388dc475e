"""Windows in the order in which they are shown: the best first, of each kind and length in turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import cached_property

from models.domain.market import Window


class Ranking:
    """Windows sorted once; whoever asks for a few of them has only so many looked at as it takes to find these."""

    def __init__(self, windows: Sequence[Window], kappa_gbp_per_kg: float) -> None:
        """Take windows; they are sorted when somebody asks first.

        Args:
            windows: In any order.
            kappa_gbp_per_kg: Value of carbon; best is the least price and carbon together. [GBP/kg]
        """
        self._windows = windows
        self._kappa = kappa_gbp_per_kg

    @cached_property
    def _queues(self) -> tuple[tuple[Window, ...], ...]:
        groups: dict[tuple[str, int], list[Window]] = {}
        for window in sorted(self._windows, key=self._worth):
            groups.setdefault((str(window.kind), window.slots), []).append(window)
        return tuple(tuple(groups[name]) for name in sorted(groups))

    def _worth(self, window: Window) -> tuple[float, float, str]:
        carbon_kg = (window.mean_carbon_g_per_kwh or 0.0) / 1000.0
        price = (window.price_gbp_per_kwh or 0.0) + self._kappa * carbon_kg
        return price, window.start.timestamp(), window.slot_id

    def best(self, fits: Callable[[Window], bool], most: int | None = None) -> list[Window]:
        """Return the windows that fit, at most so many: the best of each kind and length, then the second best, …"""
        queues = deque(filter(fits, queue) for queue in self._queues)
        found: list[Window] = []
        while queues and (most is None or len(found) < most):
            queue = queues.popleft()
            window = next(queue, None)
            if window is not None:
                found.append(window)
                queues.append(queue)
        return found
