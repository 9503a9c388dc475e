"""The cheapest run in chunks that keeps its mean caps, by labels with dominance.

A label is one way to have used n half-hours in k chunks up to a place, with its cost and its excess over both caps. Of
two labels in one state, the one that is no better in any of the three is dropped; so is a label that cannot end
cheaper than the best run known, or within its caps, by exact tables of the least that is still to come. What is left
is exact; a limit on labels per step makes it a beam search that says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models.optimise.chunked import LEAD, Begun, RunShape, run_sums, with_lead
from models.optimise.table import FloatArray, IntArray

LABEL_LIMIT = 20_000
"""Most labels kept per half-hour used."""

COMPARED = 24
"""How many cheaper labels of its state a label is compared with under two caps; fewer find fewer to drop."""

JUMPED_AT_ONCE = 2_000_000
"""Most (label, place) pairs looked at together when new chunks begin."""

GAIN_GBP = 1e-9
"""A run must be this much cheaper than the best known to count. [GBP]"""

EXCESS_SLACK = 1e-12
"""Excess that counts as none, for rounding. [kg or GBP]"""


@dataclass(frozen=True)
class Tables:
    """Costs and excesses with what is least still to come.

    The first axis is (cost with priced excess, carbon excess, price excess), then cost alone where there are four.

    Attributes:
        full: Shape (4, places).
        last: Shape (chunks, 4, places).
        runs: Minimum runs that end at each place, shape (4, places).
        heads: The same without the last place.
        to_go: Least still to come after n half-hours, the last at a place, in k chunks; shape (used, 3, places, chunks + 1).
        multipliers: Prices of the excess, shape (2,).
    """

    shape: RunShape
    begun: Begun
    full: FloatArray
    last: FloatArray
    runs: FloatArray
    heads: FloatArray
    to_go: FloatArray
    multipliers: FloatArray

    @classmethod
    def of(
        cls,
        parts: Sequence[tuple[FloatArray, FloatArray]],
        shape: RunShape,
        begun: Begun,
        multipliers: Sequence[float],
    ) -> Tables:
        """Build the tables from (full, last) of cost, carbon excess and price excess on one lane."""
        mu = np.asarray(multipliers, dtype=np.float64)
        cost, carbon, price = parts
        full = np.concatenate([cost[0], carbon[0], price[0], cost[0]])
        last = np.concatenate([cost[1], carbon[1], price[1], cost[1]], axis=1)
        full[0] = _weighed(cost[0][0], carbon[0][0], price[0][0], mu)
        last[:, 0] = _weighed(cost[1][:, 0], carbon[1][:, 0], price[1][:, 0], mu)
        full, last = with_lead(full, np.inf), with_lead(last, np.inf)
        m = shape.min_run
        runs = run_sums(full, m)
        heads = np.full_like(full, np.inf)
        heads[:, 1:] = run_sums(full, m - 1)[:, :-1] if m > 1 else 0.0
        to_go = _to_go(full[:3], last[:, :3], runs[:3], heads[:3], shape, begun)
        return cls(shape, begun, full, last, runs, heads, to_go, mu)


def _weighed(cost: FloatArray, carbon: FloatArray, price: FloatArray, mu: FloatArray) -> FloatArray:
    is_closed = np.isinf(cost)
    parts = [np.where(is_closed, 0.0, each) for each in (cost, carbon, price)]
    answer: FloatArray = np.where(is_closed, np.inf, parts[0] + mu[0] * parts[1] + mu[1] * parts[2])
    return answer


def _to_go(
    full: FloatArray,
    last: FloatArray,
    runs: FloatArray,
    heads: FloatArray,
    shape: RunShape,
    begun: Begun,
) -> FloatArray:
    """Return the least still to come from every state, for each of the three measures; see `Tables`."""
    kinds, places = full.shape
    m, u0 = shape.min_run, begun.slots
    used = max(shape.longest - u0, 1)
    to_go = np.full((used, kinds, places, shape.chunks + 1), np.inf)
    for n in reversed(range(used)):
        here = to_go[n]
        if n + 1 < used:
            here[:, :-1] = to_go[n + 1][:, 1:] + full[:, 1:, None]
        for k in range(shape.chunks + 1):
            entered = np.full((kinds, places), np.inf)
            if k >= 1 and shape.slots[k - 1] - u0 == n + 1:
                np.minimum(here[:, :-1, k], last[k - 1][:, 1:], out=here[:, :-1, k])
            if k < shape.chunks:
                if n + m < used:
                    entered = to_go[n + m][:, :, k + 1] + runs
                if shape.slots[k] - u0 == n + m:
                    entered = np.minimum(entered, heads + last[k])
            # A new chunk that ends at a place begins m − 1 before it, and a break lies before that.
            later = np.minimum.accumulate(entered[:, ::-1], axis=1)[:, ::-1]
            if places > m + 1:
                span = here[:, : -(m + 1), k]
                np.minimum(span, later[:, m + 1 :], out=span)
    return to_go


@dataclass
class _Layer:
    """Labels with one number of half-hours used, in parallel arrays."""

    place: IntArray
    chunks: IntArray
    value: FloatArray
    """Cost, carbon excess, price excess; shape (3, labels)."""
    parent: IntArray
    is_jump: IntArray

    def take(self, keep: IntArray) -> _Layer:
        return _Layer(
            self.place[keep], self.chunks[keep], self.value[:, keep],
            self.parent[keep], self.is_jump[keep],
        )  # fmt: skip


@dataclass
class _Search:
    tables: Tables
    limit_gbp: float
    label_limit: int
    is_complete: bool = True
    waiting: dict[int, list[_Layer]] = field(default_factory=dict)
    kept: list[_Layer] = field(default_factory=list)
    """Every layer that was expanded; label numbers count through them."""
    count: int = 0
    best: tuple[int, int, int, bool] | None = None
    """Label number, last place, chunks, whether the last chunk is new: of the best run found."""

    def lower(self, value: FloatArray) -> FloatArray:
        """Return cost with priced excess, shape (labels,)."""
        mu = self.tables.multipliers
        answer: FloatArray = value[0] + mu[0] * value[1] + mu[1] * value[2]
        return answer


def search(
    tables: Tables, limit_gbp: float, excess_spent: FloatArray, label_limit: int = LABEL_LIMIT
) -> tuple[tuple[IntArray, int] | None, bool]:
    """Return the cheapest run below a cost within its caps as (half-hours, chunks), and whether the answer is proven.

    Args:
        tables: Costs and excesses.
        limit_gbp: Cost of the best run known; infinite where none is. [GBP]
        excess_spent: Excess of what is already used, shape (2,). [kg], [GBP]
        label_limit: Most labels kept per half-hour used.
    """
    state = _Search(tables, limit_gbp, label_limit)
    begun = tables.begun
    value = np.array([[0.0], [excess_spent[0]], [excess_spent[1]]])
    one = np.array([int(begun.is_running)], dtype=np.int64)
    root = _Layer(one, np.array([begun.chunks]), value, np.array([-1]), np.array([0]))
    state.waiting[0] = [root]
    for n in range(tables.to_go.shape[0]):
        layer = _merged(state, n)
        if layer is None:
            continue
        first = state.count
        state.kept.append(layer)
        state.count += layer.place.size
        _finish(state, layer, n, first)
        _go_on(state, layer, n, first)
        _begin_chunks(state, layer, n, first)
    return _trace(state), state.is_complete


def _merged(state: _Search, n: int) -> _Layer | None:
    """Return the labels with n half-hours used that are worth keeping."""
    parts = state.waiting.pop(n, [])
    if not parts:
        return None
    layer = _Layer(
        np.concatenate([p.place for p in parts]),
        np.concatenate([p.chunks for p in parts]),
        np.concatenate([p.value for p in parts], axis=1),
        np.concatenate([p.parent for p in parts]),
        np.concatenate([p.is_jump for p in parts]),
    )
    layer = layer.take(np.flatnonzero(_is_hopeful(state, layer, n)))
    layer = layer.take(_undominated(layer))
    if layer.place.size > state.label_limit:
        state.is_complete = False
        promise = state.lower(layer.value) + state.tables.to_go[n, 0, layer.place, layer.chunks]
        layer = layer.take(np.sort(np.argsort(promise, kind="stable")[: state.label_limit]))
    return layer if layer.place.size else None


def _is_hopeful(state: _Search, layer: _Layer, n: int) -> FloatArray:
    to_go = state.tables.to_go[n, :, layer.place, layer.chunks].T
    answer: FloatArray = (
        (state.lower(layer.value) + to_go[0] < state.limit_gbp - GAIN_GBP)
        & (layer.value[1] + to_go[1] <= EXCESS_SLACK)
        & (layer.value[2] + to_go[2] <= EXCESS_SLACK)
    )
    return answer


def _undominated(layer: _Layer) -> IntArray:
    """Return labels that no cheaper one of their state beats in both excesses (compared with a few only)."""
    states = layer.place * (int(layer.chunks.max(initial=0)) + 1) + layer.chunks
    order = np.lexsort((layer.value[2], layer.value[1], layer.value[0], states))
    states, value = states[order], layer.value[:, order]
    is_beaten = np.zeros(order.size, dtype=np.bool_)
    for back in range(1, min(COMPARED, order.size - 1) + 1):
        same = states[back:] == states[:-back]
        if not same.any():
            break
        no_better = (value[1, back:] >= value[1, :-back]) & (value[2, back:] >= value[2, :-back])
        is_beaten[back:] |= same & no_better
    kept: IntArray = order[~is_beaten]
    return np.sort(kept)


def _finish(state: _Search, layer: _Layer, n: int, first: int) -> None:
    """End runs here, going on by one last half-hour or by one last chunk."""
    tables, m = state.tables, state.tables.shape.min_run
    slots = tables.shape.slots - tables.begun.slots
    places = tables.full.shape[1]
    for k in range(1, tables.shape.chunks + 1):
        last = tables.last[k - 1]
        if slots[k - 1] == n + 1:
            here = np.flatnonzero((layer.chunks == k) & (layer.place + 1 < places))
            ends = layer.place[here] + 1
            value = layer.value[:, here] + last[[3, 1, 2]][:, ends]
            _take_best(state, value, first + here, ends, k, is_jump=False)
        if slots[k - 1] == n + m:
            here = np.flatnonzero(layer.chunks == k - 1)
            whole = tables.heads[[3, 1, 2]] + last[[3, 1, 2]]
            for label in here:
                ends = np.arange(int(layer.place[label]) + m + 1, places)
                value = layer.value[:, label, None] + whole[:, ends]
                _take_best(state, value, np.full(ends.size, first + label), ends, k, is_jump=True)


def _take_best(
    state: _Search,
    value: FloatArray,
    label: IntArray,
    ends: IntArray,
    chunks: int,
    *,
    is_jump: bool,
) -> None:
    within = (value[1] <= EXCESS_SLACK) & (value[2] <= EXCESS_SLACK)
    cost = np.where(within, value[0], np.inf)
    if cost.size and float(cost.min()) < state.limit_gbp - GAIN_GBP:
        best = int(cost.argmin())
        state.limit_gbp = float(cost[best])
        state.best = (int(label[best]), int(ends[best]), chunks, is_jump)


def _go_on(state: _Search, layer: _Layer, n: int, first: int) -> None:
    """Use the next half-hour too."""
    full = state.tables.full[[3, 1, 2]]
    if n + 1 >= state.tables.to_go.shape[0]:
        return
    here = np.flatnonzero(layer.place + 1 < full.shape[1])
    here = here[np.isfinite(full[0, layer.place[here] + 1])]
    if here.size:
        ends = layer.place[here] + 1
        value = layer.value[:, here] + full[:, ends]
        grown = _Layer(ends, layer.chunks[here], value, first + here, np.zeros_like(here))
        state.waiting.setdefault(n + 1, []).append(grown)


def _begin_chunks(state: _Search, layer: _Layer, n: int, first: int) -> None:
    """Pause, then use a whole minimum run, wherever that can still end well."""
    tables, m = state.tables, state.tables.shape.min_run
    if n + m >= tables.to_go.shape[0]:
        return
    runs, to_go = tables.runs, tables.to_go[n + m]
    places = np.arange(runs.shape[1])
    movable = np.flatnonzero(layer.chunks < tables.shape.chunks)
    turn = max(1, JUMPED_AT_ONCE // places.size)
    for begin in range(0, movable.size, turn):
        here = movable[begin : begin + turn]
        chunks = layer.chunks[here] + 1
        ahead = to_go[:, :, chunks].transpose(0, 2, 1) + runs[:3, None, :]
        value = layer.value[:, here]
        usable = places[None, :] >= layer.place[here, None] + m + 1
        usable &= state.lower(value)[:, None] + ahead[0] < state.limit_gbp - GAIN_GBP
        usable &= value[1][:, None] + ahead[1] <= EXCESS_SLACK
        usable &= value[2][:, None] + ahead[2] <= EXCESS_SLACK
        label, end = np.nonzero(usable)
        if label.size:
            grown = value[:, label] + runs[[3, 1, 2]][:, end]
            state.waiting.setdefault(n + m, []).append(
                _Layer(end, chunks[label], grown, first + here[label], np.ones_like(end))
            )


def _trace(state: _Search) -> tuple[IntArray, int] | None:
    """Return the best run found, walked back through its parents."""
    if state.best is None:
        return None
    m = state.tables.shape.min_run
    place = np.concatenate([layer.place for layer in state.kept])
    parent = np.concatenate([layer.parent for layer in state.kept])
    jumped = np.concatenate([layer.is_jump for layer in state.kept])
    label, end, chunks, is_jump = state.best
    found = list(range(end, end - m, -1)) if is_jump else [end]
    while parent[label] >= 0:
        at = int(place[label])
        found.extend(range(at, at - m, -1) if jumped[label] else [at])
        label = int(parent[label])
    return np.array(found[::-1], dtype=np.int64) - LEAD, chunks
