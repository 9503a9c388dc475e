"""What every `AssetRepository` does."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta

import pytest

from models.domain.errors import Conflict, InvalidRequest, NotFound
from models.domain.power_limit import Day, PowerLimit
from storage.unit_of_work import SqlUnitOfWorkFactory
from tests.support.fleet import NOON, a_job, an_asset


def add(units: SqlUnitOfWorkFactory, *assets) -> None:
    with units(write=True) as unit:
        for asset in assets:
            unit.assets.add(asset)
        unit.commit()


def test_an_asset_reads_back_as_it_was_stored(units: SqlUnitOfWorkFactory) -> None:
    asset = an_asset(
        name="Grüner Rechner",
        pue=1.15,
        base_load_kw=0.1 + 0.2,
        gpu_model="H100",
        gpu_count=8,
        embodied_g_per_kwh=12.5,
        created_at=NOON + timedelta(microseconds=1),
    )
    add(units, asset)
    with units() as unit:
        assert unit.assets.get("cluster-a") == asset
        assert unit.assets.get("cluster-a", "local") == asset


def test_another_owners_asset_is_not_found(units: SqlUnitOfWorkFactory) -> None:
    add(units, an_asset())
    with units() as unit, pytest.raises(NotFound, match="cluster-a"):
        unit.assets.get("cluster-a", "somebody else")


def test_an_id_is_used_once_even_after_deletion(units: SqlUnitOfWorkFactory) -> None:
    add(units, an_asset())
    with units(write=True) as unit:
        unit.assets.update(an_asset(version=2, deleted_at=NOON))
        unit.commit()
    with units() as unit, pytest.raises(NotFound):
        unit.assets.get("cluster-a")
    with units(write=True) as unit, pytest.raises(Conflict, match="exists already"):
        unit.assets.add(an_asset())


def test_a_change_needs_the_next_version(units: SqlUnitOfWorkFactory) -> None:
    add(units, an_asset())
    changed = an_asset(max_power_kw=50.0, version=2)
    with units(write=True) as unit:
        unit.assets.update(changed)
        with pytest.raises(Conflict, match="at version 2"):
            unit.assets.update(an_asset(max_power_kw=70.0, version=2))
        unit.commit()
    with units() as unit:
        assert unit.assets.get("cluster-a") == changed


def test_a_change_of_an_unknown_asset_is_not_found(units: SqlUnitOfWorkFactory) -> None:
    with units(write=True) as unit, pytest.raises(NotFound):
        unit.assets.update(an_asset(version=2))


def test_pages_go_by_id_and_show_live_assets_of_the_owner_once(
    units: SqlUnitOfWorkFactory,
) -> None:
    add(units, *(an_asset(f"cluster-{k}") for k in range(5)))
    add(units, an_asset("other", owner="another"), an_asset("wales", "south_wales"))
    add(units, an_asset("gone", deleted_at=NOON))
    with units() as unit:
        first = unit.assets.page("local", limit=4)
        second = unit.assets.page("local", limit=4, cursor=first.next_cursor)
        ids = [asset.asset_id for asset in first.items + second.items]
        assert ids == [*(f"cluster-{k}" for k in range(5)), "wales"]
        assert second.next_cursor is None
        in_wales = unit.assets.page(None, region="south_wales")
        assert [asset.asset_id for asset in in_wales.items] == ["wales"]
        assert len(unit.assets.all_live()) == 7
        assert len(unit.assets.all_live("another")) == 1


@pytest.mark.parametrize("cursor", ["", "nonsense", "e30", "WyJqb2JzIiwxXQ", "ä", "WzEsMg"])
def test_a_cursor_of_another_list_is_refused(units: SqlUnitOfWorkFactory, cursor: str) -> None:
    with units() as unit, pytest.raises(InvalidRequest, match="cursor"):
        unit.assets.page("local", cursor=cursor)


def test_the_last_used_asset_is_that_of_the_newest_job_if_live_else_the_only_one(
    units: SqlUnitOfWorkFactory,
) -> None:
    with units() as unit:
        assert unit.assets.last_used("local") is None
    add(units, an_asset("cluster-a"))
    with units() as unit:
        assert unit.assets.last_used("local") == an_asset("cluster-a")
    add(units, an_asset("cluster-b"))
    with units(write=True) as unit:
        assert unit.assets.last_used("local") is None, "two assets and no job: nothing to go by"
        unit.jobs.add(a_job("old", asset_id="cluster-a"))
        unit.jobs.add(a_job("new", asset_id="cluster-b", accepted_at=NOON + timedelta(hours=1)))
        unit.commit()
    with units(write=True) as unit:
        assert unit.assets.last_used("local") == an_asset("cluster-b")
        unit.assets.update(replace(an_asset("cluster-b"), deleted_at=NOON, version=2))
        assert unit.assets.last_used("local") == an_asset("cluster-a")


def test_limits_of_power_read_back_as_they_were_stored(units: SqlUnitOfWorkFactory) -> None:
    once = PowerLimit(0.0, NOON, NOON + timedelta(hours=4), reason="maintenance")
    peak = PowerLimit(
        50.0, from_time=time(16), to_time=time(19), days=(Day.MON, Day.FRI), reason="Spitze ü"
    )
    asset = an_asset(power_limits=(once, peak))
    add(units, asset)
    with units(write=True) as unit:
        assert unit.assets.get("cluster-a") == asset
        free = replace(asset, power_limits=(), version=2)
        unit.assets.update(free)
        unit.commit()
    with units() as unit:
        assert unit.assets.all_live() == (free,)
