"""Equity, day and week results, and the loss rules that rest on them (quantitative rules, 5.6).

Folded by the risk stage from account values; a rule acts at its threshold and beyond.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from domain.events.orders import BrokerAccountSeen
from domain.parameter import ParameterState
from domain.risk.account_age import AccountAge
from domain.risk.margin import account_number

WEEK_SESSIONS = 5


@dataclass(slots=True)
class Account:
    """Account values as they came, with their age in real seconds.

    Between two values of net liquidation equity moves with the daily-P&L stream.
    """

    values: dict[str, str] = field(default_factory=dict)
    net_liquidation: Decimal | None = None
    stream_pnl: Decimal | None = None
    anchor_pnl: Decimal | None = None
    age: AccountAge = field(default_factory=AccountAge)

    def apply_values(self, values: dict[str, str], at: float) -> bool:
        """True when a new net liquidation value came."""
        self.values.update(values)
        self.age.heard(at)
        fresh = account_number(values, "NetLiquidation")
        if fresh is None:
            return False
        self.net_liquidation = fresh
        self.age.value_seen(at)
        self.anchor_pnl = self.stream_pnl
        return True

    def apply(self, seen: BrokerAccountSeen, at: float) -> bool:
        if seen.daily_pnl is not None:
            self.stream_pnl, self.age.stream_at = seen.daily_pnl, at
            if self.anchor_pnl is None:
                self.anchor_pnl = seen.daily_pnl
        return self.apply_values(seen.values, at)

    def session_started(self) -> None:
        """The stream counts from 0 again each day."""
        self.stream_pnl = self.anchor_pnl = None

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


@dataclass(slots=True)
class LossBook:
    """Reference and result of the day, the sessions before it, and the high-water mark."""

    session_date: date | None = None
    reference: Decimal | None = None
    pnl: Decimal = Decimal(0)
    flows: Decimal = Decimal(0)
    filled: bool = False
    last_equity: Decimal | None = None
    high_water: Decimal | None = None
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

    def flow(self, amount: Decimal) -> None:
        """A deposit or withdrawal is no result: reference result and mark move with it."""
        self.flows += amount
        if self.high_water is not None:
            self.high_water += amount
        if self.last_equity is not None:
            self.last_equity += amount

    def equity_seen(
        self, equity: Decimal, parameters: ParameterState, *, is_account_value: bool
    ) -> None:
        if self.session_date is None:
            return
        if self.reference is None:
            if not is_account_value:
                return
            # A value that comes after a fill already contains its result: the last equity
            # before is the honest reference then.
            before = self.last_equity if self.filled else None
            self.reference = equity if before is None else before
            self.flows = Decimal(0)
        self.pnl = equity - self.reference - self.flows
        self.last_equity = equity
        if is_account_value and (self.high_water is None or equity > self.high_water):
            self.high_water = equity
        if self.week_breached(parameters) and self.half_sessions_left == 0:
            self.half_sessions_left = 1 + int(parameters.number("risk.loss.week_half_sessions"))

    def re_armed(self) -> None:
        """The operator released a halt: the drawdown is measured anew from here."""
        self.high_water = self.last_equity

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
