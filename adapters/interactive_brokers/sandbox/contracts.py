"""Contracts of the market model as TWS names them: look-up, details, chains.

Used by every part of the sandbox that reads a contract from a request or writes one out.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from adapters.interactive_brokers.sandbox.requests import RequestedContract, RequestedLeg
from adapters.interactive_brokers.sandbox.wire import FieldValue
from adapters.market_model.contract import MarketModel, SimContract

NEW_YORK = ZoneInfo("America/New_York")
COMBO_CON_ID = 28812380
"""The contract id that TWS writes for every combination."""
MULTIPLIER = 100
OPTIONS_CLOSE_DELAY = timedelta(minutes=15)
"""SPY, QQQ and IWM options trade a quarter of an hour longer than the ETFs."""
LONG_NAMES = {
    "SPY": "SPDR S&P 500 ETF TRUST",
    "QQQ": "INVESCO QQQ TRUST SERIES 1",
    "IWM": "ISHARES RUSSELL 2000 ETF",
}
ORDER_TYPES = "ACTIVETIM,ADJUST,ALERT,COND,DAY,LMT,MKT,OCA,STP,STPLMT,WHATIF"


def tws_time(at: datetime) -> str:
    """A time as TWS writes it, with zone and single spaces."""
    return at.astimezone(NEW_YORK).strftime("%Y%m%d %H:%M:%S US/Eastern")


def local_symbol(contract: SimContract) -> str:
    if contract.expiry is None:
        return contract.symbol
    strike = int(Decimal(str(contract.strike)) * 1000)
    return f"{contract.symbol:<6}{contract.expiry:%y%m%d}{contract.right}{strike:08d}"


def expiry_text(contract: SimContract) -> str:
    return "" if contract.expiry is None else f"{contract.expiry:%Y%m%d}"


def multiplier(contract: SimContract) -> int:
    return MULTIPLIER if contract.is_option else 1


class ContractDirectory:
    """Finds contracts of the model and writes their fields."""

    def __init__(self, market: MarketModel) -> None:
        self._market = market

    @property
    def options_close_at(self) -> datetime:
        return self._market.close_at + OPTIONS_CLOSE_DELAY

    def by_con_id(self, con_id: int) -> SimContract | None:
        return self._market.contract(con_id)

    def known_symbols(self) -> tuple[str, ...]:
        return (*self._market.symbols, *self._market.basket)

    def find_one(self, asked: RequestedContract) -> SimContract | None:
        """The one contract a request means; None when it is unknown or ambiguous."""
        matches = self.find(asked)
        return matches[0] if len(matches) == 1 else None

    def find(self, asked: RequestedContract) -> list[SimContract]:
        """Every contract that fits; strike 0 or an empty right stand for all of them."""
        if asked.con_id:
            contract = self._market.contract(asked.con_id)
            return [] if contract is None else [contract]
        if asked.symbol not in self.known_symbols():
            return []
        if asked.security_type == "STK":
            return [self._market.underlying(asked.symbol)]
        if asked.security_type != "OPT" or asked.symbol not in self._market.symbols:
            return []
        return [c for c in self._market.contracts(asked.symbol) if _fits(c, asked)]

    def fields(self, con_id: int, symbol: str) -> tuple[FieldValue, ...]:
        """conId .. multiplier, then exchange, currency, localSymbol, tradingClass."""
        if con_id == COMBO_CON_ID:
            return (
                COMBO_CON_ID,
                symbol,
                "BAG",
                "",
                0.0,
                "?",
                "",
                "SMART",
                "USD",
                str(COMBO_CON_ID),
                "COMB",
            )
        contract = self._market.contract(con_id)
        if contract is None:
            return (con_id, symbol, "OPT", "", 0.0, "", "100", "SMART", "USD", symbol, symbol)
        return (*self.head(contract), "SMART", "USD", local_symbol(contract), contract.symbol)

    def head(self, contract: SimContract) -> tuple[FieldValue, ...]:
        """conId, symbol, secType, lastTradeDate, strike, right, multiplier."""
        return (
            contract.con_id,
            contract.symbol,
            "OPT" if contract.is_option else "STK",
            expiry_text(contract),
            contract.strike if contract.is_option else 0.0,
            contract.right if contract.is_option else "?",
            str(MULTIPLIER) if contract.is_option else "",
        )

    def details(self, request_id: int, contract: SimContract) -> tuple[FieldValue, ...]:
        """A contractDetails message (10)."""
        close_at = self.options_close_at if contract.is_option else self._market.close_at
        hours = f"{_hours(self._market.open_at)}-{_hours(close_at)}"
        last = ""
        if contract.expiry is not None:
            last = f"{contract.expiry:%Y%m%d} {_wall_clock(close_at)} US/Eastern"
        under = self._market.underlying(contract.symbol)
        name = LONG_NAMES.get(contract.symbol, f"{contract.symbol} INC")
        month = "" if contract.expiry is None else f"{contract.expiry:%Y%m}"
        exchanges = "SMART,AMEX,CBOE,PHLX" if contract.is_option else "SMART,ARCA,NASDAQ"
        return (
            10,
            request_id,
            contract.symbol,
            "OPT" if contract.is_option else "STK",
            last,
            contract.strike if contract.is_option else 0.0,
            contract.right,
            "SMART",
            "USD",
            local_symbol(contract),
            contract.symbol,
            contract.symbol,
            contract.con_id,
            0.01,
            str(MULTIPLIER) if contract.is_option else "",
            ORDER_TYPES,
            exchanges,
            1,
            under.con_id if contract.is_option else 0,
            name,
            "" if contract.is_option else contract.primary_exchange,
            month,
            "",
            "",
            "",
            "US/Eastern",
            hours,
            hours,
            "",
            "",
            0,
            2,
            contract.symbol if contract.is_option else "",
            "STK" if contract.is_option else "",
            ",".join("26" for _ in exchanges.split(",")),
            expiry_text(contract),
            "" if contract.is_option else "ETF",
            1,
            1,
            1,
        )

    def chain_messages(self, request_id: int, con_id: int) -> list[tuple[FieldValue, ...]]:
        """securityDefinitionOptionParameter (75) of an underlying and its end (76)."""
        messages: list[tuple[FieldValue, ...]] = []
        under = self._market.contract(con_id)
        if under is not None and under.symbol in self._market.symbols:
            listed = self._market.contracts(under.symbol)
            expiries = sorted({expiry_text(c) for c in listed})
            strikes = sorted({c.strike for c in listed})
            for exchange in ("SMART", "CBOE"):
                head = (75, request_id, exchange, con_id, under.symbol, str(MULTIPLIER))
                messages.append((*head, len(expiries), *expiries, len(strikes), *strikes))
        messages.append((76, request_id))
        return messages

    def legs_known(self, legs: tuple[RequestedLeg, ...]) -> bool:
        contracts = [self._market.contract(leg.con_id) for leg in legs]
        return len(legs) > 1 and all(c is not None and c.is_option for c in contracts)

    def expired(self, con_id: int, session_date: date) -> bool:
        contract = self._market.contract(con_id)
        if contract is None or contract.expiry is None:
            return False
        return contract.expiry < session_date

    def epoch(self) -> int:
        return int(self._market.now().astimezone(UTC).timestamp())


def _fits(contract: SimContract, asked: RequestedContract) -> bool:
    if asked.last_trade_date and not expiry_text(contract).startswith(asked.last_trade_date):
        return False
    if asked.strike and Decimal(str(contract.strike)) != asked.strike:
        return False
    return not asked.right or asked.right[0] == contract.right


def _hours(at: datetime) -> str:
    return at.astimezone(NEW_YORK).strftime("%Y%m%d:%H%M")


def _wall_clock(at: datetime) -> str:
    return at.astimezone(NEW_YORK).strftime("%H:%M:%S")
