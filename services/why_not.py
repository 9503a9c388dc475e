"""Why a job does not run at an instant somebody named: one plain sentence, with the numbers it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property

from agents.wording import money_text, when
from models.domain.asset import Asset
from models.domain.errors import FieldError, InvalidRequest
from models.domain.plan import Placement
from models.domain.ports import JobView, UnitOfWork
from models.domain.regions import REGIONS, admits
from models.domain.time import LONDON, ceil_slot
from models.optimise.limits import TOLERANCE_KW
from models.optimise.options import Closed, JobOptions, candidate_assets, must_run_on_arrival
from services import windows
from services.asset_room import AssetRoom, limit_text
from services.context import Context
from services.explain_types import Candidate, Difference, WhyNot
from services.no_run import obstacle
from services.why_not_words import compared, figures, holders, span
from services.windows import Facing, over_budget

FAR = timedelta(days=6)
"""Beyond this a day of the week could be two days, so the date is said."""


def over(view: JobView, start: datetime, asset_id: str | None) -> WhyNot:
    """Return the answer for a job that is not up for planning any more."""
    award = view.plan.award if view.plan else None
    place = asset_id or (award.placement.asset_id if award else view.job.asset_id)
    had = f"; it had {when(award.placement.start)} on {award.placement.asset_id}" if award else ""
    sentence = f"The job is {view.status}, so no window is looked at any more{had}."
    return WhyNot(start, ceil_slot(start), place, "status", sentence)


def answer(
    context: Context,
    uow: UnitOfWork,
    facing: Facing,
    asked: datetime,
    asset_id: str | None,
    owner: str | None,
) -> WhyNot:
    """Return why an open job does not run at `asked` on an asset.

    Args:
        context: Ports.
        uow: A reading transaction.
        facing: The job and everything it could do.
        asked: Any instant; a run starts on a half-hour, so the next one counts.
        asset_id: Any live asset of the job's owner; None: where it is planned, else its own.
        owner: Whose jobs may be named; None: everybody's.

    Raises:
        InvalidRequest: If the owner has no such asset.
    """
    asset = _asset(facing, asset_id)
    asking = _Asking(context, uow, facing, asked, asset, owner)
    for closed in (asking.not_allowed, asking.shut, asking.out_of_time):
        told = closed()
        if told is not None:
            return told
    return asking.window()


def _asset(facing: Facing, asset_id: str | None) -> Asset:
    by_id = {asset.asset_id: asset for asset in facing.assets}
    award = facing.present
    wanted = asset_id or (award.asset_id if award else facing.view.job.asset_id)
    if wanted in by_id:
        return by_id[wanted]
    known = ", ".join(sorted(by_id)[:20])
    raise InvalidRequest(
        f"there is no cluster {wanted!r} to ask about",
        (
            FieldError(
                "asset_id",
                f"there is no cluster {wanted!r}",
                wanted,
                known or "none registered",
                "name one of these",
            ),
        ),
    )


class _Asking:
    """One question, looked at rule by rule."""

    def __init__(
        self,
        context: Context,
        uow: UnitOfWork,
        facing: Facing,
        asked: datetime,
        asset: Asset,
        owner: str | None,
    ) -> None:
        self.context, self.uow, self.facing = context, uow, facing
        self.asked, self.asset, self.owner = asked, asset, owner
        self.job = facing.view.job
        self.start = ceil_slot(asked)

    # --- how it is said -----------------------------------------------------------------------

    def when(self, instant: datetime) -> str:
        """Return a London time, with its date where the day of the week alone could mislead."""
        if abs(instant - self.facing.now) < FAR:
            return when(instant)
        return f"{when(instant)} on {instant.astimezone(LONDON):%-d %B}"

    def say(
        self,
        verdict: str,
        rest: str,
        *,
        candidate: Candidate | None = None,
        against: Difference | None = None,
        numbers: Mapping[str, float] | None = None,
    ) -> WhyNot:
        """Return an answer that begins with the window asked about."""
        head = f"{self.when(self.start)} on {self.asset.asset_id}"
        if self.start != self.asked:
            asked = self.when(self.asked)
            head = f"Runs start on a half-hour and the next after {asked} is {head}, which"
        return WhyNot(
            asked_start=self.asked,
            start=self.start,
            asset_id=self.asset.asset_id,
            verdict=verdict,
            sentence=f"{head} {rest}.",
            candidate=candidate,
            against=against,
            numbers=dict(numbers or {}),
        )

    # --- rules, in the order in which they decide ----------------------------------------------

    def not_allowed(self) -> WhyNot | None:
        """Return the answer where the job may not run on the asset at all."""
        job, asset = self.job, self.asset
        if asset in candidate_assets(job, self.facing.assets):
            return None
        if not admits(job.allowed_regions, asset.region):
            allowed = ", ".join(REGIONS[slug].name for slug in job.allowed_regions)
            place = REGIONS[asset.region].name
            return self.say("region", f"is not allowed: it stands in {place} and the job allows only {allowed}")  # fmt: skip
        types = {a.asset_id: a.asset_type for a in self.facing.assets}
        own = types.get(job.asset_id)
        if own is None:
            return self.say("asset", f"is not allowed: the job's own cluster {job.asset_id} no longer exists, so nothing tells which others suit it")  # fmt: skip
        return self.say("asset_type", f"is not allowed: it is of type {asset.asset_type} and the job needs {own}, the type of its own cluster {job.asset_id}")  # fmt: skip

    def shut(self) -> WhyNot | None:
        """Return the answer where a job it waits for keeps every window from it."""
        around = self.facing.alone.around
        if not around.is_shut:
            return None
        return self.say("predecessor", f"cannot be taken now: {around.why_shut}")

    def out_of_time(self) -> WhyNot | None:
        """Return the answer where the start is past, too early or too late."""
        job, facing = self.job, self.facing
        horizon, mine = facing.alone.table.horizon, facing.options
        first_open = horizon.start_of(facing.alone.table.first_open)
        if self.start < first_open:
            said = self.when(first_open)
            return self.say("past", f"can no longer be taken: the first half-hour still open is {said}")  # fmt: skip
        release = ceil_slot(job.release)
        if self.start < release:
            early = (release - self.start) / timedelta(minutes=1)
            said = self.when(release)
            return self.say("early", f"is {span(early)} too early: the job may start from {said}", numbers={"early_minutes": early})  # fmt: skip
        first = horizon.start_of(mine.first_start)
        if self.start < first:
            waits = ", ".join(job.depends_on)
            open_ended = facing.alone.around.unplanned
            by = f"of which {', '.join(open_ended)} has no window yet, and which cannot end before" if open_ended else "planned to end by"  # fmt: skip
            return self.say("predecessor", f"is too early: the job waits for {waits}, {by} {self.when(first)}")  # fmt: skip
        late = (self.start + job.duration - job.latest_finish) / timedelta(minutes=1)
        if late > 0:
            finish, last = self.start + job.duration, job.latest_finish - job.duration
            rest = (
                f"is too late: the run would finish {self.when(finish)}, {span(late)} after its deadline "
                f"{self.when(job.latest_finish)}; its last start is {self.when(horizon.start_of(horizon.index_of(last)))}"
            )
            return self.say("late", rest, numbers={"late_minutes": late})
        return None

    def window(self) -> WhyNot:
        """Return the answer for a start within the job's window on a cluster it may use."""
        facing = self.facing
        index = facing.alone.table.horizon.index_of(self.start)
        present = facing.present
        has = present is not None and (present.start, present.asset_id) == (self.start, self.asset.asset_id)  # fmt: skip
        k = windows.present_option(facing) if has else None
        if k is None:
            k = windows.look_up(facing, facing.alone.table.index[self.asset.asset_id], index)
        if k is None:
            return self._not_listed()
        (candidate,) = windows.named(self.context, self.uow, facing, [k], self.owner)
        against = self._difference(k, candidate.placement, present)
        if has:
            told = figures(candidate.placement)
            return self.say("chosen", f"is the window it has{told}", candidate=candidate, against=against)  # fmt: skip
        if not candidate.feasible:
            return self._closed(k, candidate, against)
        return self._free(k, candidate, against)

    def _not_listed(self) -> WhyNot:
        job, facing = self.job, self.facing
        own = next((a for a in facing.assets if a.asset_id == job.asset_id), None)
        if must_run_on_arrival(job, own):
            first = facing.alone.table.horizon.start_of(facing.options.first_start)
            kind = "it is fixed" if own is None or own.is_deferrable else f"jobs on {own.asset_id} may not wait"  # fmt: skip
            return self.say("fixed", f"is not offered: {kind}, so the job starts as soon as it may, {self.when(first)}")  # fmt: skip
        mine = facing.options
        if not isinstance(mine, JobOptions):
            index = facing.alone.table.horizon.index_of(self.start)
            found = obstacle(mine, self.asset, index, self.room)
            return self.say(found.verdict, found.rest, numbers=found.numbers)
        until = self.when(facing.alone.table.horizon.end)
        return self.say("unknown", f"lies beyond what is planned: windows are priced until {until}")

    def _closed(self, k: int, candidate: Candidate, against: Difference | None) -> WhyNot:
        job, placed = self.job, candidate.placement
        code = Closed(int(self.facing.options.closed[k]))
        numbers: dict[str, float] = {}
        if code is Closed.CARBON_CAP:
            mean, cap = placed.mean_carbon_g_per_kwh, job.carbon_cap_g_per_kwh
            assert mean is not None, "only a known mean breaks a cap"
            assert cap is not None, "only a cap that is set is broken"
            numbers = {"mean_carbon_g_per_kwh": mean, "carbon_cap_g_per_kwh": cap}
            rest = f"is closed by the job's carbon cap: it would average {mean:.1f} g/kWh and the cap is {cap:g} g/kWh"
        elif code is Closed.MAX_PRICE:
            price, top = placed.mean_price_gbp_per_kwh, job.max_price_gbp_per_kwh
            assert price is not None, "only a known mean breaks a cap"
            assert top is not None, "only a cap that is set is broken"
            numbers = {"mean_price_gbp_per_kwh": price, "max_price_gbp_per_kwh": top}
            rest = f"is closed by the job's price cap: it would average £{price:.4f}/kWh and the cap is £{top:g}/kWh"
        elif code is Closed.POWER:
            rest, numbers = self._too_small(k)
        elif code is Closed.TRANSFER:
            rest = f"comes too early: the job's {job.data_gb:g} GB of data cannot be there by then"
        elif candidate.rule == "successor":
            rest = self._before_successor(k)
        else:
            rest, numbers = self._full(k, candidate)
        verdict = candidate.rule or "power"
        return self.say(verdict, rest, candidate=candidate, against=against, numbers=numbers)

    def _before_successor(self, k: int) -> str:
        """Return which planned job starts before a window would end."""
        first = self.facing.alone.around.first_successor
        assert first is not None, "only a planned successor closes a window by its start"
        ends = self.when(self.facing.alone.table.horizon.start_of(self.facing.options.hold(k).stop))
        return (
            f"would be over by {ends}, too late for {first[0]}, which waits for the job and is planned from "
            f"{self.when(first[1])}; only a plan that moves both can give it"
        )

    def _too_small(self, k: int) -> tuple[str, dict[str, float]]:
        """Return what the cluster offers to jobs in a window, by its size or by a limit, where that is too little."""
        facing, asset = self.facing, self.asset
        slots, power_kw = windows.spots(facing.options, k)
        row = facing.alone.table.index[asset.asset_id]
        limit_kw = facing.alone.table.limit_kw[row, slots]
        need, plain = float(power_kw.max()), asset.room_kw
        if need > plain + TOLERANCE_KW:
            rest = f"is too small: the job needs {need:g} kW and it offers {plain:g} kW to jobs"
            return rest, {"needed_kw": need, "limit_kw": plain}
        worst = int((limit_kw - power_kw).argmin())
        at = facing.alone.table.horizon.start_of(int(slots[worst]))
        limit = self.room.limit_at(at)
        assert limit is not None, "only a limit offers less than the cluster has"
        need = float(power_kw[worst])
        rest = f"is limited: the job needs {need:g} kW and {limit_text(asset.asset_id, limit, at)}"
        return rest, {"needed_kw": need, "limit_kw": limit.power_kw}

    @cached_property
    def room(self) -> AssetRoom:
        """Return limits and contracts of the cluster asked about."""
        return windows.room_of(self.uow, self.facing, self.asset.asset_id)

    def _full(self, k: int, candidate: Candidate) -> tuple[str, dict[str, float]]:
        """Return in words who holds the power of a window, and what it is worth."""
        facing = self.facing
        slots, power_kw = windows.spots(facing.options, k)
        row = facing.alone.table.index[self.asset.asset_id]
        room_kw = facing.alone.table.room_kw[row, slots]
        worst = int((room_kw - power_kw).argmin())
        need, room = float(power_kw[worst]), float(room_kw[worst])
        at = self.when(facing.alone.table.horizon.start_of(int(slots[worst])))
        starts = (facing.alone.table.horizon.start_of(int(slot)) for slot in facing.short(k))
        kept = [one for start in starts for one in self.room.kept_at(start)]
        full = "is full: the job needs"
        if not isinstance(facing.options, JobOptions):
            full = "begins no run that fits beside the other jobs: the best without them would need"
        rest = f"{full} {need:g} kW and only {room:g} kW is left in the half-hour from {at}; {holders(candidate, kept)}"
        numbers = {
            "needed_kw": need,
            "room_kw": room,
            "full_half_hours": float(facing.short(k).size),
        }
        shadow = candidate.shadow
        if shadow is not None:
            numbers |= {
                "mean_shadow_gbp_per_kwh": shadow.mean_gbp_per_kwh,
                "highest_shadow_gbp_per_kwh": shadow.highest_gbp_per_kwh,
                "shadow_run_gbp": shadow.run_gbp,
            }
            if shadow.highest_gbp_per_kwh > 0.0:
                rest += (
                    f"; by the plan's shadow prices that power is worth up to £{shadow.highest_gbp_per_kwh:.4f}/kWh, "
                    f"{money_text(shadow.run_gbp)} for this run"
                )
            else:
                rest += "; the plan in force puts no shadow price on it"
        return rest, numbers

    def _free(self, k: int, candidate: Candidate, against: Difference | None) -> WhyNot:
        """Return how a window that can be taken compares."""
        over = over_budget(self.facing, k)
        if against is None:
            told = figures(candidate.placement)
            if self.job.is_held:
                rest = f"is free{told}, but the job is held, so no plan gives it a window until it is released"
                return self.say("held", rest, candidate=candidate)
            if over is not None:
                rest = f"is free{told}, but {over}; a plan may give the job another window, or move others for it"
                return self.say("carbon_budget", rest, candidate=candidate)
            rest = f"is free{told}, and the job has no window yet; the next plan decides"
            return self.say("free", rest, candidate=candidate)
        extra = against.objective_gbp
        if extra is None:
            rest = "is free, but its carbon or price is not known on both sides, so it cannot be compared with the window it has"
            return self.say("unknown", rest, candidate=candidate, against=against)
        numbers = {"extra_gbp": extra}
        if against.moving_gbp:
            numbers["moving_gbp"] = against.moving_gbp
        kept = over if over is not None and self.job.pinned_start is None else None
        price = self.context.policy.carbon_price_gbp_per_tonne
        verdict, rest = compared(extra, against, kept, self._why_kept(), price)
        return self.say(verdict, rest, candidate=candidate, against=against, numbers=numbers)

    def _why_kept(self) -> str:
        """Return why a job keeps a window although a better one is free."""
        if self.job.pinned_start is not None:
            return "the job is pinned where it is, so only you move it"
        mine = self.facing.options
        if mine.runs_on_arrival and not must_run_on_arrival(self.job, None):
            return "waiting for it would save too little, so the job runs on arrival"
        award = self.facing.view.plan.award if self.facing.view.plan else None
        if award is not None and award.is_frozen:
            return "the job no longer moves, because its start is too close"
        return (
            "the next plan moves the job there, unless other work has more need of that power then"
        )

    def _difference(
        self, k: int, placed: Placement, present: Placement | None
    ) -> Difference | None:
        if present is None:
            return None
        kg = _minus(placed.carbon_kg, present.carbon_kg)
        kappa = self.context.policy.kappa_gbp_per_kg
        return Difference(
            objective_gbp=_minus(placed.objective_gbp, present.objective_gbp),
            cost_gbp=_minus(placed.cost_gbp, present.cost_gbp),
            carbon_kg=kg,
            carbon_gbp=None if kg is None else kg * kappa,
            delay_gbp=placed.delay_gbp - present.delay_gbp,
            moving_gbp=self.facing.moving_gbp(k),
        )


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
