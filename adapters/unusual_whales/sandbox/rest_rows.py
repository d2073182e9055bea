"""Rows of REST bodies that take some converting."""

from __future__ import annotations

from datetime import UTC, date, datetime

from adapters.market_model.tape import FlowMinute
from adapters.unusual_whales.sandbox.wire import Row, decimal, short, zulu_micro
from domain.instruments import parse_occ_symbol
from domain.session import new_york


def minute_row(start: datetime, minute: FlowMinute) -> Row:
    names = ("call_volume", "put_volume")
    row: Row = {"date": new_york(start).date().isoformat()}
    row |= {name: minute.value(name) for name in names}
    for right in ("call", "put"):
        ask = minute.value(f"{right}_volume_ask_side")
        bid = minute.value(f"{right}_volume_bid_side")
        row[f"{right}_volume_ask_side"] = ask
        row[f"{right}_volume_bid_side"] = bid
        row[f"net_{right}_volume"] = ask - bid
        row[f"net_{right}_premium"] = decimal(minute.value(f"net_{right}_premium"))
    row["tape_time"] = zulu_micro(start)
    row["net_delta"] = decimal(minute.net_delta, 17)
    return row


def rank_row(session: date, close: float, level: float, today: float, at: datetime) -> Row:
    return {
        "date": session.isoformat(),
        "close": short(close),
        "volatility": decimal(level, 6),
        "iv_rank_1y": decimal(38.0 + 400 * (level - today), 4),
        "updated_at": zulu_micro(at),
    }


def alert_rest_row(alert: Row) -> Row:
    """REST has decimals as text, the contract taken apart, and no trade ids."""
    symbol, expiry, right, strike = parse_occ_symbol(str(alert["option_chain"]))
    texts = (
        "price",
        "underlying_price",
        "total_premium",
        "total_ask_side_prem",
        "total_bid_side_prem",
        "volume_oi_ratio",
    )
    kept = (
        "id",
        "rule_id",
        "option_chain",
        "bid",
        "ask",
        "total_size",
        "trade_count",
        "volume",
        "open_interest",
        "start_time",
        "end_time",
        "has_sweep",
        "has_floor",
        "has_multileg",
        "has_singleleg",
        "all_opening_trades",
        "expiry_count",
    )
    end = int(str(alert["end_time"]))
    row: Row = {name: alert[name] for name in kept}
    row |= {name: str(alert[name]) for name in texts}
    return row | {
        "alert_rule": alert["rule_name"],
        "ticker": symbol,
        "type": "call" if right.value == "C" else "put",
        "strike": short(float(strike)),
        "expiry": expiry.isoformat(),
        "created_at": zulu_micro(datetime.fromtimestamp((end + 8000) / 1000, UTC)),
        "iv_start": None,
        "iv_end": None,
        "sector": None,
        "issue_type": "ETF",
        "marketcap": None,
        "next_earnings_date": None,
        "er_time": None,
    }
