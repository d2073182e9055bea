"""Turns rows of drawn quotes and trades into the updates that the sandboxes get."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from adapters.market_model.book import QuoteChunk
from adapters.market_model.contract import OptionTraded, SimContract, SimQuote, UnderlyingQuoted
from adapters.market_model.flow import CODES, EXCHANGES, TradeChunk
from adapters.market_model.options import OptionMarket
from adapters.market_model.paths import BEFORE_OPEN_SECONDS


def underlying_update(
    contract: SimContract, chunk: QuoteChunk, row: int, start: datetime
) -> UnderlyingQuoted:
    """Row `row` of a minute's quotes; `start` is the table's first second."""
    return UnderlyingQuoted(
        at=start + timedelta(seconds=float(chunk.at[row])),
        con_id=contract.con_id,
        symbol=contract.symbol,
        quote=SimQuote(
            int(chunk.bid[row]) / 100,
            int(chunk.ask[row]) / 100,
            int(chunk.bid_size[row]),
            int(chunk.ask_size[row]),
        ),
        last=int(chunk.last[row]) / 100,
        last_size=int(chunk.last_size[row]),
        session_volume=int(chunk.session_volume[row]),
    )


def option_updates(
    options: OptionMarket, chunk: TradeChunk, first: int, last: int, start: datetime
) -> Iterator[tuple[float, OptionTraded]]:
    """Trades [first, last) of a minute, with seconds since `start`, before the tape absorbs them.

    The session volumes in each trade are the contract's right after it.
    """
    tape, symbol = options.tape, options.chain.symbol
    day = start + timedelta(seconds=BEFORE_OPEN_SECONDS)
    prefix = f"{symbol}-{day:%Y%m%d}-{chunk.minute}"
    running: dict[int, list[int]] = {}
    for k in range(first, last):
        row = int(chunk.row[k])
        counts = running.get(row)
        if counts is None:
            sides = (tape.at_ask, tape.at_bid, tape.between, tape.multi_leg)
            counts = running[row] = [int(side[row]) for side in sides]
        size, aggressor = int(chunk.size[k]), int(chunk.aggressor[k])
        is_multi_leg = bool(chunk.multi_leg[k])
        counts[{1: 0, -1: 1, 0: 2}[aggressor]] += size
        counts[3] += size if is_multi_leg else 0
        sweep = int(chunk.sweep[k])
        at = float(chunk.at[k]) + BEFORE_OPEN_SECONDS
        spot = float(chunk.spot[k])
        yield (
            at,
            OptionTraded(
                at=start + timedelta(seconds=at),
                trade_id=f"{prefix}-{k}",
                contract=options.chain.contracts[row],
                price=int(chunk.price_ticks[k]) / 100,
                size=size,
                aggressor=aggressor,
                quote=SimQuote(
                    int(chunk.quotes.bid[k]) / 100,
                    int(chunk.quotes.ask[k]) / 100,
                    int(chunk.quotes.bid_size[k]),
                    int(chunk.quotes.ask_size[k]),
                ),
                greeks=options.greeks_row(chunk.greeks, k, spot),
                underlying_price=round(spot, 2),
                exchange=EXCHANGES[int(chunk.exchange[k])],
                trade_code=CODES[int(chunk.code[k])],
                is_sweep=sweep >= 0,
                is_multi_leg=is_multi_leg,
                sweep_id=f"{prefix}-sweep-{sweep}" if sweep >= 0 else "",
                volumes=(sum(counts[:3]), counts[0], counts[1], counts[2], counts[3]),
            ),
        )
