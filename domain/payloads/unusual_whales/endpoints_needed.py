"""REST endpoints of priority 1: without them the desk would not know enough."""

from __future__ import annotations

from datetime import time

from domain.payloads.unusual_whales.endpoint import (
    Each,
    Endpoint,
    Priority,
    Schedule,
    Storage,
)

MORNING = (time(6, 50),)
"""Open interest is new at about 06:45 New York."""
BEFORE_OPEN = (time(8, 0),)
OPEN_INTEREST_PAGES_MAX = 4
MINUTE_ROW_SECOND = 8
"""The row of the running minute is there 6 to 9 seconds after it began."""
BOARD = (("limit", "500"), ("min_strike", "{low}"), ("max_strike", "{high}"))
"""Boards default to 50 rows of no use, and may be stale without a range of strikes."""
_BASIC = "basic"
_HOT, _ARCHIVE, _DERIVED = Storage.HOT, Storage.ARCHIVE, Storage.DERIVED
_STOCK = "/api/stock/{ticker}"


def _needed(
    path: str, parameters: str, body: str, storage: Storage, cadence: str, *schedules: Schedule
) -> Endpoint:
    return Endpoint(path, parameters, body, storage, cadence, _BASIC, Priority.NEEDED, schedules)


def _symbol(seconds: float) -> Schedule:
    return Schedule(Each.SYMBOL, seconds=seconds)


def _minutes(each: Each = Each.SYMBOL) -> Schedule:
    return Schedule(each, seconds=60, second=MINUTE_ROW_SECOND)


# fmt: off
NEEDED: tuple[Endpoint, ...] = (
    _needed("/api/darkpool/{ticker}",
            "date, newer_than, older_than, limit, min_premium, max_premium, min_size, max_size",
            "data[]", _ARCHIVE, "60 s x 3 while off_lit_trades does not flow, else gap fill",
            Schedule(Each.SYMBOL, (("limit", "500"),), seconds=60, backs_up="off_lit_trades")),
    _needed("/api/market/economic-calendar", "", "data[]", _DERIVED, "hourly",
            Schedule(Each.MARKET, seconds=3600, seconds_outside=3600, decides=True)),
    _needed("/api/market/market-tide", "date, otm_only, interval_5m", "data[] + date", _DERIVED,
            "60 s; repairs market_tide",
            Schedule(Each.MARKET, seconds=60, second=MINUTE_ROW_SECOND, decides=True)),
    _needed("/api/market/{ticker}/etf-tide", "date", "data[]", _DERIVED, "60 s x 3", _minutes()),
    _needed("/api/net-flow/expiry", "date, moneyness, tide_type, expiration",
            "data[].data[] + echoes", _DERIVED, "60 s", _minutes(Each.MARKET)),
    _needed("/api/news/headlines", "sources, search_term, ticker, major_only, limit, page",
            "data[]", _ARCHIVE, "60 s; outside the session 5 min",
            Schedule(Each.MARKET, (("limit", "50"),), seconds=60, seconds_outside=300,
                     decides=True)),
    _needed("/api/option-trades",
            "limit, ticker_symbol, newer_than, older_than, option_contracts[], type (76 in all)",
            "data[]", _ARCHIVE, "gap fill; 10 s x 3 while the socket is down",
            Schedule(Each.SYMBOL, (("ticker_symbol", "{symbol}"), ("limit", "500")),
                     seconds_down=10)),
    _needed("/api/option-trades/flow-alerts",
            "ticker_symbol, newer_than, older_than, limit, unusual, min_premium (54 in all)",
            "data[] + newer_than, older_than", _ARCHIVE,
            "15 s, one call for the 3 symbols; 5 s while the socket is down",
            Schedule(Each.MARKET, (("ticker_symbol", "{symbols}"), ("newer_than", "{recent}"),
                                   ("limit", "200")), seconds=15, seconds_down=5)),
    _needed(f"{_STOCK}/expiry-breakdown", "date", "data[]", _HOT, "08:00 and 09:35 x 3",
            Schedule(Each.SYMBOL, daily_at=(time(8, 0), time(9, 35)))),
    _needed(f"{_STOCK}/gex-levels", "date", "data{}", _HOT, "60 s x 3",
            Schedule(Each.SYMBOL, seconds=60, decides=True)),
    _needed(f"{_STOCK}/greek-flow", "date", "data[]", _DERIVED, "60 s x 3", _minutes()),
    _needed(f"{_STOCK}/greeks", "date, expiry*", "data[]", _HOT,
            "2 min x 3 for the nearest expiry; once at the close",
            Schedule(Each.NEAREST, (("expiry", "{expiry}"),), seconds=120, after_close=(1,))),
    _needed(f"{_STOCK}/interpolated-iv", "date", "data[]", _DERIVED, "5 min x 3", _symbol(300)),
    _needed(f"{_STOCK}/iv-rank", "date, timespan", "data[]", _DERIVED, "hourly x 3; 18:40",
            Schedule(Each.SYMBOL, seconds=3600, daily_at=(time(18, 40),))),
    _needed(f"{_STOCK}/max-pain", "date", "data[] + date", _DERIVED, "15 min x 3", _symbol(900)),
    _needed(f"{_STOCK}/net-prem-ticks", "date", "data[]", _DERIVED, "60 s x 3; repairs flow",
            _minutes()),
    _needed(f"{_STOCK}/ohlc/{{candle_size}}", "timeframe, end_date, date, limit", "data[]",
            _DERIVED, "60 s x 3 for 1m; 1d after the close",
            Schedule(Each.SYMBOL, (("limit", "10"),), (("candle_size", "1m"),), seconds=60,
                     second=MINUTE_ROW_SECOND),
            Schedule(Each.SYMBOL, (("limit", "30"),), (("candle_size", "1d"),),
                     after_close=(45,))),
    _needed(f"{_STOCK}/oi-change", "date, limit, page, order", "data[]", _DERIVED,
            "06:50 x 3, up to 4 pages",
            Schedule(Each.SYMBOL, daily_at=MORNING, pages_max=OPEN_INTEREST_PAGES_MAX)),
    _needed(f"{_STOCK}/oi-per-expiry", "date", "data[]", _DERIVED, "06:50 x 3",
            Schedule(Each.SYMBOL, daily_at=MORNING)),
    _needed(f"{_STOCK}/oi-per-strike", "date", "data[]", _DERIVED, "06:50 x 3",
            Schedule(Each.SYMBOL, daily_at=MORNING)),
    _needed(f"{_STOCK}/option-chains", "date, greeks", "data[] of texts", _HOT, "08:00 x 3",
            Schedule(Each.SYMBOL, daily_at=BEFORE_OPEN)),
    _needed(f"{_STOCK}/option-contracts",
            "expiry, option_type, limit, page, option_symbol[], exclude_zero_vol_chains "
            "(12 in all)", "data[]", _HOT,
            "60 s x 3 for each of the two nearest expiries; 2 min for each further one that "
            "analytics read, 10 min while the socket is down",
            *(Schedule(each, (("expiry", "{expiry}"), ("limit", "500")), seconds=seconds,
                       seconds_down=down, decides=True)
              for each, seconds, down in ((Each.NEAREST, 60, 60), (Each.NEXT, 60, 60),
                                          (Each.FURTHER, 120, 600)))),
    _needed(f"{_STOCK}/options-volume", "limit", "data[]", _DERIVED, "2 min x 3", _symbol(120)),
    _needed(f"{_STOCK}/spot-exposures", "date", "data[]", _DERIVED, "60 s x 3", _minutes()),
    _needed(f"{_STOCK}/spot-exposures/expiry-strike",
            "expirations[]*, date, limit, page, min_strike, max_strike, min_dte, max_dte",
            "data[]", _HOT, "60 s x 3, the two nearest expiries in one call",
            Schedule(Each.NEAR, (("expirations[]", "{expiries}"), *BOARD), seconds=60)),
    _needed(f"{_STOCK}/spot-exposures/strike", "date, min_strike, max_strike, limit, page",
            "data[]", _HOT, "60 s x 3; 20 s while the socket is down",
            Schedule(Each.SYMBOL, BOARD, seconds=60, seconds_down=20)),
    _needed(f"{_STOCK}/stock-state", "", "data{}", _HOT,
            "60 s x 3; 10 s while the socket is down; outside the session 5 min",
            Schedule(Each.SYMBOL, seconds=60, seconds_outside=300, seconds_down=10)),
    _needed(f"{_STOCK}/volatility/stats", "date", "data{}", _DERIVED, "15 min x 3", _symbol(900)),
    _needed(f"{_STOCK}/volatility/term-structure", "date", "data[]", _DERIVED, "5 min x 3",
            _symbol(300)),
)
# fmt: on
