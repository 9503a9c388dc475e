"""Contracts, claims, windows found elsewhere, messages and work, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from models.domain.errors import Conflict, InvalidRequest, NotFound
from models.domain.exchange import ContractFilter, Message, MessageFilter, Work, WorkKind
from models.domain.market import Claim, Contract, ContractState, Side
from storage.unit_of_work import SqlUnitOfWorkFactory
from tests.support.deals import NOW, a_contract, a_window
from tests.support.fleet import an_asset

SLOT = timedelta(minutes=30)


def stored(units: SqlUnitOfWorkFactory, *contracts: Contract) -> None:
    with units(write=True) as unit:
        for contract in contracts:
            unit.market.put(contract)
        unit.commit()


def named(name: str, state: ContractState = ContractState.HELD, **changes: object) -> Contract:
    return a_contract(state, **{"contract_id": name, "transaction_id": f"t-{name}", **changes})


def test_a_contract_is_changed_by_one_at_a_time(units: SqlUnitOfWorkFactory) -> None:
    first = named("a")
    stored(units, first)
    moved = first.moved(ContractState.CONFIRMED, NOW, "confirmed")
    stored(units, moved)
    with units(write=True) as unit, pytest.raises(Conflict, match="changed meanwhile"):
        unit.market.put(first.moved(ContractState.EXPIRED, NOW, "too late"))
    with units() as unit:
        assert unit.market.get("a") == moved
        assert unit.market.of_transaction(Side.SELLER, "buyer.example", "t-a") == moved
        assert unit.market.of_transaction(Side.BUYER, "buyer.example", "t-a") is None
        with pytest.raises(NotFound):
            unit.market.get("b")


def test_one_transaction_with_a_peer_has_one_contract_a_side(units: SqlUnitOfWorkFactory) -> None:
    stored(units, named("a", transaction_id="t"), named("b", transaction_id="t", side=Side.BUYER))
    with units(write=True) as unit, pytest.raises(Conflict):
        unit.market.put(named("c", transaction_id="t"))


def test_contracts_are_found_by_state_peer_age_and_in_both_orders(
    units: SqlUnitOfWorkFactory,
) -> None:
    stored(
        units,
        named("old", created_at=NOW - timedelta(hours=2)),
        named("new", created_at=NOW, peer_id="other.example"),
        named("done", ContractState.COMPLETE, created_at=NOW - timedelta(hours=1)),
    )

    def found(**wanted: object) -> list[str]:
        with units() as unit:
            asked = ContractFilter(**wanted)  # type: ignore[arg-type]
            return [one.contract_id for one in unit.market.find(asked)]

    assert found() == ["new", "done", "old"]
    assert found(oldest_first=True, limit=2) == ["old", "done"]
    assert found(states=frozenset({ContractState.HELD})) == ["new", "old"]
    assert found(peer_id="other.example") == ["new"]
    assert found(created_until=NOW - timedelta(hours=1)) == ["done", "old"]


def test_a_contract_claims_on_several_clusters_in_one_half_hour(
    units: SqlUnitOfWorkFactory,
) -> None:
    with units(write=True) as unit:
        for name in ("hall", "shed"):
            unit.assets.add(an_asset(name))
        unit.market.put(named("a"))
        claims = [Claim("a", "hall", NOW, most_kw=10.0), Claim("a", "shed", NOW, 5.0),
                  Claim("a", "shed", NOW + SLOT, 5.0, job_id="j")]  # fmt: skip
        unit.market.claim("a", claims)
        unit.commit()
    with units() as unit:
        assert sorted(unit.market.claims(NOW), key=lambda c: (c.slot_start, c.asset_id)) == claims
        assert [c.asset_id for c in unit.market.claims(NOW + SLOT)] == ["shed"]
    with units(write=True) as unit:
        unit.market.claim("a", claims[:1])
        unit.commit()
    with units() as unit:
        assert unit.market.claims(NOW) == tuple(claims[:1])


def test_windows_of_others_are_kept_by_seller_until_they_begin(units: SqlUnitOfWorkFactory) -> None:
    soon = a_window(slot_id="w", peer_id="b.example", start=NOW + SLOT, end=NOW + 3 * SLOT)
    same = replace(soon, peer_id="a.example", price_gbp_per_kwh=0.5)
    with units(write=True) as unit:
        unit.market.keep_found([soon, same, replace(soon, slot_id="past", start=NOW)], NOW)
        unit.market.keep_found([replace(soon, capacity_kw=7.0)], NOW)
        unit.commit()
    with units(write=True) as unit:
        assert unit.market.found_of("w") == (same, replace(soon, capacity_kw=7.0))
        assert unit.market.found_of("past") == ()
        unit.market.keep_found([], NOW + SLOT)
        assert unit.market.found(NOW) == ()


def a_message(ident: str, **changes: object) -> Message:
    made = Message("in", "peer", "select", "t", ident, NOW, "lts", b"{\x00\xff}", "auth", "sig")
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_message_is_known_by_direction_peer_action_and_id(units: SqlUnitOfWorkFactory) -> None:
    different = [a_message("m"), a_message("m", direction="out"), a_message("m", peer_id="other"),
                 a_message("m", action="init")]  # fmt: skip
    with units(write=True) as unit:
        assert unit.exchange.record_all([*different, a_message("m"), a_message("n")]) == [
            1, 2, 3, 4, None, 5,
        ]  # fmt: skip
        unit.commit()
    with units(write=True) as unit:
        assert unit.exchange.record(a_message("n", body=b"other")) is None
        assert unit.exchange.record(a_message("o", action="init")) == 6
        unit.exchange.answered(1, 200, b"ok")
        known = unit.exchange.known("in", "peer", "select", "m")
        assert known == a_message("m", seq=1, status=200, answer=b"ok")
        assert unit.exchange.known("in", "peer", "select", "z") is None
        assert unit.exchange.last_in("peer", "t").message_id == "o"
        with pytest.raises(NotFound):
            unit.exchange.last_in("peer", "another")
        assert [m.seq for m in unit.exchange.messages(MessageFilter("t", 3))] == [1, 2, 3]
        assert unit.exchange.prune(NOW + SLOT) == 6


def a_work(ident: str, transaction: str, **changes: object) -> Work:
    made = Work(WorkKind.SEND, "peer", "https://peer", "on_status", transaction, ident, "lts", NOW,
                NOW, NOW + timedelta(minutes=10), b"{}")  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def test_of_a_transaction_the_first_that_is_not_done_is_taken_by_one_at_a_time(
    units: SqlUnitOfWorkFactory,
) -> None:
    until = NOW + timedelta(seconds=90)
    with units(write=True) as unit:
        unit.exchange.add_all(
            [a_work("a1", "a"), a_work("a2", "a"), a_work("b1", "b"),
             a_work("late", "c", due_at=NOW + SLOT), a_work("x1", "a", peer_id="other")]
        )  # fmt: skip
        unit.commit()

    def take(at: object = NOW) -> list[str]:
        with units(write=True) as unit:
            taken = unit.exchange.take(at, at + timedelta(seconds=90), 10)  # type: ignore[arg-type, operator]
            unit.commit()
        return [one.message_id for one in taken]

    with units() as unit:
        assert unit.exchange.next_due() == NOW
        assert unit.exchange.lag().waiting == 5
    with units(write=True) as unit:
        mine = unit.exchange.take(NOW, until, 10)
        unit.commit()
    assert sorted(one.message_id for one in mine) == ["a1", "b1", "x1"]
    assert take() == []
    first = next(one for one in mine if one.message_id == "a1")
    with units(write=True) as unit:
        unit.exchange.update_all([replace(first, state="done", url="https://new")], until)
        unit.commit()
    assert take() == ["a2"]
    # Whoever took them is gone: after a while somebody else may, and what the first says then counts no more.
    assert sorted(take(until)) == ["a2", "b1", "x1"]
    with units(write=True) as unit:
        unit.exchange.update_all([replace(one, state="failed") for one in mine], until)
        unit.commit()
    with units() as unit:
        assert unit.exchange.lag().failed == 0


def test_an_allowance_is_taken_from_by_all_and_refilled_with_time(
    units: SqlUnitOfWorkFactory,
) -> None:
    # 2 a second into a bucket of 10: 10 - 7 = 3; 2 s later 3 + 4 - 5 = 2; a minute later full again, 10 - 1.
    def settle(spent: float, seconds: float) -> float:
        at = NOW + timedelta(seconds=seconds)
        with units(write=True) as unit:
            left = unit.exchange.settle({"ada": spent}, at, per_second=2.0, size=10.0)
            unit.commit()
        return left["ada"]

    assert [settle(7, 0), settle(5, 2), settle(1, 62)] == [3.0, 2.0, 9.0]
    # Several processes may let through more than there is; time that goes back gives nothing.
    assert settle(12, 60) == -3.0
    with units(write=True) as unit:
        unit.exchange.forget_allowances(NOW + timedelta(hours=1))
        unit.commit()
    assert settle(1, 3600) == 9.0


def test_contracts_are_paged_newest_first_and_equal_ones_by_id(units: SqlUnitOfWorkFactory) -> None:
    # Five contracts: b and c made at the same instant; d is another owner's.
    made = {"a": 0, "b": 1, "c": 1, "d": 2, "e": 3}
    stored(
        units,
        *(
            named(name, created_at=NOW + k * SLOT, owner="bob" if name == "d" else "ada")
            for name, k in made.items()
        ),
    )

    def pages(owner: str | None, limit: int) -> list[list[str]]:
        found, cursor = [], None
        while True:
            with units() as unit:
                page = unit.market.page(owner, cursor=cursor, limit=limit)
            found.append([one.contract_id for one in page.items])
            cursor = page.next_cursor
            if cursor is None:
                return found

    assert pages(None, 2) == [["e", "d"], ["c", "b"], ["a"]]
    assert pages("ada", 2) == [["e", "c"], ["b", "a"]]
    assert pages("bob", 5) == [["d"]]
    with units() as unit, pytest.raises(InvalidRequest, match="does not belong"):
        unit.market.page(None, cursor="bm9uc2Vuc2U")
