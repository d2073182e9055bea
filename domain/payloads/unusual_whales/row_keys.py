"""The natural key of the rows of each endpoint whose storage is a derived table.

By it a newer answer takes the place of what an older one said (projections/feed/rest_rows.py). The
call's own parameters, the symbol among them, are part of the key without being named here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RowKey:
    """How the rows of an endpoint are told apart."""

    fields: tuple[str, ...] = ()
    """`a/b` is the first of the two that is there, `a/` may be absent. Empty: the answer is one
    row, of which the newest counts; so it is for one object, and for rows of no known key."""
    at: str = ""
    """The field with the row's time, where it has one; a date is none."""


def _by(fields: str, at: str = "") -> RowKey:
    return RowKey(tuple(fields.split()), at)


_DATE, _EXPIRY, _PRICE = _by("date"), _by("date/ expiry"), _by("price")
_FILED, _MARKET_DATE = _by("filing_date"), _by("market_date")
_TIMESTAMP, _START = _by("timestamp", "timestamp"), _by("start_time", "start_time")
_REPORT = _by("fiscal_date_ending report_type/")
_INTEREST = _by("curr_date option_symbol")
_OBJECT = RowKey()
_UNKNOWN = RowKey()
"""Rows that neither the vendor's document nor a recording tells apart: the newest answer stays."""
_STOCK = "/api/stock/{ticker}"
_COMPANIES = "/api/private-markets/companies/{npm_ticker}"

ROW_KEYS: Mapping[str, RowKey] = {
    "/api/market/economic-calendar": _by("time event", "time"),
    "/api/market/market-tide": _TIMESTAMP,
    "/api/market/{ticker}/etf-tide": _TIMESTAMP,
    "/api/market/{sector}/sector-tide": _TIMESTAMP,
    "/api/net-flow/expiry": _by("timestamp moneyness/ tide_type/", "timestamp"),
    f"{_STOCK}/greek-flow": _TIMESTAMP,
    f"{_STOCK}/greek-flow/{{expiry}}": _TIMESTAMP,
    f"{_STOCK}/interpolated-iv": _by("date days"),
    f"{_STOCK}/iv-rank": _by("date", "updated_at"),
    f"{_STOCK}/max-pain": _by("expiry"),
    f"{_STOCK}/net-prem-ticks": _by("tape_time", "tape_time"),
    f"{_STOCK}/ohlc/{{candle_size}}": _by("start_time/date market_time/", "start_time"),
    f"{_STOCK}/oi-change": _INTEREST,
    f"{_STOCK}/oi-per-expiry": _EXPIRY,
    f"{_STOCK}/oi-per-strike": _by("date/ strike"),
    f"{_STOCK}/options-volume": _DATE,
    f"{_STOCK}/spot-exposures": _by("time", "time"),
    f"{_STOCK}/volatility/stats": _OBJECT,
    f"{_STOCK}/volatility/term-structure": _EXPIRY,
    "/api/darkpool/{ticker}/price-levels": _PRICE,
    "/api/etfs/{ticker}/in-outflow": _DATE,
    "/api/market/oi-change": _INTEREST,
    "/api/market/total-options-volume": _DATE,
    "/api/option-contract/{id}/historic": _DATE,
    "/api/option-contract/{id}/intraday": _START,
    "/api/option-contract/{id}/volume-profile": _by("date/ price"),
    f"{_STOCK}/flow-per-expiry": _EXPIRY,
    f"{_STOCK}/flow-per-strike": _by("date/ strike", "timestamp"),
    f"{_STOCK}/flow-per-strike-intraday": _by("timestamp strike", "timestamp"),
    f"{_STOCK}/greek-exposure": _DATE,
    f"{_STOCK}/greek-exposure/expiry": _EXPIRY,
    f"{_STOCK}/greek-exposure/strike": _by("date/ strike"),
    f"{_STOCK}/greek-exposure/strike-expiry": _by("date/ expiry strike"),
    f"{_STOCK}/historical-risk-reversal-skew": _DATE,
    f"{_STOCK}/nope": _TIMESTAMP,
    f"{_STOCK}/option/volume-oi-expiry": _by("expires/expiry"),
    f"{_STOCK}/volatility/realized": _DATE,
    "/api/crypto/{pair}/ohlc/{candle_size}": _START,
    "/api/earnings/afterhours": _by("report_date symbol"),
    "/api/earnings/premarket": _by("report_date symbol"),
    "/api/earnings/{ticker}": _by("report_date"),
    "/api/group-flow/{flow_group}/greek-flow": _TIMESTAMP,
    "/api/group-flow/{flow_group}/greek-flow/{expiry}": _TIMESTAMP,
    "/api/insider/{sector}/sector-flow": _by("date buy_sell"),
    "/api/insider/{ticker}/ticker-flow": _by("date buy_sell"),
    "/api/institution/{name}/holdings": _by("date ticker security_type/ put_call/"),
    "/api/institution/{name}/sectors": _by("report_date sector"),
    "/api/institution/{ticker}/ownership": _by("report_date name"),
    "/api/market/correlations": _by("fst snd"),
    "/api/market/fda-calendar": _by("ticker drug/ catalyst/ start_date/"),
    "/api/market/insider-buy-sells": _FILED,
    "/api/potus/schedule": _by("date time/ details/"),
    "/api/predictions/market/{asset_id}/positions": _by("user_address", "updated_at"),
    "/api/seasonality/market": _by("ticker month"),
    "/api/seasonality/{month}/performers": _by("ticker"),
    "/api/seasonality/{ticker}/monthly": _by("month"),
    "/api/seasonality/{ticker}/year-month": _by("year month"),
    "/api/shorts/{ticker}/data": _TIMESTAMP,
    "/api/shorts/{ticker}/ftds": _DATE,
    "/api/shorts/{ticker}/interest-float": _MARKET_DATE,
    "/api/shorts/{ticker}/interest-float/v2": _MARKET_DATE,
    "/api/shorts/{ticker}/volume-and-ratio": _MARKET_DATE,
    "/api/shorts/{ticker}/volumes-by-exchange": _by("date market_center/exchange_name"),
    f"{_STOCK}/balance-sheets": _REPORT,
    f"{_STOCK}/cash-flows": _REPORT,
    f"{_STOCK}/earnings": _REPORT,
    f"{_STOCK}/income-statements": _REPORT,
    f"{_STOCK}/financials": _OBJECT,
    f"{_STOCK}/fundamental-breakdown": _OBJECT,
    f"{_STOCK}/insider-buy-sells": _FILED,
    f"{_STOCK}/option/stock-price-levels": _PRICE,
    f"{_STOCK}/stock-volume-price-levels": _PRICE,
    f"{_STOCK}/technical-indicator/{{function}}": _DATE,
    "/api/option-trades/exchange-breakdown/{date}": _by("underlying_symbol exchange trade_code/"),
    "/api/analytics/sliding": _OBJECT,
    "/api/analytics/window": _OBJECT,
    "/api/calendar/ipo": _OBJECT,
    "/api/commodities/{name}": _OBJECT,
    "/api/companies/{ticker}/dividends": _OBJECT,
    "/api/companies/{ticker}/earnings-estimates": _OBJECT,
    "/api/companies/{ticker}/splits": _OBJECT,
    "/api/digital-currencies/history": _UNKNOWN,
    "/api/digital-currencies/intraday": _UNKNOWN,
    "/api/economy/{indicator}": _OBJECT,
    "/api/forex/history": _UNKNOWN,
    "/api/forex/intraday": _UNKNOWN,
    "/api/futures/{contract}/candles": _by("start", "start"),
    "/api/politician-portfolios/holders/{ticker}": _by("id owner/"),
    "/api/politician-portfolios/{politician_id}": _by("id owner/"),
    f"{_STOCK}/ownership": _by("name"),
    "/api/options-pulse/sectors": _UNKNOWN,
    "/api/options-pulse/total": _UNKNOWN,
    f"{_STOCK}/options-pulse": _UNKNOWN,
    "/api/congress/unusual-trades/chart-data": _UNKNOWN,
    "/api/congress/unusual-trades/stats": _OBJECT,
    _COMPANIES: _OBJECT,
    f"{_COMPANIES}/funding": _by("id"),
    f"{_COMPANIES}/management": _by("id"),
    f"{_COMPANIES}/pricing": _DATE,
    "/api/private-markets/investors/{name}": _OBJECT,
    f"{_STOCK}/volatility/anomaly": _UNKNOWN,
    f"{_STOCK}/volatility/character": _UNKNOWN,
    f"{_STOCK}/volatility/variance-risk-premium": _UNKNOWN,
    "/api/volatility/vix-term-structure": _UNKNOWN,
}
