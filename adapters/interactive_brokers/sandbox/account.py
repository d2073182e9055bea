"""The simulated account: positions, cash, marks, account values, P&L and what-if figures.

Positions and cash are folded from executions and adjustments; marks come from the model. The
engine feeds it, the sessions read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from adapters.interactive_brokers.sandbox.contracts import ContractDirectory, multiplier
from adapters.interactive_brokers.sandbox.margin import Holding, Margin, margin_of
from adapters.interactive_brokers.sandbox.state import (
    OPENING_CASH,
    SimAdjustment,
    SimExecution,
    SimPosition,
)
from adapters.market_model.contract import MarketModel

COMMISSION_A_CONTRACT = Decimal("0.70")
"""0.65 dollars of commission and 0.05 of fees for each contract and leg."""
COMMISSION_A_SHARE = Decimal("0.005")


@dataclass(frozen=True, slots=True)
class WhatIfFigures:
    before: Margin
    after: Margin
    equity_before: float
    equity_after: float
    commission: Decimal


class SimAccount:
    """Cash and positions of the one account."""

    def __init__(self, market: MarketModel, directory: ContractDirectory, name: str) -> None:
        self._market = market
        self._directory = directory
        self._families: dict[str, SimExecution] = {}
        self.name = name
        self.cash = OPENING_CASH
        self.positions: dict[int, SimPosition] = {}
        self.realised_today = Decimal(0)
        self.day_start_value = OPENING_CASH

    def realised_by(self, con_id: int, signed_quantity: int, price: Decimal) -> Decimal | None:
        """Profit a fill would realise, before its commission; None when it closes nothing."""
        position = self.positions.get(con_id)
        if position is None or position.quantity * signed_quantity >= 0:
            return None
        closed = min(abs(signed_quantity), abs(position.quantity))
        per_unit = price * self._multiplier(con_id)
        sign = 1 if position.quantity > 0 else -1
        return closed * sign * (per_unit - position.average_cost)

    def apply(self, execution: SimExecution) -> None:
        """Count an execution; a correction takes its family's earlier one back first."""
        earlier = self._families.get(execution.family)
        self._families[execution.family] = execution
        if not execution.moves_position:
            return
        if earlier is not None:
            self._move(earlier.con_id, -earlier.signed_quantity, earlier.price, -earlier.commission)
        self._move(
            execution.con_id, execution.signed_quantity, execution.price, execution.commission
        )

    def adjust(self, adjustment: SimAdjustment) -> None:
        self._move(
            adjustment.con_id,
            adjustment.quantity,
            adjustment.price,
            Decimal(0),
            adjustment.multiplier,
        )

    def _move(
        self,
        con_id: int,
        signed_quantity: int,
        price: Decimal,
        commission: Decimal,
        size: int | None = None,
    ) -> None:
        paid = signed_quantity * price * (size or self._multiplier(con_id)) + commission
        self.cash -= paid
        position = self.positions.get(con_id) or SimPosition(con_id, 0, Decimal(0))
        quantity = position.quantity + signed_quantity
        if quantity == 0:
            self.realised_today -= position.cost + paid
            cost = Decimal(0)
        elif position.quantity * signed_quantity >= 0:
            cost = position.cost + paid
        else:
            closed = min(abs(signed_quantity), abs(position.quantity))
            share = Decimal(closed) / abs(signed_quantity)
            if closed == abs(position.quantity):  # it turned over: the rest opens anew
                self.realised_today -= position.cost + paid * share
                cost = paid * (1 - share)
            else:
                released = position.cost * Decimal(closed) / abs(position.quantity)
                self.realised_today -= released + paid
                cost = position.cost - released
        self.positions[con_id] = replace(position, quantity=quantity, cost=cost)

    def _multiplier(self, con_id: int) -> int:
        contract = self._directory.by_con_id(con_id)
        return 100 if contract is None else multiplier(contract)

    def held(self) -> list[SimPosition]:
        return [
            self.positions[key] for key in sorted(self.positions) if self.positions[key].quantity
        ]

    def mark(self, con_id: int) -> float:
        """Mid of the model's quote; 0 without one."""
        quote = self._market.quote(con_id)
        if quote is None:
            return 0.0
        if quote.bid_size == 0 or quote.bid <= 0:
            return quote.ask / 2 if quote.ask_size else 0.0
        return (quote.bid + quote.ask) / 2

    def market_value(self, position: SimPosition) -> float:
        return position.quantity * self.mark(position.con_id) * self._multiplier(position.con_id)

    def net_liquidation(self) -> float:
        return float(self.cash) + sum(self.market_value(p) for p in self.held())

    def unrealised(self, position: SimPosition) -> float:
        return self.market_value(position) - float(position.cost)

    def pnl(self) -> tuple[float, float, float]:
        """Daily, unrealised and realised profit in dollars."""
        daily = self.net_liquidation() - float(self.day_start_value)
        return daily, sum(self.unrealised(p) for p in self.held()), float(self.realised_today)

    def _holdings(self, extra: Mapping[int, int] | None = None) -> list[Holding]:
        quantities = {p.con_id: p.quantity for p in self.held()}
        for con_id, change in (extra or {}).items():
            quantities[con_id] = quantities.get(con_id, 0) + change
        holdings = []
        for con_id, quantity in sorted(quantities.items()):
            contract = self._directory.by_con_id(con_id)
            if contract is None or quantity == 0:
                continue
            spot = self.mark(self._market.underlying(contract.symbol).con_id)
            holdings.append(
                Holding(
                    contract.symbol,
                    contract.expiry,
                    contract.strike,
                    contract.right,
                    quantity,
                    self.mark(con_id),
                    spot,
                )
            )
        return holdings

    def what_if(self, changes: Mapping[int, int]) -> WhatIfFigures:
        """Margin and equity before and after trading `changes` at the marks."""
        contracts = sum(abs(change) for change in changes.values())
        commission = contracts * COMMISSION_A_CONTRACT
        equity = self.net_liquidation()
        return WhatIfFigures(
            before=margin_of(self._holdings()),
            after=margin_of(self._holdings(changes)),
            equity_before=equity,
            equity_after=equity - float(commission),
            commission=commission,
        )

    def _post_expiration(self) -> float:
        """Maintenance margin once today's in-the-money options have become stock."""
        shares: list[Holding] = []
        for holding in self._holdings():
            if holding.expiry != self._market.session_date:
                shares.append(holding)
                continue
            spot = holding.underlying_price
            sign = 1 if holding.right == "C" else -1
            if sign * (spot - holding.strike) >= 0.01:
                quantity = sign * holding.quantity * 100
                shares.append(Holding(holding.symbol, None, 0.0, "", quantity, spot, spot))
        by_symbol: dict[str, Holding] = {}
        others = [h for h in shares if h.expiry is not None]
        for holding in (h for h in shares if h.expiry is None):
            known = by_symbol.get(holding.symbol)
            total = holding.quantity + (known.quantity if known else 0)
            by_symbol[holding.symbol] = replace(holding, quantity=total)
        return margin_of([*others, *by_symbol.values()]).maintenance

    def values(self) -> dict[tuple[str, str], str]:
        """Account values as TWS names them: (key, currency) to text."""
        equity = self.net_liquidation()
        gross = sum(abs(self.market_value(p)) for p in self.held())
        margin = margin_of(self._holdings())
        money = self._balances(equity, gross) | self._margins(equity, margin)
        plain = {
            "AccountType": "INDIVIDUAL",
            "AccountCode": self.name,
            "AccountReady": "true",
            "Cushion": f"{(equity - margin.maintenance) / equity if equity else 0:.6f}",
            "HighestSeverity": "0",
            "DayTradesRemaining": "-1",
            "DayTradesRemainingT+1": "-1",
            "DayTradesRemainingT+2": "-1",
            "DayTradesRemainingT+3": "-1",
            "DayTradesRemainingT+4": "-1",
            "Leverage-S": f"{gross / equity if equity else 0:.2f}",
            "LookAheadNextChange": str(int(self._market.close_at.timestamp())),
        }
        found = {(key, "USD"): f"{value:.2f}" for key, value in money.items()}
        return found | {(key, ""): value for key, value in plain.items()}

    def _balances(self, equity: float, gross: float) -> dict[str, float]:
        holdings = self._holdings()
        _daily, unrealised, realised = self.pnl()
        cash = float(self.cash)
        return {
            "NetLiquidation": equity,
            "TotalCashValue": cash,
            "SettledCash": cash,
            "AccruedCash": 0.0,
            "CashBalance": cash,
            "TotalCashBalance": cash,
            "EquityWithLoanValue": equity,
            "PreviousDayEquityWithLoanValue": float(self.day_start_value),
            "GrossPositionValue": gross,
            "OptionMarketValue": sum(h.value for h in holdings if h.expiry is not None),
            "StockMarketValue": sum(h.value for h in holdings if h.expiry is None),
            "UnrealizedPnL": unrealised,
            "RealizedPnL": realised,
        }

    def _margins(self, equity: float, margin: Margin) -> dict[str, float]:
        """Requirements and what is left: now, with overnight rules, and at the next change."""
        post = self._post_expiration()
        values = {
            "BuyingPower": max(equity - margin.initial, 0.0) * 4,
            "RegTEquity": equity,
            "RegTMargin": margin.initial,
            "SMA": equity - margin.initial,
            "PostExpirationMargin": post,
            "PostExpirationExcess": equity - post,
        }
        for prefix in ("", "Full", "LookAhead"):
            values[f"{prefix}InitMarginReq"] = margin.initial
            values[f"{prefix}MaintMarginReq"] = margin.maintenance
            values[f"{prefix}AvailableFunds"] = equity - margin.initial
            values[f"{prefix}ExcessLiquidity"] = equity - margin.maintenance
        return values
