"""The paths of the Octopus REST API v1, with the shapes, paging and traps of the real one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from flask import Blueprint, Response, jsonify, request

from models.domain.regions import PRICE_LETTERS
from models.domain.time import LONDON, SLOT, agile_published_at, at_london, ceil_slot, floor_slot
from models.domain.vat import vat_rate
from tests.standin.state import StandInState
from tests.standin.world import World

DATA_FROM = datetime(2020, 1, 1, tzinfo=UTC)
"""Agile prices begin here."""

MAX_PAGE_SIZE = 1500


@dataclass(frozen=True)
class Offer:
    """One product."""

    code: str
    available_from: datetime
    available_to: datetime | None = None
    direction: str = "IMPORT"
    brand: str = "OCTOPUS_ENERGY"
    prices_end: datetime | None = None
    """Withdrawn products keep answering, without newer prices."""

    @property
    def is_agile(self) -> bool:
        """Return whether its import rates follow the half-hour."""
        return self.code.startswith("AGILE-") and self.direction == "IMPORT"


def _utc(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


OFFERS = (
    Offer("AGILE-18-02-21", _utc(2017, 1, 1), _utc(2022, 11, 25), prices_end=_utc(2023, 11, 25)),
    Offer(
        "AGILE-FLEX-22-11-25",
        _utc(2022, 11, 25),
        _utc(2023, 12, 11, 12),
        prices_end=_utc(2025, 1, 1),
    ),
    Offer("AGILE-23-12-06", _utc(2023, 12, 6), _utc(2024, 4, 3)),
    Offer("AGILE-24-04-03", _utc(2024, 4, 2, 23), _utc(2024, 10, 1)),
    Offer("AGILE-24-10-01", _utc(2024, 9, 30, 23)),
    Offer("AGILE-BB-23-02-08", _utc(2023, 2, 8), brand="BULB"),
    Offer("AGILE-OUTGOING-19-05-13", _utc(2018, 1, 1), direction="EXPORT"),
    Offer("AGILE-OUTGOING-BB-23-02-28", _utc(2023, 2, 27), direction="EXPORT", brand="BULB"),
    Offer("COSY-22-12-08", _utc(2022, 12, 13)),
    Offer("GO-VAR-22-10-14", _utc(2022, 10, 13, 23)),
    Offer("VAR-22-11-01", _utc(2022, 11, 1)),
)
"""What is or was on sale."""

GROUPS = {
    "SW1A": "_C",
    "EC1V": "_C",
    "W1": "_C",
    "W7": "_C",
    "BH1": "_H",
    "EH1": "_N",
    "IV1": "_P",
    "CF10": "_K",
}
"""Supply groups of some outward codes."""


class Refused(Exception):
    """An error answer with its body."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(str(body))
        self.status, self.body = status, body


def octopus_blueprint(
    world: World, state: StandInState, *, products_per_page: int = 100
) -> Blueprint:
    """Return the routes, to be mounted at `/octopus/v1`."""
    shop = _Shop(world, state, products_per_page)
    bp = Blueprint("octopus", __name__)

    @bp.before_request
    def faulty() -> Any:
        return _faulty(state)

    @bp.errorhandler(Refused)
    def refused(error: Refused) -> tuple[Response, int]:
        return jsonify(error.body), error.status

    bp.add_url_rule("/products/", view_func=shop.products)
    bp.add_url_rule("/products/<code>/", view_func=shop.product)
    rates = "/products/<code>/electricity-tariffs/<tariff>"
    bp.add_url_rule(f"{rates}/standard-unit-rates/", view_func=shop.unit_rates)
    bp.add_url_rule(f"{rates}/standing-charges/", view_func=shop.standing_charges)
    bp.add_url_rule("/industry/grid-supply-points/", view_func=shop.supply_points)

    @bp.get("/accounts/<number>/")
    def account(number: str) -> Any:
        if not number.startswith("A-"):
            return "<html><body><h1>Not Found</h1></body></html>", 404
        raise Refused(401, {"detail": "Authentication credentials were not provided."})

    return bp


def _faulty(state: StandInState) -> Any:
    """Return the answer of a fault that replaces the whole body, or None."""
    slow = state.fault("octopus_slow")
    if slow:
        state.stopped.wait(float(slow))
    if state.fault("octopus_500"):
        return "<html><body><h1>Server Error (500)</h1></body></html>", 500
    limited = state.fault("octopus_429")
    if limited:
        body = {"detail": "Request was throttled."}
        return jsonify(body), 429, {"Retry-After": str(int(limited))}
    if state.fault("octopus_html"):
        return "<html><body>Scheduled maintenance</body></html>", 200
    return None


class _Shop:
    """Answers for products and their rates."""

    def __init__(self, world: World, state: StandInState, products_per_page: int) -> None:
        self._world = world
        self._state = state
        self._products_per_page = products_per_page

    # --- products -----------------------------------------------------------------------------

    def products(self) -> Any:
        """List what is on sale; `page_size` is ignored."""
        now = self._state.now()
        brand = request.args.get("brand")
        found = [
            _offer_json(o)
            for o in OFFERS
            if o.available_from <= now + timedelta(days=7)
            and (o.available_to is None or o.available_to > now)
            and brand in (None, o.brand)
        ]
        return self._paged(found, self._products_per_page)

    def product(self, code: str) -> Any:
        """Show one product; withdrawn ones still answer."""
        offer = self._offer(code)
        tariffs = {
            f"_{letter}": {
                "direct_debit_monthly" if offer.is_agile else "varying": {
                    "code": f"E-1R-{code}-{letter}",
                    "standing_charge_exc_vat": 45.57,
                    "standing_charge_inc_vat": 47.8485,
                    "links": [],
                }
            }
            for letter in PRICE_LETTERS
        }
        body = _offer_json(offer) | {
            "single_register_electricity_tariffs": tariffs,
            "dual_register_electricity_tariffs": {},
            "single_register_gas_tariffs": {},
        }
        return jsonify(body)

    def _offer(self, code: str) -> Offer:
        withdrawn = self._state.fault("octopus_withdrawn") or ()
        offer = next((o for o in OFFERS if o.code == code and code not in withdrawn), None)
        if offer is None:
            raise Refused(404, {"detail": "No EnergyProduct matches the given query."})
        return offer

    # --- rates --------------------------------------------------------------------------------

    def unit_rates(self, code: str, tariff: str) -> Any:
        """Show unit rates that overlap the asked period, newest first."""
        offer = self._offer(code)
        if tariff.startswith("E-2R-"):
            raise Refused(400, {"detail": "This tariff has day and night rates, not standard."})
        letter = tariff[-1]
        if tariff != f"E-1R-{code}-{letter}" or letter not in PRICE_LETTERS:
            raise Refused(404, {"detail": "No Tariff matches the given query."})
        begin, until = _period()
        if letter in str(self._state.fault("octopus_failing_letters") or ""):
            return "<html><body><h1>Server Error (500)</h1></body></html>", 500
        if self._state.fault("octopus_empty"):
            return self._paged([], _page_size())
        if not offer.is_agile:
            return self._paged(self._open_ended(28.5), _page_size())
        rows = self._half_hours(offer, begin, until)
        return self._paged(rows, _page_size(), lambda start: self._rate(letter, start))

    def standing_charges(self, code: str, tariff: str) -> Any:
        """Show standing charges."""
        self._offer(code)
        return self._paged(self._open_ended(45.57), _page_size())

    def _half_hours(
        self, offer: Offer, begin: datetime | None, until: datetime | None
    ) -> list[datetime]:
        """Return the starts of published half-hours that overlap the period, newest first."""
        end = self._published_end()
        if offer.prices_end is not None:
            end = min(end, offer.prices_end)
        first = max(ceil_slot(offer.available_from), DATA_FROM)
        if begin is not None:
            first = max(first, floor_slot(begin))
        if until is not None:
            end = min(end, ceil_slot(until))
        count = max(0, (end - first) // SLOT)
        starts = [end - (k + 1) * SLOT for k in range(count)]
        return [s for s in starts if self._world.price("J", s) is not None]

    def _published_end(self) -> datetime:
        """Return the end of the newest published half-hour, late and partial days included."""
        now = self._state.now()
        today = now.astimezone(LONDON).date()
        late = self._state.fault("octopus_late")
        hour = 16 if not late else (20 if late is True else int(late))
        tomorrow_is_out = now >= at_london(today, hour)
        set_start = at_london(today if tomorrow_is_out else today - timedelta(days=1), 23)
        assert agile_published_at(set_start) <= now
        end = at_london(today + timedelta(days=1) if tomorrow_is_out else today, 23)
        partial = self._state.fault("octopus_partial_day")
        if partial:
            end = set_start + (20 if partial is True else int(partial)) * SLOT
        return end

    def _rate(self, letter: str, start: datetime) -> dict[str, Any]:
        pence = self._world.price(letter, start)
        assert pence is not None
        return _rate_json(pence, start, start, start + SLOT, None)

    def _open_ended(self, pence: float) -> list[dict[str, Any]]:
        """Return one long record a payment method, and the one before; today's VAT on the whole span."""
        since, before, now = _utc(2023, 3, 31, 23), _utc(2022, 11, 1), self._state.now()
        return [
            _rate_json(pence + extra, now, begin, end, method)
            for begin, end in ((since, None), (before, since))
            for method, extra in (("DIRECT_DEBIT", 0.0), ("NON_DIRECT_DEBIT", 5.22))
        ]

    def supply_points(self) -> Any:
        """Look up supply groups; an unknown postcode gives an empty list."""
        plain = "".join(request.args.get("postcode", "").split()).upper()
        outward = plain if plain in GROUPS else plain[:-3]
        if outward == "SY10":
            return self._paged([{"group_id": "_D"}, {"group_id": "_E"}], 100)
        group = GROUPS.get(outward)
        return self._paged([{"group_id": group}] if group else [], 100)

    # --- paging -------------------------------------------------------------------------------

    def _paged(self, rows: list[Any], size: int, make: Any = None) -> Any:
        page = request.args.get("page", default=1, type=int)
        begin = (page - 1) * size
        if page < 1 or (begin >= len(rows) and page > 1):
            raise Refused(404, {"detail": "Invalid page."})
        shown = [make(row) if make else row for row in rows[begin : begin + size]]
        if shown and make and page == 1 and self._state.fault("octopus_absurd"):
            shown[-1] = {**shown[-1], "value_exc_vat": 99_999.0, "value_inc_vat": 99_999.0}
        following = self._link(page + 1) if begin + size < len(rows) else None
        if self._state.fault("octopus_foreign_next"):
            following = "http://198.51.100.7/v1/products/"
        return jsonify(
            {
                "count": len(rows),
                "next": following,
                "previous": self._link(page - 1) if page > 1 else None,
                "results": shown,
            }
        )

    @staticmethod
    def _link(page: int) -> str:
        kept = {k: v for k, v in request.args.items() if k != "page"} | {"page": str(page)}
        query = "&".join(f"{k}={v.replace('+', '%2B')}" for k, v in kept.items())
        return f"{request.base_url}?{query}"


def _offer_json(offer: Offer) -> dict[str, Any]:
    local = offer.available_from.astimezone(LONDON).isoformat()
    return {
        "code": offer.code,
        "direction": offer.direction,
        "full_name": offer.code.replace("-", " ").title(),
        "display_name": "Agile Octopus" if offer.is_agile else offer.code.split("-")[0].title(),
        "description": "Stand-in product",
        "is_variable": True,
        "is_green": True,
        "is_tracker": False,
        "is_prepay": False,
        "is_business": False,
        "is_restricted": False,
        "term": None,
        "available_from": local.replace("+00:00", "Z"),
        "available_to": offer.available_to
        and offer.available_to.isoformat().replace("+00:00", "Z"),
        "links": [],
        "brand": offer.brand,
    }


def _rate_json(
    pence: float, taxed_at: datetime, begin: datetime, end: datetime | None, method: str | None
) -> dict[str, Any]:
    inc_vat = Decimal(str(pence)) * (1 + vat_rate(taxed_at))
    return {
        "value_exc_vat": pence,
        "value_inc_vat": float(inc_vat),
        "valid_from": f"{begin:%Y-%m-%dT%H:%M:%SZ}",
        "valid_to": end and f"{end:%Y-%m-%dT%H:%M:%SZ}",
        "payment_method": method,
    }


def _period() -> tuple[datetime | None, datetime | None]:
    """Read `period_from` and `period_to`; naive values are London time."""
    begin, until = _instant("period_from"), _instant("period_to")
    if until is not None and begin is None:
        raise Refused(
            400, {"period_from": ["This field is required when providing a `period_to`."]}
        )
    if begin is not None and until is not None and begin > until:
        raise Refused(400, {"period_from": ["Must not be greater than `period_to`."]})
    return begin, until


def _instant(name: str) -> datetime | None:
    text = request.args.get(name)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(400, {name: ["Enter a valid date/time."]}) from error
    return (found if found.tzinfo else found.replace(tzinfo=LONDON)).astimezone(UTC)


def _page_size() -> int:
    return max(1, min(MAX_PAGE_SIZE, request.args.get("page_size", default=100, type=int)))
