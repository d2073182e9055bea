"""REST endpoints of priority 2: asked while the quota of calls allows it, and on demand."""

from __future__ import annotations

from datetime import time

from domain.payloads.unusual_whales.endpoint import (
    Each,
    Endpoint,
    Priority,
    Schedule,
    Storage,
)
from domain.payloads.unusual_whales.endpoints_needed import MINUTE_ROW_SECOND, MORNING

_BASIC = "basic"
_HOT, _ARCHIVE, _DERIVED = Storage.HOT, Storage.ARCHIVE, Storage.DERIVED
_STOCK = "/api/stock/{ticker}"
_DAILY = Schedule(Each.SYMBOL, after_close=(40,))
_BEFORE_OPEN = Schedule(Each.SYMBOL, daily_at=(time(8, 0),))
_EXPIRY = (("expiry", "{expiry}"),)


def _useful(
    path: str,
    parameters: str,
    body: str,
    storage: Storage,
    cadence: str,
    *schedules: Schedule,
    plan: str = _BASIC,
) -> Endpoint:
    return Endpoint(path, parameters, body, storage, cadence, plan, Priority.USEFUL, schedules)


def _symbol(seconds: float) -> Schedule:
    return Schedule(Each.SYMBOL, seconds=seconds)


def _market(seconds: float) -> Schedule:
    return Schedule(Each.MARKET, seconds=seconds)


# fmt: off
USEFUL: tuple[Endpoint, ...] = (
    _useful("/api/alerts",
            "limit, intraday_only, config_ids[], ticker_symbols, noti_types[], newer_than, "
            "older_than", "data[]", _ARCHIVE, "5 min; 30 s while the socket is down",
            Schedule(Each.MARKET, seconds=300, seconds_down=30)),
    _useful("/api/darkpool/{ticker}/price-levels", "date", "data[] + date", _DERIVED,
            "5 min x 3", _symbol(300)),
    _useful("/api/etfs/{ticker}/holdings", "", "data[]", _HOT, "08:00 x 3", _BEFORE_OPEN),
    _useful("/api/etfs/{ticker}/in-outflow", "start_date, end_date", "data[]", _DERIVED,
            "08:00 x 3", _BEFORE_OPEN),
    _useful("/api/etfs/{ticker}/info", "", "data{}", _HOT, "08:00 x 3", _BEFORE_OPEN),
    _useful("/api/lit-flow/{ticker}",
            "date, newer_than, older_than, limit, min_premium, max_premium, min_size (10 in all)",
            "data[]", _ARCHIVE, "5 min after the close x 3, for the closing print",
            Schedule(Each.SYMBOL, (("limit", "200"),), after_close=(5,))),
    _useful("/api/market/oi-change", "date, limit, order", "data[]", _DERIVED, "06:50",
            Schedule(Each.MARKET, (("limit", "200"),), daily_at=MORNING)),
    _useful("/api/market/sector-etfs", "", "data[]", _HOT, "5 min", _market(300)),
    _useful("/api/market/top-net-impact", "date, issue_types[], limit", "data[]", _HOT, "2 min",
            _market(120)),
    _useful("/api/market/total-options-volume", "limit", "data[]", _DERIVED, "5 min",
            _market(300)),
    _useful("/api/option-contract/{id}/flow", "side, min_premium, limit, date", "data[] + date",
            _ARCHIVE, "on demand"),
    _useful("/api/option-contract/{id}/historic", "limit", "chains[] + echoes", _DERIVED,
            "on demand"),
    _useful("/api/option-contract/{id}/intraday", "date", "data[]", _DERIVED,
            "60 s for each held contract, at most 10",
            Schedule(Each.HELD, fills=(("id", "{contract}"),), seconds=60,
                     second=MINUTE_ROW_SECOND)),
    _useful("/api/option-trades/flow-alerts/{id}", "older_than", "alert, trades[], has_more",
            _ARCHIVE, "on demand"),
    _useful("/api/option-trades/full-tape/{date}", "", "redirect to a ZIP", _ARCHIVE,
            "on demand after the close, one file a session", plan="Advanced (422)"),
    _useful("/api/option-trades/multi-leg",
            "limit, offset, ticker_symbol, newer_than, older_than, strategy (20 in all)",
            "data[]", _ARCHIVE, "60 s x 3",
            Schedule(Each.SYMBOL, (("ticker_symbol", "{symbol}"), ("newer_than", "{recent}"),
                                   ("limit", "100")), seconds=60)),
    _useful("/api/option-trades/multi-leg/{id}/legs", "", "data[]", _ARCHIVE, "on demand"),
    _useful("/api/potus/posts", "limit, page, search_term", "data[]", _ARCHIVE, "2 min",
            _market(120)),
    _useful("/api/screener/option-contracts",
            "ticker_symbol, limit, page, sectors[], unusual, is_otm, min_volume (101 in all)",
            "data[]", _HOT, "2 min, one call for the 3 symbols",
            Schedule(Each.MARKET, (("ticker_symbol", "{symbols}"), ("limit", "250")),
                     seconds=120)),
    _useful("/api/screener/stocks",
            "ticker, issue_types[], min_change, max_change, min_underlying_price (66 in all)",
            "data[]", _HOT, "2 min, one call for the 3 symbols",
            Schedule(Each.MARKET, (("ticker", "{symbols}"),), seconds=120)),
    _useful(f"{_STOCK}/atm-chains", "expirations[]*", "data[]", _HOT,
            "60 s x 3, the two nearest expiries in one call",
            Schedule(Each.NEAR, (("expirations[]", "{expiries}"),), seconds=60)),
    _useful(f"{_STOCK}/flow-per-expiry", "", "[]", _DERIVED, "2 min x 3", _symbol(120)),
    _useful(f"{_STOCK}/flow-per-strike", "date", "[]", _DERIVED, "2 min x 3", _symbol(120)),
    _useful(f"{_STOCK}/flow-per-strike-intraday", "date, filter", "data[]", _DERIVED,
            "5 min x 3 (a large body)", _symbol(300)),
    _useful(f"{_STOCK}/greek-exposure", "date, timeframe", "data[]", _DERIVED,
            "40 min after the close x 3", _DAILY),
    _useful(f"{_STOCK}/greek-exposure/expiry", "date", "data[]", _DERIVED,
            "40 min after the close x 3", _DAILY),
    _useful(f"{_STOCK}/greek-exposure/strike", "date", "data[]", _DERIVED,
            "40 min after the close x 3", _DAILY),
    _useful(f"{_STOCK}/greek-exposure/strike-expiry", "date, expiry*", "data[]", _DERIVED,
            "40 min after the close x 3, the two nearest expiries",
            *(Schedule(each, _EXPIRY, after_close=(40,)) for each in (Each.NEAREST, Each.NEXT))),
    _useful(f"{_STOCK}/greek-flow/{{expiry}}", "date", "data[]", _DERIVED,
            "60 s x 3 for the nearest expiry",
            Schedule(Each.NEAREST, fills=_EXPIRY, seconds=60, second=MINUTE_ROW_SECOND)),
    _useful(f"{_STOCK}/historical-risk-reversal-skew", "date, expiry*, timeframe, delta*",
            "data[]", _DERIVED, "40 min after the close x 3, 25 delta of a month",
            Schedule(Each.MONTH, (*_EXPIRY, ("delta", "25")), after_close=(40,))),
    _useful(f"{_STOCK}/nope", "date", "data[]", _DERIVED, "60 s x 3",
            Schedule(Each.SYMBOL, seconds=60, second=MINUTE_ROW_SECOND)),
    _useful(f"{_STOCK}/option/volume-oi-expiry", "date", "data[]", _DERIVED, "5 min x 3",
            _symbol(300)),
    _useful(f"{_STOCK}/quote", "", "data{}", _HOT, "on demand"),
    _useful(f"{_STOCK}/volatility/realized", "date, timeframe", "data[]", _DERIVED,
            "40 min after the close x 3", _DAILY),
)
# fmt: on
