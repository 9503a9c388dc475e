"""What a job has now, on other signals: never a mix of two sets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.domain.plan import Segment
from services.present import revalued, with_vat
from tests.support.fleet import NOON, a_region, an_asset
from tests.support.planning import at_slot
from tests.support.stored import a_placement

HELD = replace(
    a_placement(),
    segments=(Segment(NOON, at_slot(2), 10.0),),
    energy_kwh=20.0,
    transfer_kwh=5.0,
    carbon_kg=99.0,
    cost_gbp=99.0,
    delay_gbp=0.5,
)
"""An hour of 10 kW at PUE 2, with 5 kWh of transfer, and figures of older signals."""


def test_cost_carbon_and_objective_are_those_of_the_signals_given() -> None:
    known = a_region(NOON, carbon=[100.0, 300.0], price=[0.10, 0.30])
    found = revalued(HELD, an_asset(pue=2.0), known, 2.0)
    # 10 kWh in each half-hour: £4 and 4 kg at the means of £0.20 and 200 g, and 5 kWh more for the data.
    assert found.cost_gbp == pytest.approx(5.0)
    assert found.carbon_kg == pytest.approx(5.0)
    assert (found.transfer_cost_gbp, found.transfer_carbon_kg) == pytest.approx((1.0, 1.0))
    assert found.objective_gbp == pytest.approx(5.0 + 2.0 * 5.0 + 0.5)
    # A cluster that is gone had the PUE that the placement was planned with.
    assert revalued(HELD, None, known, 2.0) == found


def test_without_signals_it_is_unknown_and_not_what_it_was() -> None:
    found = revalued(HELD, None, None, 2.0)
    assert (found.cost_gbp, found.carbon_kg, found.objective_gbp) == (None, None, None)
    beyond = a_region(at_slot(1), carbon=[100.0], price=[0.1])
    assert revalued(HELD, an_asset(), beyond, 2.0).cost_gbp is None


def test_prices_are_multiplied_where_they_include_vat() -> None:
    known = a_region(NOON, carbon=[100.0, 100.0], price=[0.10, 0.10])
    taxed = with_vat(known, np.array([1.2, 1.0]))
    assert taxed.price.values.tolist() == pytest.approx([0.12, 0.10])
    assert with_vat(known, None) is known
