"""Equity, day and week results, and the loss rules that rest on them (quantitative rules, 5.6).

Folded by the risk stage from account values; a rule acts at its threshold and beyond. What a
single reading says closes entries at most: see domain/risk/confirmation.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from domain.events.orders import BrokerAccountSeen
from domain.instruments import Strategy
from domain.parameter import ParameterState
from domain.risk.account_age import AccountAge
from domain.risk.confirmation import ConfirmationRule, InARow, JumpFilter
from domain.risk.margin import account_number

WEEK_SESSIONS = 5
FLOWS_MAX = 20
"""Deposits, withdrawals and jumps that are remembered."""


@dataclass(frozen=True, slots=True)
class Reading:
    """An equity as read; `is_account_value` when net liquidation itself came.

    One that is held back, since it jumped, is not believed: it only tells whether a loss goes on.
    """

    equity: Decimal
    is_account_value: bool
    is_believed: bool = True


@dataclass(slots=True)
class Account:
    """Account values as they came, with their age in real seconds.

    Between two values of net liquidation equity moves with the daily-P&L stream. Both pass a
    filter: a jump is not believed before a second reading confirms it.
    """

    values: dict[str, str] = field(default_factory=dict)
    net_liquidation: Decimal | None = None
    stream_pnl: Decimal | None = None
    anchor_pnl: Decimal | None = None
    age: AccountAge = field(default_factory=AccountAge)
    value_filter: JumpFilter = field(default_factory=JumpFilter)
    stream_filter: JumpFilter = field(default_factory=JumpFilter)

    def apply_values(
        self, values: dict[str, str], at: float, rule: ConfirmationRule | None
    ) -> tuple[Reading, ...]:
        """The readings of net liquidation: those believed now, or the one held back."""
        self.values.update(values)
        self.age.heard(at)
        fresh = account_number(values, "NetLiquidation")
        if fresh is None:
            return ()
        self.age.value_seen(at)
        if rule is None:
            return ()
        tolerance = rule.jump_share * abs(fresh if self.equity is None else self.equity)
        believed = self.value_filter.take(fresh, self.equity, tolerance, at, rule)
        if believed:
            self.net_liquidation = believed[-1]
            self._anchor()
            return tuple(Reading(equity, True) for equity in believed)
        return (Reading(fresh, True, is_believed=False),)

    def _anchor(self) -> None:
        """The stream counts from here. One in doubt would be in the difference: it starts anew."""
        if self.stream_filter.is_in_doubt:
            self.stream_pnl, self.stream_filter = None, JumpFilter()
        self.anchor_pnl = self.stream_pnl

    def apply(
        self,
        seen: BrokerAccountSeen,
        at: float,
        rule: ConfirmationRule | None,
        *,
        is_streaming: bool = True,
    ) -> tuple[Reading, ...]:
        """Stream before value: both were read together, and the value's anchor is this stream.

        `is_streaming` False: the day's stream may begin anew at any time, and moves no equity.
        """
        was_known = self.net_liquidation is not None
        pnl = seen.daily_pnl if is_streaming else None
        if seen.daily_pnl is not None:
            self.age.stream_at = at
        moved = self._stream(pnl, at, rule) if was_known else ()
        readings = self.apply_values(seen.values, at, rule)
        if not was_known:
            self._stream(pnl, at, rule)
        return readings or moved

    def _stream(
        self, pnl: Decimal | None, at: float, rule: ConfirmationRule | None
    ) -> tuple[Reading, ...]:
        """The stream's reading of equity; none while there is nothing that it moves."""
        if pnl is None:
            return ()
        if rule is None or self.net_liquidation is None:
            return ()
        tolerance = rule.jump_share * abs(self.net_liquidation)
        believed = self.stream_filter.take(pnl, self.stream_pnl, tolerance, at, rule)
        if believed:
            self.stream_pnl = believed[-1]
            if self.anchor_pnl is None:
                self.anchor_pnl = believed[0]
        if self.anchor_pnl is None:
            return ()
        equity = self.net_liquidation + (believed[-1] if believed else pnl) - self.anchor_pnl
        return (Reading(equity, False, is_believed=bool(believed)),)

    def session_started(self) -> None:
        """The stream counts from 0 again each day."""
        self.stream_pnl = self.anchor_pnl = None
        self.stream_filter = JumpFilter()

    def doubt(self) -> str:
        """Which reading waits for a second one; empty when none does."""
        if self.value_filter.is_in_doubt:
            return f"net liquidation {self.value_filter.held} was read once"
        if self.stream_filter.is_in_doubt and self.stream_pnl is not None:
            return f"daily P&L {self.stream_filter.held} was read once"
        return ""

    @property
    def equity(self) -> Decimal | None:
        if self.net_liquidation is None:
            return None
        if self.stream_pnl is None or self.anchor_pnl is None:
            return self.net_liquidation
        return self.net_liquidation + self.stream_pnl - self.anchor_pnl


@dataclass(frozen=True, slots=True)
class DayResult:
    session_date: date
    reference: Decimal
    pnl: Decimal


@dataclass(frozen=True, slots=True)
class Jump:
    """A change of the account value that no recorded flow explains, and the mark before it."""

    amount: Decimal
    high_water: Decimal | None


@dataclass(slots=True)
class LossBook:
    """Reference and result of the day, the sessions before it, and the high-water mark."""

    session_date: date | None = None
    reference: Decimal | None = None
    pnl: Decimal = Decimal(0)
    flows: Decimal = Decimal(0)
    awaited_flows: tuple[Decimal, ...] = ()
    """Recorded and not seen in the account yet."""
    jumps: tuple[Jump, ...] = ()
    """Of this session."""
    filled: bool = False
    last_equity: Decimal | None = None
    last_value: Decimal | None = None
    """The account value before: the high-water mark needs two that reach it."""
    high_water: Decimal | None = None
    hard: InARow = field(default_factory=InARow)
    fall: InARow = field(default_factory=InARow)
    week: InARow = field(default_factory=InARow)
    buckets: dict[Strategy, InARow] = field(default_factory=dict)
    buckets_off: frozenset[Strategy] = frozenset()
    """Buckets over their daily loss: off for the rest of this session."""
    earlier: tuple[DayResult, ...] = ()
    half_sessions_left: int = 0
    """Sessions at half size after the weekly loss, this one included."""
    hard_acted_on: date | None = None

    def session_started(self, session_date: date) -> None:
        if session_date == self.session_date:
            return
        if self.session_date is not None and self.reference is not None:
            day = DayResult(self.session_date, self.reference, self.pnl)
            self.earlier = (*self.earlier, day)[-(WEEK_SESSIONS - 1) :]
        self.session_date = session_date
        self.reference, self.pnl, self.flows, self.filled = None, Decimal(0), Decimal(0), False
        self.half_sessions_left = max(0, self.half_sessions_left - 1)
        self.hard, self.jumps = InARow(), ()
        self.buckets, self.buckets_off = {}, frozenset()

    def flow(self, amount: Decimal, rule: ConfirmationRule | None) -> None:
        """A deposit or withdrawal is no result: reference, result and mark move with it.

        They move when the account shows it, which may be before or after the operator says so:
        a mark that moved alone would be a drawdown that nobody had.
        """
        allowed = self._tolerance(rule)
        shown = next((jump for jump in self.jumps if abs(jump.amount - amount) <= allowed), None)
        if shown is not None:
            self._explain(shown, amount)
        elif abs(amount) <= allowed:
            self._move(amount)
        else:
            self.awaited_flows = (*self.awaited_flows, amount)[-FLOWS_MAX:]

    def _tolerance(self, rule: ConfirmationRule | None) -> Decimal:
        if rule is None or self.last_equity is None:
            return Decimal(0)
        return rule.jump_share * abs(self.last_equity)

    def _move(self, amount: Decimal) -> None:
        self.flows += amount
        if self.high_water is not None:
            self.high_water += amount
        if self.last_equity is not None:
            self.last_equity += amount
        if self.last_value is not None:
            self.last_value += amount

    def _explain(self, shown: Jump, amount: Decimal) -> None:
        """The jump was this flow: what it seemed to win or lose is taken back."""
        self.jumps = tuple(jump for jump in self.jumps if jump is not shown)
        self.flows += amount
        self.pnl -= amount
        if shown.high_water is not None and self.last_equity is not None:
            self.high_water = max(shown.high_water + amount, self.last_equity)
        self.hard, self.fall, self.week = InARow(), InARow(), InARow()

    def _value_moved(self, equity: Decimal, rule: ConfirmationRule) -> None:
        """A believed account value: is a jump of it a flow that we wait for?"""
        if self.last_equity is None:
            return
        jump, allowed = equity - self.last_equity, self._tolerance(rule)
        if abs(jump) <= allowed:
            return
        for amount in self.awaited_flows:
            if abs(jump - amount) <= allowed:
                waiting = list(self.awaited_flows)
                waiting.remove(amount)
                self.awaited_flows = tuple(waiting)
                self._move(amount)
                return
        self.jumps = (*self.jumps, Jump(jump, self.high_water))[-FLOWS_MAX:]

    def equity_seen(
        self, reading: Reading, at: float, parameters: ParameterState, rule: ConfirmationRule
    ) -> None:
        """A reading, `at` real seconds."""
        equity = reading.equity
        if not reading.is_believed:
            self._held_back(equity, at, parameters, rule)
            return
        if reading.is_account_value:
            self._value_moved(equity, rule)
            self._mark(equity)
        if self.session_date is None:
            return
        if self.reference is None:
            if not reading.is_account_value:
                return
            # A value that comes after a fill already contains its result: the last equity
            # before is the honest reference then.
            before = self.last_equity if self.filled else None
            self.reference = equity if before is None else before
            self.flows = Decimal(0)
        self.pnl = equity - self.reference - self.flows
        self.last_equity = equity
        self._count(at, parameters, rule)

    def _held_back(
        self, equity: Decimal, at: float, parameters: ParameterState, rule: ConfirmationRule
    ) -> None:
        """Not believed itself, but with the last one: both say "at most the higher of the two"."""
        if self.reference is None or self.last_equity is None:
            return
        pnl, last = self.pnl, self.last_equity
        self.last_equity = max(equity, last)
        self.pnl = self.last_equity - self.reference - self.flows
        self._count(at, parameters, rule)
        self.pnl, self.last_equity = pnl, last

    def _count(self, at: float, parameters: ParameterState, rule: ConfirmationRule) -> None:
        self.hard.reading(self.day_breached("hard_day", parameters), at, rule)
        self.fall.reading(self.drawdown_breached(parameters), at, rule)
        self.week.reading(self.week_breached(parameters), at, rule)
        if self.week.is_confirmed(rule) and self.half_sessions_left == 0:
            self.half_sessions_left = 1 + int(parameters.number("risk.loss.week_half_sessions"))

    def _mark(self, value: Decimal) -> None:
        before, self.last_value = self.last_value, value
        reached = None if before is None else min(before, value)
        if reached is not None and (self.high_water is None or reached > self.high_water):
            self.high_water = reached

    def bucket_seen(
        self,
        strategy: Strategy,
        pnl: Decimal,
        at: float,
        parameters: ParameterState,
        rule: ConfirmationRule,
    ) -> None:
        """A bucket's result today, from marks and fills."""
        row = self.buckets.setdefault(strategy, InARow())
        row.reading(self.bucket_breached(pnl, parameters), at, rule)
        if row.is_confirmed(rule):
            self.buckets_off |= {strategy}

    def re_armed(self) -> None:
        """The operator released the kill switch: the drawdown is measured anew from here."""
        self.high_water = self.last_equity
        self.fall = InARow()

    def day_breached(self, name: str, parameters: ParameterState) -> bool:
        """`name` is soft_day or hard_day."""
        if self.reference is None:
            return False
        return self.pnl <= -self.reference * _share(parameters, name)

    def week_breached(self, parameters: ParameterState) -> bool:
        if self.reference is None:
            return False
        first = self.earlier[0].reference if self.earlier else self.reference
        total = sum((day.pnl for day in self.earlier), self.pnl)
        return total <= -first * _share(parameters, "week")

    @property
    def drawdown(self) -> Decimal | None:
        """E over the high-water mark less 1; None before the first value."""
        if self.high_water is None or self.last_equity is None or self.high_water <= 0:
            return None
        return self.last_equity / self.high_water - 1

    def drawdown_breached(self, parameters: ParameterState) -> bool:
        fall = self.drawdown
        return fall is not None and fall <= -_share(parameters, "drawdown")

    def bucket_breached(self, bucket_pnl: Decimal, parameters: ParameterState) -> bool:
        if self.reference is None:
            return False
        return bucket_pnl <= -self.reference * _share(parameters, "bucket_day")


def _share(parameters: ParameterState, name: str) -> Decimal:
    return Decimal(repr(parameters.number(f"risk.loss.{name}")))
