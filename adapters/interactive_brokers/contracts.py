"""Contract look-ups over a market link: stocks, expirations, and the chain of one expiry.

Used by market_data.py. Con ids of options change every day with new expirations, so nothing is
remembered here.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from ib_async import Contract, ContractDetails

from adapters.interactive_brokers.link import RequestFailed
from adapters.interactive_brokers.market_link import MarketLink
from domain.events.feeds import ChainListed, ListedOption
from domain.instruments import MULTIPLIER, Right

REQUEST_SECONDS = 20.0
NO_DEFINITION = 200


def stock(symbol: str, con_id: int) -> Contract:
    return Contract(secType="STK", conId=con_id, symbol=symbol, exchange="SMART", currency="USD")


async def find_stock(link: MarketLink, symbol: str) -> tuple[int, str]:
    """Contract id and primary exchange of a US stock or ETF.

    Raises:
        LookupError: TWS knows none, or more than one.
    """
    asked = Contract(secType="STK", symbol=symbol, exchange="SMART", currency="USD")
    found = await _details(link, asked)
    if len(found) != 1 or found[0].contract is None:
        raise LookupError(f"{symbol} must be one contract, was {len(found)}")
    contract = found[0].contract
    return contract.conId, contract.primaryExchange


async def list_expiries(link: MarketLink, symbol: str, con_id: int) -> tuple[date, ...]:
    """Expirations of the standard class, ascending."""
    request = link.client.getReqId()
    found = await link.ask_by_number(
        request,
        lambda: link.client.reqSecDefOptParams(request, symbol, "", "STK", con_id),
        REQUEST_SECONDS,
    )
    days = {
        date(int(text[:4]), int(text[4:6]), int(text[6:8]))
        for _exchange, trading_class, multiplier, expirations in found
        if trading_class == symbol and multiplier == str(MULTIPLIER)
        for text in expirations
    }
    return tuple(sorted(days))


async def list_chain(link: MarketLink, symbol: str, expiry: date) -> ChainListed:
    """All contracts of one expiry in one request (strike 0), adjusted ones left out."""
    asked = Contract(
        secType="OPT",
        symbol=symbol,
        lastTradeDateOrContractMonth=f"{expiry:%Y%m%d}",
        exchange="SMART",
        currency="USD",
        multiplier=str(MULTIPLIER),
        tradingClass=symbol,
    )
    listed = []
    for details in await _details(link, asked):
        contract = details.contract
        if contract is None or contract.multiplier != str(MULTIPLIER):
            continue
        listed.append(
            ListedOption(
                con_id=contract.conId,
                strike=Decimal(format(contract.strike, ".10g")),
                right=Right(contract.right[0]),
            )
        )
    listed.sort(key=lambda option: (option.strike, option.right))
    return ChainListed(
        symbol=symbol,
        expiry=expiry,
        trading_class=symbol,
        multiplier=MULTIPLIER,
        contracts=tuple(listed),
    )


async def _details(link: MarketLink, asked: Contract) -> list[ContractDetails]:
    request = link.client.getReqId()
    try:
        return await link.ask_by_number(
            request, lambda: link.client.reqContractDetails(request, asked), REQUEST_SECONDS
        )
    except RequestFailed as refused:
        if refused.code == NO_DEFINITION:
            return []
        raise
