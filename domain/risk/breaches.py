"""Which limits are breached by what is open right now, and the trading state that follows.

Evaluated by the risk stage as the account, the book or the parameters change. While one is
breached orders may only reduce risk (quantitative rules, 5.9). Only what is held can breach: an
entry was decided with itself counted as filled, and must not be stopped halfway by its own size.
Each breach counts for a while after its last sight, so that equity moving around a limit does
not open and close entries every second.
"""

from __future__ import annotations

from domain.event import Recorded
from domain.events.controls import TradingState
from domain.events.orders import BrokerAccountSeen, BrokerSnapshotReceived
from domain.events.positions import PositionChanged, PositionClosed, PositionOpened
from domain.events.system import ClockTicked, ParametersChanged, SessionPlanned
from domain.risk.codes import DenialCode
from domain.risk.greeks import DollarGreeks, greek_rows
from domain.risk.limits import breached_now
from domain.risk.scenario import scenario_breaches
from domain.risk.state import RiskState
from domain.risk.valuation import value

REVALUE_SECONDS = 10.0
"""Real seconds between two revaluations of an unchanged book: fees change nothing of it."""

UNCOVERED_SECONDS = 5.0
"""Real seconds: legs fill one after the other, and a lost execution is looked for at once."""

_TELLING = (
    BrokerAccountSeen,
    BrokerSnapshotReceived,
    ClockTicked,
    ParametersChanged,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    SessionPlanned,
)


def trading_state(state: RiskState) -> tuple[TradingState, tuple[str, ...]]:
    """The state that follows from halts and breaches, with the codes that make it so."""
    if state.halted:
        return TradingState.HALTED, tuple(sorted(state.halt_codes))
    if state.breaches.codes:
        return TradingState.REDUCING, state.breaches.codes
    return TradingState.ACTIVE, ()


def evaluate(state: RiskState, event: Recorded) -> None:
    """Fold breaches and trading state of this moment; called after `fold` for every event."""
    _find_breaches(state, event)
    before, now = state.trading, trading_state(state)
    state.trading, state.changed_from = now, None if now == before else before[0]


def _find_breaches(state: RiskState, event: Recorded) -> None:
    if state.confirmation is None or not isinstance(event.body, _TELLING):
        return
    known, real = state.breaches, state.time.seconds
    renewed = isinstance(event.body, ParametersChanged | SessionPlanned)
    held, equity = state.book.sizes(), state.account.equity
    is_same, valued_at = held == known.held and not renewed, known.valued_at
    if not is_same or valued_at is None or real - valued_at >= REVALUE_SECONDS:
        known.valued, known.valued_at = _of_values(state), real
    if not is_same or equity != known.equity:
        known.booked = _of_book(state)
    known.held, known.equity = held, equity
    found = (*known.booked, *_uncovered(state), *_of_losses(state), *known.valued)
    seen = known.seen_at | dict.fromkeys(found, real)
    hold = state.parameters.number("risk.reduce_hold_s")
    known.seen_at = {code: at for code, at in seen.items() if at == real or real - at < hold}
    known.codes = tuple(sorted(known.seen_at))


def _of_book(state: RiskState) -> tuple[str, ...]:
    codes: tuple[str, ...] = ()
    if state.book.reversed_positions():
        codes = (DenialCode.MAX_LOSS_BOUNDED.value,)
    equity, session_date = state.account.equity, state.session_date
    if equity is None or session_date is None:
        return codes
    exposures = [story.exposure for story in state.book.held()]
    return (*codes, *breached_now(exposures, equity, session_date, state.parameters))


def _uncovered(state: RiskState) -> tuple[str, ...]:
    """A short that stays without its cover: what it may lose has no bound."""
    lasting = state.book.uncovered_positions(state.time.seconds - UNCOVERED_SECONDS)
    return (DenialCode.MAX_LOSS_BOUNDED.value,) if lasting else ()


def _of_losses(state: RiskState) -> tuple[str, ...]:
    """From the first reading on: what stops the desk for good needs several."""
    losses = state.losses
    found: list[str] = []
    hard_today = state.session_date is not None and losses.hard_acted_on == state.session_date
    if hard_today or losses.day_breached("hard_day", state.parameters):
        found.append(DenialCode.LOSS_HARD.value)
    if losses.drawdown_breached(state.parameters):
        found.append(DenialCode.DRAWDOWN.value)
    return tuple(found)


def _of_values(state: RiskState) -> tuple[str, ...]:
    """Greeks and scenarios of the book. One that cannot be valued is for the decision to name."""
    equity = state.account.equity
    held = state.book.held()
    if equity is None or equity <= 0 or not held:
        return ()
    book = value(state, held)
    if book.missing:
        return ()
    rows = greek_rows(book.greeks, DollarGreeks(), equity, state.parameters)
    codes = [row.code for row in rows if not row.holds(0)]
    codes += scenario_breaches(book.legs, equity, state.parameters)
    return tuple(code.value for code in codes)
