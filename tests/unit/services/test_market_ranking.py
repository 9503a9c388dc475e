"""The order of windows: best first, of each kind and length in turn, and no more looked at than needed."""

from __future__ import annotations

from datetime import timedelta

from models.domain.market import Window, WindowKind
from services.market_ranking import Ranking
from tests.support.deals import NOW, a_window


def window(name: str, hours: float, price: float, grams: float, **changes: object) -> Window:
    start = NOW + timedelta(hours=4)
    return a_window(
        slot_id=name, start=start, end=start + timedelta(hours=hours), price_gbp_per_kwh=price,
        mean_carbon_g_per_kwh=grams, **changes,
    )  # fmt: skip


def test_best_is_the_least_price_and_carbon_together_of_each_kind_and_length_in_turn() -> None:
    found = [
        window("a", 2, 0.30, 100.0),  # 0.30 + 1.0 £/kg × 0.100 kg = 0.40
        window("b", 2, 0.10, 400.0),  # 0.50
        window("c", 2, 0.20, 150.0),  # 0.35
        window("d", 4, 0.90, 0.0),  # 0.90
        window("e", 2, 0.50, 0.0, kind=WindowKind.TURN_DOWN),
    ]
    ranking = Ranking(found, 1.0)
    # Groups by kind, then by length in half-hours: compute of 2 h (4), of 4 h (8), turn-down of 2 h (4).
    assert [w.slot_id for w in ranking.best(lambda _: True)] == ["c", "d", "e", "a", "b"]
    assert [w.slot_id for w in ranking.best(lambda _: True, 2)] == ["c", "d"]
    assert [w.slot_id for w in ranking.best(lambda w: w.slots == 4)] == ["c", "e", "a", "b"]
    assert Ranking([], 1.0).best(lambda _: True) == []


def test_no_more_windows_are_looked_at_than_it_takes_to_find_the_best() -> None:
    ranking = Ranking([window(f"w{k}", 2, 0.01 * k, 0.0) for k in range(1000)], 1.0)
    looked: list[str] = []

    def fits(one: Window) -> bool:
        looked.append(one.slot_id)
        return len(looked) % 2 == 0  # every second one

    assert len(ranking.best(fits, 10)) == 10
    assert len(looked) == 20
