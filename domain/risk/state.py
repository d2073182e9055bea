"""State of the risk stage and its fold: account, connection, trading state, book, losses.

`fold` applies one event; domain/risk/stage.py decides on the result. Nothing here reads a clock:
time is the market time of events, and real seconds are told by RealTime.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from domain.analytics.economic_calendar import CalendarEvent, known_codes
from domain.analytics.history import calendar_events
from domain.event import Recorded
from domain.events.analytics import ChainEvaluated
from domain.events.controls import (
    FlattenStarted,
    TradingHalted,
    TradingReleased,
    TradingState,
)
from domain.events.feeds import HistoryImported
from domain.events.interest_rates import RateUpdated
from domain.events.orders import (
    BrokerAccountSeen,
    BrokerConnected,
    BrokerDisconnected,
    BrokerErrorSeen,
    BrokerReady,
    BrokerSnapshotReceived,
    BrokerTimeSeen,
    EntryRefused,
    FillRecorded,
    OrderChanged,
    OrderIntended,
    OrderModifyIntended,
    ReconciliationCompleted,
)
from domain.events.positions import (
    ExitDecided,
    PositionChanged,
    PositionClosed,
    PositionMarked,
    PositionOpened,
    PositionReopened,
)
from domain.events.risk import CashFlowRecorded, RiskDecided, WhatIfWanted
from domain.events.rolls import PositionRolled, RollDecided, RollProposed
from domain.events.signals import SignalExpired, SignalInvalidated, SignalValidated
from domain.events.system import (
    ClockStarted,
    ParametersChanged,
    SessionPlanned,
    WorkerStarted,
)
from domain.parameter import ParameterState
from domain.payloads.unusual_whales.reading import PayloadError
from domain.pricing.rates import curve_of
from domain.risk.book import Book
from domain.risk.broker_side import Connection
from domain.risk.confirmation import ConfirmationRule, confirmation_rule
from domain.risk.cooldown import Cooldowns
from domain.risk.limit_changes import LimitChanges
from domain.risk.losses import Account, LossBook, Reading
from domain.risk.market import Market
from domain.risk.pending import Pending, PendingRoll
from domain.risk.real_time import RealTime
from domain.session import Session

WHO = "risk"
"""Who halts by rule; the reason of such a halt begins with its code."""
HARD_LOSS = "LOSS_HARD"
DRAWDOWN = "DRAWDOWN"
DISCONNECTED = "BROKER_DISCONNECTED"
BROKER_TIME_RESOLUTION_S = 1.0
SPEED_SETTLES_S = 5.0
CALENDAR_AGE_MAX = timedelta(days=4)
"""The vendor's calendar covers this week and the next."""


@dataclass(slots=True)
class Breaches:
    """Limits that what is open breaches, as last evaluated. Times are real seconds."""

    codes: tuple[str, ...] = ()
    seen_at: dict[str, float] = field(default_factory=dict)
    """When each of them was seen last."""
    booked: tuple[str, ...] = ()
    """Those of amounts and numbers, which time alone does not change."""
    held: tuple[tuple[str, int, bool, bool], ...] = ()
    equity: Decimal | None = None
    """Of what, and at which equity, they were evaluated."""
    valued: tuple[str, ...] = ()
    """Those of greeks and scenarios, which are evaluated less often."""
    valued_at: float | None = None


@dataclass(slots=True)
class RiskState:
    parameters: ParameterState = field(default_factory=ParameterState)
    confirmation: ConfirmationRule | None = None
    """Read from the parameters when they change: it is asked for at every event."""
    session: Session | None = None
    time: RealTime = field(default_factory=RealTime)
    entries_open: bool = True
    halted: bool = False
    halt_reason: str = ""
    account: Account = field(default_factory=Account)
    connection: Connection = field(default_factory=Connection)
    losses: LossBook = field(default_factory=LossBook)
    cooldowns: Cooldowns = field(default_factory=Cooldowns)
    book: Book = field(default_factory=Book)
    market: Market = field(default_factory=Market)
    breaches: Breaches = field(default_factory=Breaches)
    limit_changes: LimitChanges = field(default_factory=LimitChanges)
    trading: tuple[TradingState, tuple[str, ...]] = (TradingState.ACTIVE, ())
    """The trading state with its codes, after the event folded last."""
    changed_from: TradingState | None = None
    """The state before the event folded last, when that event changed state or codes."""
    halt_codes: frozenset[str] = frozenset()
    """Codes of every halt since the last release."""
    economic_events: tuple[CalendarEvent, ...] | None = None
    calendar_at: datetime | None = None
    build: str = ""
    """Of this worker's run."""
    signals: dict[str, SignalValidated] = field(default_factory=dict)
    """Valid signals that are not decided yet."""
    signal_builds: dict[str, str] = field(default_factory=dict)
    """By which build each of them was made."""
    pending: dict[str, Pending] = field(default_factory=dict)
    """By decision id."""
    rolls: dict[str, PendingRoll] = field(default_factory=dict)
    """By roll id."""

    @property
    def now(self) -> datetime:
        assert self.time.market_time is not None, "a decision follows an event"
        return self.time.market_time

    @property
    def calendar(self) -> tuple[str, ...] | None:
        """Codes of the day's releases; None without a calendar or with one that is too old."""
        if self.calendar_at is None or self.session is None or self.economic_events is None:
            return None
        day = self.session.session_date
        fresh = self.session.open_at - self.calendar_at <= CALENDAR_AGE_MAX
        return known_codes(self.economic_events, day) if fresh else None

    @property
    def session_date(self) -> date | None:
        return None if self.session is None else self.session.session_date


def fold(state: RiskState, event: Recorded) -> None:
    """Apply one event."""
    state.time.advance(event.market_time)
    body = event.body
    match body:
        case ClockStarted():
            state.time.apply(body)
            state.connection.skews = ()
            state.connection.speed_since = state.time.seconds
            state.entries_open = body.entries_open
        case ParametersChanged():
            state.limit_changes.changed(body, state.parameters)
            state.parameters.apply(body)
            state.confirmation = confirmation_rule(state.parameters)
        case SessionPlanned():
            _session_planned(state, body)
        case RateUpdated():
            state.market.rates = curve_of(body)
        case ChainEvaluated():
            state.market.evaluated(body, state.book.contracts(), state.session_date)
        case HistoryImported():
            _calendar_imported(state, body, event.market_time)
        case TradingHalted():
            _halted(state, body)
        case TradingReleased():
            _released(state)
        case FlattenStarted():
            state.connection.close_expiring = False
        case CashFlowRecorded():
            state.losses.flow(body.amount, state.confirmation)
        case SignalValidated():
            state.signals[body.signal_id] = body
            state.signal_builds[body.signal_id] = event.build
        case SignalInvalidated() | SignalExpired():
            _signal_ended(state, body.signal_id)
        case RiskDecided():
            _decided(state, body)
        case WhatIfWanted() if body.decision_id in state.rolls:
            roll = state.rolls[body.decision_id]
            roll.asked, roll.asked_at = body, state.time.seconds
        case WhatIfWanted():
            signal = state.signals[body.signal_id]
            state.pending[body.decision_id] = Pending(signal, body, state.time.seconds)
        case RollProposed():
            state.rolls[body.roll_id] = PendingRoll(body, event.build)
        case RollDecided():
            state.rolls.pop(body.roll_id, None)
        case _:
            _fold_broker(state, event)
    state.book.time_passed(event.market_time)


def _session_planned(state: RiskState, body: SessionPlanned) -> None:
    if state.session_date == body.day.session_date:
        state.session = Session(body)
        return
    state.session = Session(body)
    state.losses.session_started(body.day.session_date)
    state.account.session_started()
    state.cooldowns.session_started()
    last_five = [day.session_date for day in body.earlier[-4:]]
    state.book.session_started(last_five[0] if last_five else body.day.session_date)
    state.market.session_started(body.day.session_date, state.book.contracts())
    _value_stands(state)


def _value_stands(state: RiskState) -> None:
    """The broker speaks of the account only when it changes: a value that came before the plan
    and is still fresh is the session's first."""
    age = state.account.age.value_age(state.time.seconds, has_positions=bool(state.book.positions))
    if not state.parameters.values or age is None:
        return
    equity = state.account.equity
    if equity is not None and age <= state.parameters.number("risk.equity_age_max_s"):
        _account_seen(state, (Reading(equity, True),))


def _calendar_imported(state: RiskState, body: HistoryImported, at: datetime) -> None:
    if body.request != "uw.economic-calendar":
        return
    try:
        read = calendar_events(body.payload.encode())
    except PayloadError:
        # An unreadable calendar is no calendar: the usual windows are blacked out instead.
        return
    state.economic_events, state.calendar_at = read, at


def _halted(state: RiskState, body: TradingHalted) -> None:
    state.halted, state.halt_reason = True, body.reason
    if body.who != WHO:
        return
    code = body.reason.partition(":")[0]
    state.halt_codes |= {code}
    if code == HARD_LOSS:
        state.losses.hard_acted_on = state.session_date
    if code == DISCONNECTED:
        state.connection.close_expiring = True


def _released(state: RiskState) -> None:
    # Releasing another halt must not forgive what was lost since the mark.
    if DRAWDOWN in state.halt_codes:
        state.losses.re_armed()
    state.halted, state.halt_reason, state.halt_codes = False, "", frozenset()
    state.connection.released()


def _signal_ended(state: RiskState, signal_id: str) -> None:
    state.signals.pop(signal_id, None)
    state.signal_builds.pop(signal_id, None)
    state.pending = {
        key: wait for key, wait in state.pending.items() if wait.signal.signal_id != signal_id
    }
    state.book.signal_ended(signal_id)


def _decided(state: RiskState, body: RiskDecided) -> None:
    state.pending.pop(body.decision_id, None)
    signal = state.signals.pop(body.signal_id, None)
    state.signal_builds.pop(body.signal_id, None)
    if body.approved and signal is not None:
        state.book.decided(body, signal)


def _fold_broker(state: RiskState, event: Recorded) -> None:
    body, link, real = event.body, state.connection, state.time.seconds
    match body:
        case BrokerAccountSeen():
            # The broker begins its daily P&L anew in the night: yesterday's gain is no loss then.
            readings = state.account.apply(
                body, real, state.confirmation, is_streaming=_options_trade(state)
            )
            _account_seen(state, readings)
        case BrokerSnapshotReceived():
            values = state.account.apply_values(body.account_values, real, state.confirmation)
            _account_seen(state, values)
        case BrokerReady():
            link.ready_id, link.down_since = str(event.event_id), None
            link.unknown = dict.fromkeys(link.unknown, real)
        case WorkerStarted() | BrokerConnected() | BrokerDisconnected():
            if isinstance(body, WorkerStarted):
                state.build = body.build
            was_up = link.is_ready or link.down_since is None
            link.ready_id, link.reconciled = "", False
            state.account.age.disconnected()
            link.down_since = real if was_up else link.down_since
        case ReconciliationCompleted():
            link.reconciled, link.mismatch = body.clean, body.differences
            started = real if link.mismatch_since is None else link.mismatch_since
            link.mismatch_since = None if body.holdings_agree else started
        case BrokerErrorSeen():
            link.error_seen(body, real)
        case BrokerTimeSeen():
            _broker_time_seen(state, body, event.market_time)
        case _:
            _fold_book(state, event)


def _options_trade(state: RiskState) -> bool:
    session = state.session
    return session is not None and session.open_at <= state.now < session.day.options_close_at


def _broker_time_seen(state: RiskState, body: BrokerTimeSeen, now: datetime) -> None:
    link, real, speed = state.connection, state.time.seconds, state.time.speed
    state.account.age.heard(real)
    if speed <= 0 or real - link.speed_since < SPEED_SETTLES_S:
        return
    apart = abs((body.broker_time - now).total_seconds())
    known = BROKER_TIME_RESOLUTION_S + body.round_trip_seconds * speed
    link.skews = (*link.skews, max(0.0, apart - known) / speed)[-2:]


def _account_seen(state: RiskState, readings: tuple[Reading, ...]) -> None:
    rule = state.confirmation
    if rule is None:
        return
    for index, reading in enumerate(readings, start=1):
        # A held reading that is believed now was read at least a gap before the last one.
        at = state.time.seconds - rule.gap_seconds * (len(readings) - index)
        state.losses.equity_seen(reading, at, state.parameters, rule)


def _bucket_seen(state: RiskState, position_id: str) -> None:
    strategy = state.book.strategy_of(position_id)
    if strategy is not None and state.confirmation is not None:
        state.losses.bucket_seen(
            strategy,
            state.book.bucket_pnl(strategy),
            state.time.seconds,
            state.parameters,
            state.confirmation,
        )


def _fold_book(state: RiskState, event: Recorded) -> None:
    body, book = event.body, state.book
    match body:
        case OrderIntended():
            book.intended(body)
        case OrderModifyIntended():
            book.modified(body)
        case OrderChanged():
            most = book.quantity_of(body.order_ref)
            state.connection.order_changed(body, most, state.time.seconds)
            book.changed(body)
        case FillRecorded():
            state.losses.filled = True
            state.account.age.moved_since_value = True
        case EntryRefused():
            state.signals.pop(body.signal_id, None)
            book.refused(body.decision_id)
            state.connection.entry_refused(body, state.time.seconds)
        case PositionOpened():
            book.opened(body)
            state.cooldowns.opened(body)
        case PositionRolled():
            book.rolled(body)
        case ExitDecided():
            book.exit_decided(body.position_id)
        case PositionReopened():
            state.cooldowns.reopened(body)
        case PositionChanged():
            book.position_changed(body, state.time.seconds)
            _bucket_seen(state, body.position_id)
        case PositionMarked():
            book.marked(body)
            state.market.marked(body)
            _bucket_seen(state, body.position_id)
        case PositionClosed():
            book.closed(body, state.session_date)
            _bucket_seen(state, body.position_id)
            state.account.age.moved_since_value = True
            state.cooldowns.closed(body, event.market_time, state.parameters)
        case _:
            pass
