"""Gamma exposure of the chain: total, zero-gamma flip, walls, regime with hysteresis.

Called by the stage at each chain refresh. Dealers are assumed long calls and short puts: a
convention, not a measurement, so texts must say "assumed dealer gamma". Dollars of delta for a
1 % move.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from domain.analytics.chain import ChainTable, Layout, column
from domain.analytics.surface import Surface
from domain.instruments import MULTIPLIER
from domain.pricing.black_scholes import Bools, Floats, delta_and_vega, gamma_at, second_order

PROFILE_STEPS = 81
PROFILE_LOW = 0.90
PROFILE_STEP = 0.0025
WALL_REACH = 0.10
COVERAGE_REACH = 0.05
COVERAGE_MIN = 0.80
FLIP_MARGIN = 0.0005
POSITIVE = "POS"
NEGATIVE = "NEG"
NEUTRAL = "NEUTRAL"
ABOVE = "ABOVE"
BELOW = "BELOW"


@dataclass(frozen=True, slots=True)
class Exposure:
    """`flip` is null when the profile has no root; `coverage` is the share with open interest."""

    total: float
    total_0dte: float | None
    """Null without an expiry today."""
    flip: float | None
    roots: tuple[float, ...]
    call_wall: float | None
    put_wall: float | None
    vanna: float
    charm: float
    by_volume: float
    """The total with the session's volume in place of open interest."""
    directed: float
    """With what was sold at the bid less what was bought at the ask, calls and puts alike."""
    flip_0dte: float | None
    walls_0dte: tuple[float | None, float | None]
    charm_to_close: float | None
    """Dollars of delta that today's expiry gains until it is settled at this spot."""
    call_interest: float
    put_interest: float
    """Contracts open, all expiries within reach, whether or not their volatility is known."""
    coverage: float
    priced: float
    """Share of the same contracts whose volatility is known: without one they count 0."""
    contracts: int
    lacks_today: str
    """As `lacks`, of today's expiry alone; empty without one."""

    @property
    def lacks(self) -> str:
        """What there is too little of, named as a reason; empty when it is warm."""
        return _lacks(self.coverage, self.priced, self.contracts)

    @property
    def is_warm(self) -> bool:
        return not self.lacks


def _lacks(coverage: float, priced: float, contracts: int) -> str:
    if not contracts or coverage < COVERAGE_MIN:
        return "OPEN_INTEREST"
    return "VOLATILITIES" if priced < COVERAGE_MIN else ""


def exposure_of(table: ChainTable, surface: Surface, dte_max: int) -> Exposure:
    """Exposure of all expiries with DTE <= `dte_max`; contracts without a volatility count 0."""
    layout = surface.layout
    days = np.array([(e - layout.session_date).days for e in layout.expiries], dtype=np.int64)
    node_days = days[layout.expiry_index] if layout.nodes else days
    call_oi, put_oi = (column(table.open_interest, slots) for slots in (layout.call, layout.put))
    coverage, priced, contracts = _coverage(surface, call_oi, put_oi, node_days <= dte_max)
    expires = bool((node_days == 0).any()) if layout.nodes else False
    lacks_today = ""
    if expires:
        lacks_today = _lacks(*_coverage(surface, call_oi, put_oi, node_days == 0))
    within = node_days <= dte_max
    calls, puts = np.nan_to_num(call_oi), np.nan_to_num(put_oi)
    live = (node_days <= dte_max) & np.isfinite(surface.iv) & (surface.years > 0)
    volume = _known(table.volume, layout.call) + _known(table.volume, layout.put)
    nodes = np.flatnonzero(live & (calls + puts + volume > 0))
    if nodes.size == 0:
        return Exposure(
            total=0.0,
            total_0dte=0.0 if expires else None,
            flip=None,
            roots=(),
            call_wall=None,
            put_wall=None,
            vanna=0.0,
            charm=0.0,
            by_volume=0.0,
            directed=0.0,
            flip_0dte=None,
            walls_0dte=(None, None),
            charm_to_close=0.0 if expires else None,
            call_interest=_sum(calls[within]),
            put_interest=_sum(puts[within]),
            coverage=coverage,
            priced=priced,
            contracts=contracts,
            lacks_today=lacks_today,
        )
    spot, strike = surface.spot, layout.strike[nodes]
    gamma, vanna, charm = second_order(
        surface.spot_escrowed[nodes],
        strike,
        surface.years[nodes],
        surface.rate[nodes],
        surface.iv[nodes],
    )
    net = calls[nodes] - puts[nodes]
    scale = MULTIPLIER * spot * spot * 0.01
    per_node = gamma * scale
    signed = per_node * net
    by_volume, directed = _of_the_session(table, layout, nodes, per_node)
    today, held = node_days[nodes] == 0, (calls + puts)[nodes] > 0
    roots, roots_0dte = _roots(surface, nodes[held], net[held], today[held])
    call_gamma, put_gamma = per_node * calls[nodes], per_node * puts[nodes]
    walls = _walls(surface, nodes, call_gamma, put_gamma)
    return Exposure(
        total=_sum(signed),
        total_0dte=_sum(signed[today]) if expires else None,
        flip=_nearest(roots, spot),
        roots=roots,
        call_wall=walls[0],
        put_wall=walls[1],
        vanna=_sum(vanna * net) * MULTIPLIER * spot,
        charm=_sum(charm * net) * MULTIPLIER * spot,
        by_volume=by_volume,
        directed=directed,
        flip_0dte=_nearest(roots_0dte, spot),
        walls_0dte=_walls(surface, nodes[today], call_gamma[today], put_gamma[today]),
        charm_to_close=(_charm_to_close(surface, nodes[today], calls, puts) if expires else None),
        call_interest=_sum(calls[within]),
        put_interest=_sum(puts[within]),
        coverage=coverage,
        priced=priced,
        contracts=contracts,
        lacks_today=lacks_today,
    )


def _of_the_session(
    table: ChainTable, layout: Layout, nodes: np.ndarray, per_node: Floats
) -> tuple[float, float]:
    """Exposure of what was traded today in these nodes, whether or not it opened anything."""
    call, put = layout.call[nodes], layout.put[nodes]
    traded = _known(table.volume, call) - _known(table.volume, put)
    sold = sum(_known(table.bid_volume, slots) for slots in (call, put))
    bought = sum(_known(table.ask_volume, slots) for slots in (call, put))
    return _sum(per_node * traded), _sum(per_node * (sold - bought))


def _known(values: Floats, slots: np.ndarray) -> Floats:
    found = column(values, slots)
    found[np.isnan(found)] = 0.0
    return found


def _nearest(roots: tuple[float, ...], spot: float) -> float | None:
    return min(roots, key=lambda root: (abs(root - spot), root)) if roots else None


def _charm_to_close(surface: Surface, nodes: np.ndarray, calls: Floats, puts: Floats) -> float:
    """Delta at the close, a step at the strike, less delta now; dealers long calls, short puts."""
    if nodes.size == 0:
        return 0.0
    strike, spot = surface.layout.strike[nodes], surface.spot
    call_delta = delta_and_vega(
        surface.spot_escrowed[nodes],
        strike,
        surface.years[nodes],
        surface.rate[nodes],
        surface.iv[nodes],
        np.ones(nodes.size, dtype=bool),
    )[0]
    # A put's delta is the call's less one, now and at the close: its change is the same.
    change = np.heaviside(spot - strike, 0.5) - call_delta
    return _sum(change * (calls[nodes] - puts[nodes])) * MULTIPLIER * spot


def _sum(values: Floats) -> float:
    """A sum in the order of the nodes, the same on every processor."""
    return float(np.cumsum(values)[-1]) if values.size else 0.0


def _coverage(
    surface: Surface, call_oi: Floats, put_oi: Floats, within: Bools
) -> tuple[float, float, int]:
    """Of the contracts within +-5 % of the spot the share whose open interest is known, and the
    share of those alive whose volatility is, 1 when all have expired; how many there are."""
    layout = surface.layout
    near = within & (np.abs(layout.strike / surface.spot - 1) <= COVERAGE_REACH)
    alive, has_volatility = surface.years > 0, np.isfinite(surface.iv)
    contracts = known = living = priced = 0
    for slots, interest in ((layout.call, call_oi), (layout.put, put_oi)):
        listed = near & (slots >= 0)
        contracts += int(np.count_nonzero(listed))
        known += int(np.count_nonzero(listed & np.isfinite(interest)))
        living += int(np.count_nonzero(listed & alive))
        priced += int(np.count_nonzero(listed & alive & has_volatility))
    return (
        known / contracts if contracts else 0.0,
        priced / living if living else 1.0,
        contracts,
    )


def _roots(
    surface: Surface, nodes: np.ndarray, net: Floats, today: Bools
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Zero-gamma spots of all expiries and of today's alone: each contract's volatility and time
    held, gamma computed anew [PERF22]."""
    if nodes.size == 0:
        return (), ()
    spot, layout = surface.spot, surface.layout
    at = spot * (PROFILE_LOW + PROFILE_STEP * np.arange(PROFILE_STEPS, dtype=np.float64))
    paid = spot - surface.spot_escrowed[nodes]
    profile_gamma = gamma_at(
        at[:, None] - paid[None, :],
        layout.strike[nodes],
        surface.years[nodes],
        surface.rate[nodes],
        surface.iv[nodes],
    )
    weighted: Floats = profile_gamma * net
    of_today = weighted[:, today]
    return _zeros(at, weighted), _zeros(at, of_today) if of_today.size else ()


def _zeros(at: Floats, weighted: Floats) -> tuple[float, ...]:
    """Where the sum over contracts changes its sign, linear between neighbours."""
    found: list[float] = []
    values = (np.cumsum(weighted, axis=1)[:, -1] * at * at).tolist()
    for j in range(PROFILE_STEPS):
        if values[j] == 0.0:
            found.append(float(at[j]))
        elif j and values[j - 1] * values[j] < 0.0:
            share = values[j - 1] / (values[j - 1] - values[j])
            found.append(float(at[j - 1] + share * (at[j] - at[j - 1])))
    return tuple(found)


def _walls(
    surface: Surface, nodes: np.ndarray, calls: Floats, puts: Floats
) -> tuple[float | None, float | None]:
    """Strikes with most call and most put exposure within +-10 %; ties to the nearest, lower."""
    layout, spot = surface.layout, surface.spot
    strikes = layout.strikes_unique
    reach = np.abs(strikes / spot - 1) <= WALL_REACH + 1e-12
    result: list[float | None] = []
    for amounts in (calls, puts):
        by_strike = np.bincount(layout.strike_index[nodes], weights=amounts, minlength=strikes.size)
        by_strike = np.where(reach, by_strike, 0.0)
        best = float(by_strike.max()) if by_strike.size else 0.0
        if best <= 0.0:
            result.append(None)
            continue
        tied = strikes[by_strike == best].tolist()
        result.append(min(tied, key=lambda strike: (abs(strike - spot), strike)))
    return result[0], result[1]


@dataclass(slots=True)
class Regime:
    """POS, NEG or NEUTRAL with hysteresis, and the side of the flip the spot is on."""

    name: str = NEUTRAL
    flip_side: str = ""

    def update(self, gex_norm: float, enter: float, leave: float) -> None:
        """`enter` and `leave` are 0.02 and 0.01 as shipped; it may cross in one step."""
        if gex_norm > enter:
            self.name = POSITIVE
        elif gex_norm < -enter:
            self.name = NEGATIVE
        elif (self.name == POSITIVE and gex_norm <= leave) or (
            self.name == NEGATIVE and gex_norm >= -leave
        ):
            self.name = NEUTRAL

    def update_side(self, spot: float, flip: float | None, total: float) -> None:
        """Between flip -+ 0.05 % the side stays; without a root it follows the sign of GEX."""
        if flip is None:
            self.flip_side = ABOVE if total > 0 else BELOW
        elif spot > flip + FLIP_MARGIN * spot:
            self.flip_side = ABOVE
        elif spot < flip - FLIP_MARGIN * spot:
            self.flip_side = BELOW
        elif not self.flip_side:
            self.flip_side = ABOVE if spot >= flip else BELOW
