"""Octopus Agile: the public half-hourly price shape of each region, ex VAT.

Agile is a household tariff. It is used here because it is public, half-hourly and known ahead; it overstates the spread
a business sees. Prices for 23:00 to 23:00 London appear at about 16:00 the day before, sometimes hours late or in part.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from pydantic import BaseModel, ValidationError

from api_clients.http import Answer, HttpClient
from api_clients.octopus_parse import (
    Product,
    Rate,
    RatePage,
    choose_agile,
    parse_letters,
    parse_products,
    parse_rates,
    parse_tariffs,
    prices_by_slot,
    wanted_letters,
)
from api_clients.series import assemble, span
from models.domain.errors import (
    InvalidRequest,
    SourceMalformed,
    SourceRejected,
    SourceTimeout,
    SourceUnavailable,
)
from models.domain.ports import SignalBatch
from models.domain.regions import region_of_letter
from models.domain.signal import Provenance, SignalName, SignalSeries, ValueKind
from models.domain.time import (
    LONDON,
    SLOT,
    Horizon,
    at_london,
    ceil_slot,
    floor_slot,
    format_utc,
    parse_rfc3339,
)

V = TypeVar("V")

PAGE_SIZE = 1500
"""Records a page may hold at most; 31 days of half-hours fit."""

MAX_PAGES = 40
"""Pages followed before the service is taken to loop."""

WAITING_TTL = timedelta(minutes=5)
"""Freshness while prices that are due have not all appeared. Source: Cache-Control of the rate answers."""

COMPLETE_TTL = timedelta(hours=24)
"""Freshness once everything due has appeared; published rates never change."""

PRODUCT_TTL = timedelta(hours=24)
"""How long a discovered product is used before looking again."""

NOTE = "household tariff used as price shape, ex VAT"


def published_until(now: datetime) -> datetime:
    """Return the end of the last half-hour that is nominally published at `now` (23:00 London)."""
    today = now.astimezone(LONDON).date()
    is_tomorrow_out = now >= at_london(today, 16)
    return at_london(today + timedelta(days=1) if is_tomorrow_out else today, 23)


@dataclass(frozen=True)
class _Product:
    """The tariff in use."""

    code: str
    tariffs: dict[str, str]
    """Tariff code by region letter."""
    found_at: datetime
    """Planning clock."""


class _Remembered(BaseModel):
    """The product as a note on disk."""

    code: str
    tariffs: dict[str, str]
    found_at: str

    def product(self) -> _Product:
        return _Product(self.code, self.tariffs, parse_rfc3339(self.found_at))


class OctopusAgileClient:
    """Price source of the live grid."""

    name = "Octopus Agile"
    mode = "live"

    def __init__(self, http: HttpClient, base_url: str, product: str | None = None) -> None:
        """Keep the shared HTTP client.

        Args:
            http: The client.
            base_url: Address of the API, version included, without a trailing slash.
            product: Product code to use in place of discovery.
        """
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._override = product
        self._note = f"octopus product {self._base_url} {product or ''}".strip()
        self._product: _Product | None = self._remembered()

    def prices(
        self, letters: Collection[str], start: datetime, end: datetime, now: datetime
    ) -> SignalBatch:
        """Return the published prices of some letters' regions in `[start, end)`; one request a letter.

        Letters that fail are left out with a warning.

        Raises:
            SourceUnavailable: If no letter gave a price.
        """
        first = floor_slot(start)
        until = max(first + SLOT, min(ceil_slot(end), _latest_possible(now)))
        horizon = Horizon(first, (until - first) // SLOT)
        warnings: list[str] = []
        product = self._current(now, warnings)
        try:
            return self._of_product(product, letters, horizon, now, warnings)
        except SourceRejected as error:
            # A remembered product may have been withdrawn; look once more before giving up.
            if error.retry_after_seconds is not None or product.found_at == now:
                raise
            renewed = self._discover(now)
            if renewed.code == product.code:
                raise
            return self._of_product(renewed, letters, horizon, now, warnings)

    def letters_of_postcode(self, postcode: str) -> tuple[str, ...]:
        """Return the region letters a postcode lies in: none if unknown, several if it straddles a border.

        Raises:
            SourceUnavailable: If the service gives no usable answer.
        """
        plain = "".join(postcode.split()).upper()
        url = f"{self._base_url}/industry/grid-supply-points/?{urlencode({'postcode': plain})}"

        def ttl(letters: tuple[str, ...]) -> timedelta:
            return timedelta(days=30) if letters else timedelta(0)

        return self._get(url, parse_letters, ttl, timedelta(days=30)).value

    # --- rates --------------------------------------------------------------------------------

    def _of_product(
        self,
        product: _Product,
        letters: Collection[str],
        horizon: Horizon,
        now: datetime,
        warnings: list[str],
    ) -> SignalBatch:
        """Ask letter by letter; raise the first error if none worked."""
        series: list[SignalSeries] = []
        errors: list[SourceUnavailable] = []
        dropped = 0
        said = list(warnings)
        asked = wanted_letters(letters)
        for letter in asked:
            try:
                made, bad, short = self._letter(product, letter, horizon, now)
            except SourceUnavailable as error:
                errors.append(error)
                said.append(f"letter {letter} failed: {error}")
                if _is_hopeless(errors):
                    said.append(f"letters after {letter} were not asked")
                    break
                continue
            series.append(made)
            dropped += bad
            said.extend(short)
        if not series:
            raise (
                errors[0]
                if errors
                else SourceUnavailable(
                    f"{self.name} was asked for no known letter", source=self.name
                )
            )
        return SignalBatch(tuple(series), (), dropped, tuple(dict.fromkeys(said)))

    def _letter(
        self, product: _Product, letter: str, horizon: Horizon, now: datetime
    ) -> tuple[SignalSeries, int, list[str]]:
        """Return the series of a letter, dropped rows and what is missing."""
        tariff = product.tariffs.get(letter)
        if tariff is None:
            raise SourceRejected(
                f"{product.code} has no tariff for letter {letter}", source=self.name
            )
        path = f"/products/{product.code}/electricity-tariffs/{tariff}/standard-unit-rates/"
        since, due = _floor_day(horizon.start), min(horizon.end, published_until(now))
        query = urlencode(
            {
                "period_from": format_utc(since),
                "period_to": format_utc(_ceil_day(horizon.end)),
                "page_size": PAGE_SIZE,
            }
        )
        pages = list(self._pages(f"{self._base_url}{path}?{query}", since, due))
        rates = [rate for page in pages for rate in page.value.rates]
        known = prices_by_slot(rates, horizon)
        covered = span(known, horizon.start, horizon.slots)
        provenance = Provenance(
            source=f"{self.name} {product.code}",
            endpoint=path,
            kind=ValueKind.TARIFF,
            quality=pages[0].quality,
            issued_at=None,
            retrieved_at=min(page.fetched_at for page in pages),
            sha256=pages[0].sha256,
            note=NOTE,
        )
        region = region_of_letter(letter).slug
        series = (
            assemble(SignalName.PRICE, region, covered, [(known, provenance)]) if covered else None
        )
        if series is None:
            if horizon.start >= due:
                raise SourceUnavailable(
                    f"{self.name} has not published prices from {format_utc(horizon.start)} on",
                    source=self.name,
                )
            raise SourceMalformed(f"{self.name} sent no price in the range asked", source=self.name)
        return series, sum(p.value.dropped_rows for p in pages), _missing(known, horizon, due)

    def _pages(self, url: str, since: datetime, due: datetime) -> Iterator[Answer[RatePage]]:
        """Yield the pages of a list, following `next` on the same host only."""

        def check(body: Any) -> RatePage:
            page = parse_rates(body)
            if not page.rates:
                raise SourceMalformed(
                    f"{self.name} has no prices in that range (not published yet, or not a tariff with "
                    "standard rates)",
                    source=self.name,
                )
            return page

        def ttl(page: RatePage) -> timedelta:
            return COMPLETE_TTL if _reaches(page.rates, since, due) else WAITING_TTL

        following: str | None = url
        for _ in range(MAX_PAGES):
            if following is None:
                return
            self._demand_same_host(following)
            answer = self._get(following, check, ttl, timedelta(days=2))
            yield answer
            following = answer.value.next
        raise SourceMalformed(f"{self.name} sent more than {MAX_PAGES} pages", source=self.name)

    # --- product ------------------------------------------------------------------------------

    def _current(self, now: datetime, warnings: list[str]) -> _Product:
        """Return the product in use: the remembered one while fresh, else a discovered one.

        When discovery fails a remembered product of any age serves, with a warning.
        """
        known = self._product
        if known is not None and timedelta(0) <= now - known.found_at < PRODUCT_TTL:
            return known
        try:
            return self._discover(now)
        except SourceUnavailable as error:
            if known is None or (isinstance(error, SourceRejected) and error.retry_after_seconds):
                raise
            warnings.append(
                f"product {known.code}, found {format_utc(known.found_at)}, is used because looking "
                f"for a newer one failed: {error}"
            )
            return known

    def _discover(self, now: datetime) -> _Product:
        code = self._override or self._newest(now)
        detail = f"{self._base_url}/products/{code}/"
        tariffs = self._get(detail, parse_tariffs, timedelta(hours=1), timedelta(days=2)).value
        self._product = _Product(code, tariffs, now)
        note = {"code": code, "tariffs": tariffs, "found_at": format_utc(now)}
        self._http.notes.write(self._note, note)
        return self._product

    def _newest(self, now: datetime) -> str:
        """Look through every page of products for the Agile import product on sale."""
        query = urlencode({"brand": "OCTOPUS_ENERGY", "is_variable": "true"})
        following: str | None = f"{self._base_url}/products/?{query}"
        products: list[Product] = []
        for _ in range(MAX_PAGES):
            if following is None:
                break
            self._demand_same_host(following)
            # Asked once a day and after a withdrawal, when an old list would mislead: never from the store.
            page, following = self._get(
                following, parse_products, timedelta(0), timedelta(days=2)
            ).value
            products.extend(page)
        chosen = choose_agile(products, now)
        if chosen is None:
            raise SourceUnavailable(
                f"{self.name}: none of {len(products)} products is an Agile import product on sale at "
                f"{format_utc(now)}; set HALFHOUR_OCTOPUS_PRODUCT to name one",
                source=self.name,
            )
        return chosen.code

    def _remembered(self) -> _Product | None:
        note = self._http.notes.read(self._note)
        try:
            return None if note is None else _Remembered.model_validate(note).product()
        except (ValidationError, InvalidRequest):
            # Written by another version; discovery writes it anew.
            return None

    # --- inside -------------------------------------------------------------------------------

    def _get(
        self,
        url: str,
        check: Callable[[Any], V],
        ttl: timedelta | Callable[[V], timedelta],
        keep: timedelta,
    ) -> Answer[V]:
        return self._http.get_json(
            url, service=self._base_url, source=self.name, check=check, ttl=ttl, keep=keep
        )

    def _demand_same_host(self, url: str) -> None:
        ours, theirs = urlsplit(self._base_url), urlsplit(url)
        if (theirs.scheme, theirs.netloc) != (ours.scheme, ours.netloc):
            raise SourceMalformed(
                f"{self.name} names a next page on another host ({theirs.netloc[:80]}); not followed",
                source=self.name,
            )


def _is_hopeless(errors: list[SourceUnavailable]) -> bool:
    """Return whether asking on is pointless: the circuit is open, or two letters in a row timed out."""
    last = errors[-1]
    if isinstance(last, SourceRejected) and last.retry_after_seconds is not None:
        return True
    return len(errors) >= 2 and all(isinstance(e, SourceTimeout) for e in errors[-2:])


def _latest_possible(now: datetime) -> datetime:
    """Return the end of the last half-hour that can be published today: tomorrow 23:00 London."""
    return at_london(now.astimezone(LONDON).date() + timedelta(days=1), 23)


def _reaches(rates: Collection[Rate], since: datetime, due: datetime) -> bool:
    """Return whether the last price day up to `due` is there in full, as far as it was asked for."""
    local = (due - SLOT).astimezone(LONDON)
    begins_on = local.date() if local.hour >= 23 else local.date() - timedelta(days=1)
    begin = max(since, at_london(begins_on, 23))
    if due <= begin:
        return False
    day = Horizon(begin, (due - begin) // SLOT)
    return len(prices_by_slot(rates, day)) == day.slots


def _missing(known: dict[datetime, float], horizon: Horizon, due: datetime) -> list[str]:
    """Say how many prices that should be out are not there."""
    expected = [t for t in horizon.starts() if t < due]
    absent = [t for t in expected if t not in known]
    if not absent:
        return []
    said = f"{len(absent)} of {len(expected)} prices due are not there"
    return [f"{said}, the first for {format_utc(absent[0])}"]


def _floor_day(instant: datetime) -> datetime:
    return datetime(instant.year, instant.month, instant.day, tzinfo=UTC)


def _ceil_day(instant: datetime) -> datetime:
    floor = _floor_day(instant)
    return floor if floor == instant else floor + timedelta(days=1)
