"""What a plan changed, made by hand for the tests of answers and pages."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from models.domain.change import (
    ChangeKind,
    MovesNews,
    MoveValues,
    PlanChange,
    PlanComparison,
    PlanSums,
    SignalShift,
    Window,
    Worth,
)
from tests.support.fake_services import FakeServices


def a_worth(cost_gbp: float, carbon_kg: float) -> Worth:
    """Return a worth of 20 kWh at £1/kg without waiting."""
    return Worth(cost_gbp, carbon_kg, 0.0, cost_gbp + carbon_kg, carbon_kg * 50.0, cost_gbp / 20.0)


def with_changes(services: FakeServices, owner: str = "local") -> str:
    """Give the newest plan a comparison in which one job moved and another was refused; return its id."""
    summary = services.negotiations_made[-1]
    one, start = summary.negotiation_id, services.now + timedelta(hours=6)
    before = Window("alder", "london", start, start + timedelta(hours=2))
    after = Window("alder", "london", start + timedelta(hours=3), start + timedelta(hours=5))
    moved = PlanChange(
        one, 0, services.now, "scheduled-job", "Sample scheduled", owner, ChangeKind.MOVED, "carbon",
        "carbon in the old window rose from 120 g/kWh to 168 g/kWh", before, after,
        MoveValues(a_worth(4.0, 2.4), a_worth(4.0, 3.36), a_worth(4.1, 2.0), a_worth(4.1, 2.0), 1.26, 0.1),
        ("pending-job",), 2,
    )  # fmt: skip
    refused = PlanChange(
        one, 1, services.now, "refused-job", "Sample refused", owner, ChangeKind.REFUSED, "refused",
        "every start is dearer than its cap",
    )  # fmt: skip
    services.changes_made = [moved, refused]
    services.negotiations_made[-1] = replace(
        summary,
        comparison=PlanComparison(
            "the-plan-before", services.now - timedelta(hours=1), "a new carbon forecast",
            PlanSums(2, 8.0, 4.8), PlanSums(0, 0.0, 0.96), PlanSums(0, 0.1, -1.36, 0.0, 0.1),
            PlanSums(-1, -4.0, -2.4), PlanSums(1, 4.1, 2.0, 0.0, 0.1), 1,
            {"moved": 1, "refused": 1},
            (SignalShift("london", 96, 12.0, 48.0, 96, None, None),),
        ),
    )  # fmt: skip
    services.moves_news = MovesNews(one, services.now, 3, "a new carbon forecast")
    return one
