"""How long an entry's ground holds: its signal's conditions, the quotes below its price, the desk.

Called by entries.py, before an entry is sent and for as long as it works; nothing here sends or
cancels.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from domain.execution.desk import Desk, Trade
from domain.execution.quotes import NetQuote
from domain.instruments import Strategy


def spread_factor(strategy: Strategy) -> str:
    """The parameter by which signals are judged while they live; judged once more at the send."""
    return f"signals.{strategy.slug}.stale.spread_factor"


def reason_to_withdraw(desk: Desk, trade: Trade, net: NetQuote | None) -> str:
    """Why an entry may not be kept at this moment; empty while it may (4.1, 6.4)."""
    if desk.halted:
        return "halt"
    if desk.breached:
        return f"limit breached: {', '.join(desk.breached)}"
    if not desk.entries_open:
        return "entries closed"
    if desk.now > trade.valid_until:
        return "signal age"
    if net is None:
        return "quotes stale"
    age = desk.quotes.underlying_age(trade.symbol, desk.now)
    if age is None or age > desk.quote_limits.underlying_age_seconds:
        return "underlying stale"
    return condition_gone(desk, trade, net)


def condition_gone(desk: Desk, trade: Trade, net: NetQuote | None) -> str:
    """The condition of its signal that holds no more; empty while all that are known hold."""
    if trade.withdrawn:
        return trade.withdrawn
    if trade.exit is not None:
        return f"exit {trade.exit.reason.value}"
    price = desk.quotes.underlying_price(trade.symbol, desk.now)
    if price is None or abs(price - trade.signal_underlying) > trade.underlying_move_max:
        return "underlying moved" if price is not None else "underlying stale"
    if net is not None and net.mid - trade.signal_mid > trade.mid_against_max:
        return "mid moved against"
    factor = Decimal(repr(desk.parameters.number(spread_factor(trade.strategy))))
    for con_id, before in trade.signal_spreads.items():
        spread = desk.quotes.spread(con_id)
        if spread is not None and spread > before * factor:
            return "leg spread grew"
    return ""


def leaves_before(desk: Desk, trade: Trade, net: NetQuote) -> datetime:
    """The market time at which the signal, or a quote that the price rests on, is too old."""
    fresh = timedelta(seconds=desk.quote_limits.leg_age_seconds - net.oldest_seconds)
    return min(trade.valid_until, desk.now + fresh)
