"""What a strategy knows of desk and broker: halted, ready, reconciled, and how old equity is.

Folded by strategy_state.py; gates read it. Times are real seconds. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.event import Body
from domain.events.controls import TradingHalted, TradingReleased
from domain.events.orders import (
    BrokerAccountSeen,
    BrokerConnected,
    BrokerDisconnected,
    BrokerReady,
    BrokerSnapshotReceived,
    BrokerTimeSeen,
    ReconciliationCompleted,
)
from domain.risk.account_age import AccountAge
from domain.risk.margin import account_number


@dataclass(slots=True)
class Desk:
    halted: bool = False
    entries_open: bool = True
    broker_ready: bool = False
    reconciled: bool = False
    age: AccountAge = field(default_factory=AccountAge)

    def fold(self, body: Body, seconds: float) -> None:
        """`seconds` is the real time of the event."""
        match body:
            case TradingHalted():
                self.halted = True
            case TradingReleased():
                self.halted = False
            case BrokerReady():
                self.broker_ready = True
            case BrokerConnected() | BrokerDisconnected():
                self.broker_ready, self.reconciled = False, False
                self.age.disconnected()
            case ReconciliationCompleted():
                self.reconciled = body.clean
            case BrokerAccountSeen():
                self._account_seen(body.values, seconds)
                if body.daily_pnl is not None:
                    self.age.stream_at = seconds
            case BrokerSnapshotReceived():
                self._account_seen(body.account_values, seconds)
            case BrokerTimeSeen():
                self.age.heard(seconds)
            case _:
                pass

    def _account_seen(self, values: dict[str, str], seconds: float) -> None:
        self.age.heard(seconds)
        if account_number(values, "NetLiquidation") is not None:
            self.age.value_seen(seconds)
