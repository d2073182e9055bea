"""What ib_async asks of the sandbox TWS and hears from it in the tests of market data."""

from __future__ import annotations

from ib_async import IB, Contract

from tests.adapters.interactive_brokers.still_market import CALL_600, UNDERLYINGS

CALL = Contract(secType="OPT", conId=CALL_600, symbol="SPY", exchange="SMART")


def stock(symbol: str) -> Contract:
    return Contract(secType="STK", conId=UNDERLYINGS[symbol], symbol=symbol, exchange="SMART")


def codes_of(ib: IB) -> list[int]:
    """Codes of the errors that come from now on."""
    codes: list[int] = []
    ib.errorEvent += lambda _request, code, _text, _contract: codes.append(code)
    return codes
