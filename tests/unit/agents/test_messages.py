"""Messages are frozen, refuse unknown fields, and carry arrays with their digest."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from pydantic import ValidationError

from agents.messages import Deferred, PlanApproved, PricesPosted, SlotArray, stamp
from tests.support.fleet import NOON
from tests.support.planning import NEGOTIATION


def test_a_short_array_is_written_out_and_an_unknown_value_is_null() -> None:
    record = SlotArray(np.array([[1.0, np.nan], [0.25, 2.0]])).to_record()
    assert record["shape"] == [2, 2]
    assert record["sum"] == 3.25
    assert record["values"] == [[1.0, None], [0.25, 2.0]]


def test_a_long_array_is_bound_by_its_digest() -> None:
    values = np.arange(200.0)
    record = SlotArray(values).to_record()
    assert "values" not in record
    assert record["sha256"] == hashlib.sha256(np.round(values, 6).tobytes()).hexdigest()


def test_an_array_cannot_be_changed_after_it_was_sent() -> None:
    mine = np.array([1.0])
    sent = SlotArray(mine)
    mine[0] = 2.0
    assert sent.values.tolist() == [1.0]
    with pytest.raises(ValueError, match="read-only"):
        sent.values[0] = 3.0


def test_a_message_is_frozen_and_takes_no_unknown_field() -> None:
    message = PlanApproved(sender="policy", checked=("power",))
    with pytest.raises(ValidationError):
        message.sender = "somebody"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        PlanApproved(sender="policy", checked=(), surprise=1)  # type: ignore[call-arg]


def test_a_stamped_message_knows_where_it_stands() -> None:
    sent = stamp(
        Deferred(sender="chair", job_id="a", reason="held", earliest=None), NEGOTIATION, 2, 5, NOON
    )
    again = stamp(
        Deferred(sender="chair", job_id="b", reason="other", earliest=None), NEGOTIATION, 2, 5, NOON
    )
    assert sent.message_id == again.message_id
    assert (sent.round, sent.negotiation_id, sent.sent_at) == (2, NEGOTIATION, NOON)
    third = stamp(
        Deferred(sender="chair", job_id="a", reason="held", earliest=None), NEGOTIATION, 2, 6, NOON
    )
    assert third.message_id != sent.message_id


def test_arrays_are_plain_data_in_json() -> None:
    posted = PricesPosted(sender="policy", power_gbp_per_kwh=SlotArray(np.zeros((1, 2))))
    assert posted.model_dump(mode="json")["power_gbp_per_kwh"]["values"] == [[0.0, 0.0]]
