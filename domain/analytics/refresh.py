"""Chain refresh: re-evaluate a symbol's table into surface, exposures and per-contract values.

The whole chain is evaluated every `chain_refresh` seconds of market time, by a tick of the clock
shortly before a bar closes (ticks.py), so that the decisions at the bar wait for the traded expiry
alone; by the bar itself (bars.py) when no tick came. It asks for nothing itself but the broker
lines that keep the nearest strikes fresh (LinesWanted).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal

import msgspec
import numpy as np

from domain.analytics.chain import ChainTable, Layout, Source, column, layout_of, of_expiry
from domain.analytics.expiry_surface import ExpirySurface
from domain.analytics.gex import exposure_of
from domain.analytics.state import AnalyticsState, SymbolState
from domain.analytics.surface import ChainClock, Surface, evaluate
from domain.analytics.traded import DEVIATIONS_TOLD, REACH, ExpiryRole, swing_expiry
from domain.events.analytics import ChainEvaluated, ExDividend
from domain.events.feeds import LinesWanted, WantedLine
from domain.instruments import OptionContract, Right
from domain.numbers import significant, significant_columns
from domain.pricing.black_scholes import Bools, Floats, greeks
from domain.pricing.dividends import forward_of, years_until
from domain.pricing.rates import rate_at
from domain.session import NEW_YORK, Session
from domain.stage import Emission

SURFACE_DAYS = 75
"""Far enough that IV(60) has both its neighbours."""
BROKER_DELTA_SECONDS = 60.0
LINE_SHIFT_STRIKES = 2
RATE_DEFAULT = "RATE_DEFAULT"
_FULL_CLOSE = time(16, 0)
AT_BARS = (ExpiryRole.TODAY, ExpiryRole.NEXT_SESSION)
"""Roles whose expiries are evaluated at every bar; the others with the whole chain."""


def closing_of(session: Session, expiry: date) -> datetime:
    """T_close of an expiry; 16:00 New York when it lies beyond the planned sessions."""
    planned = session.closing(expiry)
    if planned is not None:
        return planned
    return datetime.combine(expiry, _FULL_CLOSE, tzinfo=NEW_YORK).astimezone(UTC)


def refresh_chain(state: AnalyticsState, symbol: SymbolState, now: datetime) -> None:
    """Evaluate the whole chain at `now`; without a price the last evaluation stays and grows
    stale."""
    session, settings = state.session, state.settings
    assert session is not None and settings is not None
    chain = symbol.chain
    layout = _layout(symbol, session, max(settings.gex_dte_max, SURFACE_DAYS))
    clock = None if layout.nodes == 0 else _clock(state, symbol, now, layout, chain.closings)
    if clock is None:
        return
    spot = clock.spot
    chain.surface = evaluate(chain.table, layout, clock)
    chain.exposure = exposure_of(chain.table, chain.surface, settings.gex_dte_max)
    chain.refreshed_at, chain.refreshed = clock.now, now
    chain.later.clear()
    left = [expiry for expiry in layout.expiries if expiry not in chain.passed_over]
    chain.swing = swing_expiry(left, session, *settings.swing_days)
    adv = symbol.past.adv20 if symbol.past else None
    chain.gex_norm = None
    if chain.exposure.is_warm:
        chain.regime.update_side(spot, chain.exposure.flip, chain.exposure.total)
    if chain.exposure.is_warm and adv:
        chain.gex_norm = chain.exposure.total / (adv * spot)
        chain.regime.update(chain.gex_norm, settings.regime_enter, settings.regime_leave)
    _want_lines(state, symbol, layout, spot)


def refresh_traded(state: AnalyticsState, symbol: SymbolState, now: datetime) -> None:
    """Evaluate again, since the refresh, what a decision of this bar may be about: the expiries
    of today and of the next session while they may be traded."""
    chain = symbol.chain
    if chain.surface is None:
        return
    layout = chain.surface.layout
    for role in AT_BARS:
        expiry = traded_expiry(state, symbol, role) if _is_published(state, role, now) else None
        if expiry is None:
            continue
        k = layout.expiries.index(expiry)
        part = of_expiry(layout, k)
        clock = _clock(state, symbol, now, part, chain.closings[k : k + 1])
        if clock is not None:
            chain.later[expiry] = evaluate(chain.table, part, clock), now


def _clock(
    state: AnalyticsState,
    symbol: SymbolState,
    now: datetime,
    layout: Layout,
    closings: Sequence[datetime],
) -> ChainClock | None:
    """The moment as an evaluation of these expiries needs it; None without a price."""
    session, settings = state.session, state.settings
    assert session is not None and settings is not None
    at = now.timestamp()
    spot, fresh, symbol.chain.spot_reason = state.spot(symbol, at)
    if spot is None:
        return None
    last = layout.expiries[-1]
    due = [d for d in (symbol.past.dividends if symbol.past else ()) if d.ex_date <= last]
    return ChainClock(
        now=at,
        session_date=session.session_date,
        spot=spot,
        spot_fresh=fresh,
        forwards=[
            forward_of(spot, due, now, close, _rate(state, now, close)) for close in closings
        ],
        age_limits=settings.option_ages,
        quiet_max=settings.quiet_max,
        exposure_iv_age_max=settings.exposure_iv_age_max,
        premiums_max=0 if state.thinned else settings.premiums_max,
        forward_tolerance_short=settings.forward_tolerance_short,
        forward_tolerance_long=settings.forward_tolerance_long,
    )


def _rate(state: AnalyticsState, now: datetime, closing: datetime) -> float:
    assert state.settings is not None
    return rate_at(state.rates, state.settings.rate, years_until(closing, now))


def _rate_reason(state: AnalyticsState) -> str:
    """Nothing is wrong with the default, but a reader must see that nobody said what is right."""
    return "" if state.rates is not None else RATE_DEFAULT


def _layout(symbol: SymbolState, session: Session, dte_max: int) -> Layout:
    chain = symbol.chain
    layout = chain.layout
    if (
        layout is None
        or layout.version != chain.table.layout_version
        or layout.session_date != session.session_date
    ):
        layout = chain.layout = layout_of(chain.table, session.session_date, dte_max)
        chain.closings = tuple(closing_of(session, expiry) for expiry in layout.expiries)
    return layout


def _want_lines(state: AnalyticsState, symbol: SymbolState, layout: Layout, spot: float) -> None:
    """Keep lines on the strikes nearest the spot of the first expiry, both rights.

    They move when the nearest strike has moved by two: lines that flap deliver nothing.
    """
    assert state.settings is not None
    count = state.settings.lines_per_symbol // 2
    table = symbol.chain.table
    part = layout.slice_of(0)
    listed = (layout.call[part] >= 0) & (layout.put[part] >= 0)
    nodes = np.flatnonzero(listed) + part.start
    nodes = nodes[(table.con_id[layout.call[nodes]] > 0) & (table.con_id[layout.put[nodes]] > 0)]
    if nodes.size == 0 or count == 0:
        return
    center = int(np.argmin(np.abs(layout.strike[nodes] - spot)))
    strike_key = round(float(layout.strike[nodes[center]]) * 1000)
    before = symbol.chain.line_center
    if before is not None and symbol.chain.lines:
        keys = np.round(layout.strike[nodes] * 1000).astype(np.int64)
        moved = abs(int(np.searchsorted(keys, before)) - center)
        same_expiry = symbol.chain.lines[0].expiry == layout.expiries[0]
        if moved < LINE_SHIFT_STRIKES and same_expiry:
            return
    first = max(0, min(center - count // 2, nodes.size - count))
    chosen = nodes[first : first + count].tolist()
    symbol.chain.line_center = strike_key
    symbol.chain.lines = tuple(
        _contract(symbol.symbol, table, int(slots[node]), layout.expiries[0])
        for node in chosen
        for slots in (layout.call, layout.put)
    )
    state.lines_moved = True


def tell_lines(state: AnalyticsState) -> None:
    """Once for all symbols whose lines moved, before what is read off their chains."""
    if not state.lines_moved:
        return
    state.lines_moved = False
    wanted = tuple(
        WantedLine(contract=contract, reason="surface")
        for symbol in state.symbols.values()
        for contract in symbol.chain.lines
    )
    body = LinesWanted(requester="analytics", lines=wanted)
    state.told.append(Emission("lines/analytics", body))


def _contract(symbol: str, table: ChainTable, slot: int, expiry: date) -> OptionContract:
    return OptionContract(
        con_id=int(table.con_id[slot]),
        symbol=symbol,
        expiry=expiry,
        strike=Decimal(f"{table.strike[slot]:.3f}").normalize() + Decimal(0),
        right=Right.CALL if table.is_call[slot] else Right.PUT,
    )


def traded_expiry(state: AnalyticsState, symbol: SymbolState, role: ExpiryRole) -> date | None:
    """The listed expiry of a role; None without one."""
    session, chain = state.session, symbol.chain
    assert session is not None
    if chain.surface is None:
        return None
    if role is ExpiryRole.SWING:
        return chain.swing
    expected = role.expected(session)
    return expected if expected in chain.surface.layout.expiries else None


def _is_published(state: AnalyticsState, role: ExpiryRole, now: datetime) -> bool:
    """Only what may be traded now: a chain costs every reader of the log its time."""
    session, settings = state.session, state.settings
    assert session is not None and settings is not None
    if role is ExpiryRole.TODAY:
        return True
    if role is ExpiryRole.NEXT_SESSION:
        return now >= session.before_close(minutes=settings.next_chain_minutes)
    return _is_rare_turn(state, now)


def _is_rare_turn(state: AnalyticsState, now: datetime) -> bool:
    session, settings = state.session, state.settings
    assert session is not None and settings is not None
    seconds = round((now - session.open_at).total_seconds())
    return seconds % settings.swing_chain_refresh < settings.chain_refresh


def _swing_has_lines(symbol: SymbolState, role: ExpiryRole, expiry: date) -> bool:
    """Legs that are about to be traded or held for weeks: an entry needs their quotes of now, and
    between two rare chains its gate would fail and pass in turn."""
    if role is not ExpiryRole.SWING or symbol.chain.surface is None:
        return False
    layout = symbol.chain.surface.layout
    return bool(_on_line(symbol, layout, layout.expiries.index(expiry)).any())


def _on_line(symbol: SymbolState, layout: Layout, index: int) -> Bools:
    """Nodes of one expiry with an open broker line."""
    part, on_line = layout.slice_of(index), symbol.chain.table.on_line
    found: Bools = np.zeros(part.stop - part.start, dtype=bool)
    for slots in (layout.call[part], layout.put[part]):
        found |= (slots >= 0) & on_line[slots]
    return found


def _told_nodes(symbol: SymbolState, surface: Surface, expiry: date, reach: float) -> np.ndarray:
    """Strikes within `reach` of the spot, a share of it, or two standard deviations to the expiry
    where those are farther: a short is sold a deviation away, with its wing. And whatever has an
    open line, however far it has come to be."""
    layout, found = surface.layout, surface.of(expiry)
    index = layout.expiries.index(expiry)
    part = layout.slice_of(index)
    if found.atm_iv is not None:
        reach = max(reach, DEVIATIONS_TOLD * found.atm_iv * math.sqrt(max(0.0, found.years)))
    near: Bools = np.abs(layout.strike[part] / surface.spot - 1) <= reach
    nodes: np.ndarray = np.flatnonzero(near | _on_line(symbol, layout, index)) + part.start
    return nodes


def tell_chains(
    state: AnalyticsState, symbol: SymbolState, now: datetime, roles: Iterable[ExpiryRole]
) -> None:
    """Per-contract values near the spot of each expiry of these roles that was evaluated at `now`
    and may be traded."""
    for role in roles:
        expiry = traded_expiry(state, symbol, role)
        newest = None if expiry is None else symbol.chain.newest(expiry)
        if expiry is None or newest is None or newest[1] != now:
            continue
        if not (_is_published(state, role, now) or _swing_has_lines(symbol, role, expiry)):
            continue
        surface = newest[0]
        nodes = _told_nodes(symbol, surface, expiry, REACH[role])
        body = _columns(state, symbol, surface, surface.of(expiry), nodes, now)
        state.told.append(Emission(f"chain-metrics/{symbol.symbol}", body))


def tell_held_chains(state: AnalyticsState, symbol: SymbolState, now: datetime) -> None:
    """Of the expiries that nobody enters now and whose broker lines are open: something is held
    there, and risk values it with the volatility of now."""
    chain = symbol.chain
    if chain.surface is None or chain.refreshed != now or not _is_rare_turn(state, now):
        return
    entered = {traded_expiry(state, symbol, role) for role in ExpiryRole}
    if not _is_published(state, ExpiryRole.NEXT_SESSION, now):
        entered.discard(traded_expiry(state, symbol, ExpiryRole.NEXT_SESSION))
    surface, layout = chain.surface, chain.surface.layout
    for k, expiry in enumerate(layout.expiries):
        if expiry in entered or not _on_line(symbol, layout, k).any():
            continue
        nodes = _told_nodes(symbol, surface, expiry, REACH[ExpiryRole.SWING])
        found = _columns(state, symbol, surface, surface.of(expiry), nodes, now)
        body = msgspec.structs.replace(found, is_traded=False)
        state.told.append(Emission(f"chain-metrics/{symbol.symbol}", body))


def _columns(
    state: AnalyticsState,
    symbol: SymbolState,
    surface: Surface,
    expiry: ExpirySurface,
    nodes: np.ndarray,
    now: datetime,
) -> ChainEvaluated:
    table, layout = symbol.chain.table, surface.layout
    # Call and put of each node side by side, then those that the broker lists.
    slots = np.stack((layout.call[nodes], layout.put[nodes]), axis=1).ravel()
    node = np.repeat(nodes, 2)
    is_call = np.tile(np.array([True, False]), nodes.size)
    usable = np.where(is_call, surface.call_usable[node], surface.put_usable[node])
    age = np.where(is_call, surface.call_age[node], surface.put_age[node])
    kept = (slots >= 0) & (table.con_id[slots] > 0)
    slots, node, is_call, usable, age = (a[kept] for a in (slots, node, is_call, usable, age))
    values = greeks(
        surface.spot_escrowed[node],
        layout.strike[node],
        surface.years[node],
        surface.rate[node],
        surface.iv[node],
        is_call,
    )
    at = now.timestamp()
    young = at - table.broker_delta_at[slots] <= BROKER_DELTA_SECONDS
    broker_delta = np.where(young, table.broker_delta[slots], np.nan)
    rounded = significant_columns(
        age, surface.iv[node], values.delta, values.gamma, values.vega, values.theta, broker_delta
    )
    assert state.settings is not None
    return ChainEvaluated(
        symbol=symbol.symbol,
        expiry=expiry.expiry,
        evaluated_at=now,
        params_version=state.settings.version,
        spot=surface.spot,
        forward=significant(expiry.forward) or 0.0,
        years=significant(expiry.years) or 0.0,
        rate=expiry.rate,
        quality=expiry.quality,
        reason=expiry.reason or _rate_reason(state),
        con_id=table.con_id[slots].tolist(),
        strike=table.strike[slots].tolist(),
        right="".join("C" if call else "P" for call in is_call.tolist()),
        bid=_known(table.bid[slots]),
        ask=_known(table.ask[slots]),
        bid_size=_whole(table.bid_size[slots]),
        ask_size=_whole(table.ask_size[slots]),
        usable=_flags(usable),
        quote_age_seconds=rounded[0],
        from_line=_flags((table.source[slots] == Source.LINE) & table.on_line[slots]),
        implied_volatility=rounded[1],
        own_volatility=_flags(surface.own[node]),
        delta=rounded[2],
        gamma=rounded[3],
        vega=rounded[4],
        theta=rounded[5],
        broker_delta=rounded[6],
        open_interest=_whole(column(table.open_interest, slots)),
        volume=_whole(column(table.volume, slots)),
        dividends=_dividends(state, symbol, expiry.expiry),
        time_floored=expiry.time_floored,
        premiums_unchecked=tuple(layout.strike[nodes[surface.premium_unchecked[nodes]]].tolist()),
    )


def _dividends(state: AnalyticsState, symbol: SymbolState, expiry: date) -> tuple[ExDividend, ...]:
    session, past = state.session, symbol.past
    assert session is not None
    return tuple(
        ExDividend(d.ex_date, d.amount)
        for d in (past.dividends if past else ())
        if session.session_date < d.ex_date <= expiry
    )


def _known(values: Floats) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]


def _whole(values: Floats) -> list[int | None]:
    return [None if value != value else int(value) for value in values.tolist()]


def _flags(values: Bools) -> list[bool]:
    flags: list[bool] = values.tolist()
    return flags
