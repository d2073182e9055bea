"""REST bodies about the market as a whole, the funds, prints of shares and the option tape."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from adapters.market_model.market import SimulatedMarket
from adapters.unusual_whales.sandbox.feed import FeedWriter
from adapters.unusual_whales.sandbox.rest_ask import Answerer, Ask, epoch_seconds, rows_body
from adapters.unusual_whales.sandbox.wire import (
    JsonOut,
    Row,
    decimal,
    identity,
    short,
    zulu,
    zulu_micro,
)

PRINT_SECONDS = 3.0
"""Between two prints of a symbol off the exchanges."""
PRINTS_MAX = 100
FUNDS = {"SPY": "SPDR S&P 500 ETF", "QQQ": "Invesco QQQ", "IWM": "iShares Russell 2000 ETF"}
LEGS = {"iron_condor": 4, "vertical": 2, "straddle": 2}


class MarketBodies:
    """One method an endpoint."""

    def __init__(self, market: SimulatedMarket, feed: FeedWriter) -> None:
        self._market = market
        self._feed = feed

    def routes(self) -> Iterable[tuple[str, Answerer]]:
        yield "/api/alerts", self.alerts
        yield "/api/darkpool/{ticker}", self.prints
        yield "/api/darkpool/{ticker}/price-levels", self.price_levels
        yield "/api/etfs/{ticker}/holdings", self.holdings
        yield "/api/etfs/{ticker}/in-outflow", self.fund_flow
        yield "/api/etfs/{ticker}/info", self.fund
        yield "/api/lit-flow/{ticker}", self.prints
        yield "/api/market/sector-etfs", self.sector_funds
        yield "/api/market/top-net-impact", self.net_impact
        yield "/api/option-trades", self.option_trades
        yield "/api/option-trades/multi-leg", self.multi_leg_trades
        yield "/api/potus/posts", self.posts
        yield "/api/screener/stocks", self.screened_stocks

    def _day(self) -> str:
        return self._market.session_date.isoformat()

    # -- prints and trades ---------------------------------------------------------------------

    def prints(self, ask: Ask) -> JsonOut:
        """Newest first, back to `newer_than`, from `older_than`; both inclusive. Two prints of a
        second share a tracking id, and one in fifty was cancelled."""
        now = self._market.now().timestamp()
        newest = min(now, epoch_seconds(ask.query.get("older_than"), now))
        oldest = epoch_seconds(ask.query.get("newer_than"), now - 600)
        number = int(newest // PRINT_SECONDS)
        rows: list[Row] = []
        while len(rows) < ask.capped(PRINTS_MAX, PRINTS_MAX) and number * PRINT_SECONDS >= oldest:
            rows.append(self._print(ask.symbol, number))
            number -= 1
        return rows_body(rows)

    def _print(self, symbol: str, number: int) -> Row:
        at = datetime.fromtimestamp(number * PRINT_SECONDS, UTC)
        price, size = self._market.spot(symbol), 100 * (1 + number * 7 % 23)
        traded_at = at - timedelta(seconds=0 if number % 5 else 2)
        return {
            "ticker": symbol,
            "executed_at": zulu(at),
            "trf_executed_at": zulu(traded_at),
            "price": decimal(price, 3),
            "size": size,
            "premium": decimal(price * size),
            "volume": number % 10_000_000,
            "nbbo_bid": decimal(price - 0.01),
            "nbbo_ask": decimal(price + 0.01),
            "nbbo_bid_quantity": 4,
            "nbbo_ask_quantity": 7,
            "market_center": "L",
            "tracking_id": number // 2,
            "canceled": number % 50 == 0,
            "trade_settlement": "regular",
            "trade_code": None,
            "sale_cond_codes": None,
            "ext_hour_sold_codes": None,
        }

    def price_levels(self, ask: Ask) -> JsonOut:
        spot, volume = self._market.spot(ask.symbol), self._market.last(ask.symbol)[1]
        rows: list[JsonOut] = [
            {
                "price": decimal(round(spot) + step * 0.5),
                "lit_vol": volume // (10 + abs(step)),
                "off_vol": volume // (20 + abs(step)),
            }
            for step in range(-5, 6)
        ]
        return {"data": rows, "date": self._day()}

    def option_trades(self, ask: Ask) -> JsonOut:
        """Newest first. The contract is called option_chain_id here."""
        symbol = ask.query.get("ticker_symbol", "")
        newest = epoch_seconds(ask.query.get("older_than"), float("inf"))
        oldest = epoch_seconds(ask.query.get("newer_than"))
        rows: list[Row] = []
        for trade in self._feed.trades:
            at = int(str(trade["executed_at"])) / 1000
            if oldest <= at <= newest and symbol in ("", trade["underlying_symbol"]):
                rows.append(_trade(trade, at))
            if len(rows) == ask.capped(50, 500):
                break
        return rows_body(rows)

    def multi_leg_trades(self, ask: Ask) -> JsonOut:
        """Newest first, one a minute."""
        symbol, now = ask.query.get("ticker_symbol", "SPY"), self._market.now()
        oldest = epoch_seconds(ask.query.get("newer_than"), now.timestamp() - 600)
        rows: list[Row] = []
        at = now.replace(second=0, microsecond=0)
        while at.timestamp() >= oldest and len(rows) < ask.capped(50, 100):
            strategy = list(LEGS)[at.minute % len(LEGS)]
            rows.append(
                {
                    "id": identity(f"multi {symbol} {at.isoformat()}"),
                    "underlying_symbol": symbol,
                    "executed_at": zulu_micro(at),
                    "strategy": strategy,
                    "legs_count": LEGS[strategy],
                    "size": 10 + at.minute,
                    "net_price": decimal(1.25),
                    "premium": decimal(1250 * (1 + at.minute)),
                    "underlying_price": decimal(self._market.spot(symbol)),
                }
            )
            at -= timedelta(minutes=1)
        return rows_body(rows)

    # -- the market ----------------------------------------------------------------------------

    def alerts(self, ask: Ask) -> JsonOut:
        """Of our own account: none are set up."""
        return rows_body([])

    def posts(self, ask: Ask) -> JsonOut:
        return rows_body(
            {
                "id": identity(f"post {news.headline}"),
                "content": news.headline,
                "created_at": zulu(news.at),
                "url": "",
            }
            for news in list(self._feed.headlines)[:5]
            if "president" in news.headline.lower()
        )

    def _volumes(self, symbol: str) -> Row:
        options = self._market.options[symbol]
        tape, calls = options.tape, options.chain.call
        volume = tape.at_ask + tape.at_bid + tape.between
        call_premium, put_premium = tape.premium[calls].sum(), tape.premium[~calls].sum()
        return {
            "call_volume": int(volume[calls].sum()),
            "put_volume": int(volume[~calls].sum()),
            "call_premium": decimal(float(call_premium)),
            "put_premium": decimal(float(put_premium)),
            "bullish_premium": decimal(float(call_premium) * 0.6),
            "bearish_premium": decimal(float(put_premium) * 0.6),
        }

    def _prices(self, symbol: str) -> Row:
        market = self._market
        last, volume = market.last(symbol)
        day, opened, _, _, closed, _ = market.daily_bars(symbol, 1)[-1]
        bars = market.bars(symbol, market.session_date, 300)
        return {
            "ticker": symbol,
            "open": short(bars[0].open if bars else opened),
            "high": short(max([last, *(b.high for b in bars)])),
            "low": short(min([last, *(b.low for b in bars)])),
            "last": short(last),
            "prev_close": short(closed),
            "prev_date": day.isoformat(),
            "volume": volume,
            "week52_high": short(closed * 1.12),
            "week52_low": short(closed * 0.78),
        }

    def sector_funds(self, ask: Ask) -> JsonOut:
        """The vendor has twelve; the model knows three."""
        return rows_body(
            self._prices(symbol)
            | self._volumes(symbol)
            | {
                "full_name": FUNDS[symbol],
                "avg30_call_volume": "1000000.5",
                "avg30_put_volume": "1100000.5",
                "avg30_stock_volume": "61200000.5",
                "marketcap": "770.1",
                "in_out_flow": [{"date": self._day(), "change": -120_000}],
            }
            for symbol in self._market.symbols
        )

    def screened_stocks(self, ask: Ask) -> JsonOut:
        wanted = ask.query.get("ticker", "")
        return rows_body(
            self._prices(symbol) | self._volumes(symbol) | {"issue_type": "ETF", "sector": None}
            for symbol in self._market.symbols
            if not wanted or symbol in wanted.split(",")
        )

    def net_impact(self, ask: Ask) -> JsonOut:
        rows: list[Row] = []
        for symbol in self._market.symbols:
            totals = self._market.options[symbol].tape.session_totals()
            rows.append({"ticker": symbol, "net_premium": totals[6] - totals[7]})
        rows.sort(key=lambda row: -int(str(row["net_premium"])))
        return rows_body(rows[: ask.capped(20, 100)])

    # -- funds ---------------------------------------------------------------------------------

    def holdings(self, ask: Ask) -> JsonOut:
        return rows_body(
            {
                "ticker": name,
                "name": f"Example {name}",
                "weight": decimal(0.07 - 0.01 * index, 6),
                "shares": 1_000_000 * (6 - index),
                "has_options": True,
            }
            for index, name in enumerate(("AAPL", "MSFT", "NVDA", "AMZN", "META"))
        )

    def fund_flow(self, ask: Ask) -> JsonOut:
        return rows_body(
            {
                "date": day.isoformat(),
                "change": 100_000 * (index % 7 - 3),
                "change_prem": decimal(100_000 * (index % 7 - 3) * close),
                "close": decimal(close),
                "volume": volume,
                "is_fomc": False,
            }
            for index, (day, _, _, _, close, volume) in enumerate(
                self._market.daily_bars(ask.symbol, 20)
            )
        )

    def fund(self, ask: Ask) -> JsonOut:
        data: Row = {
            "name": FUNDS[ask.symbol],
            "description": "A fund of the simulated market.",
            "aum": "650000000000",
            "expense_ratio": "0.0945",
            "holdings_count": 503,
            "inception_date": "1993-01-22",
            "has_options": True,
            "avg30_volume": "61200000.5",
            "opt_vol": int(sum(self._market.options[ask.symbol].tape.session_totals()[:2])),
        }
        return {"data": data}


def _trade(trade: Row, at: float) -> Row:
    """A trade of the socket as REST has it."""
    row: Row = {k: v for k, v in trade.items() if k not in ("option_symbol", "created_at")}
    return row | {
        "option_chain_id": trade["option_symbol"],
        "executed_at": zulu_micro(datetime.fromtimestamp(at, UTC)),
        "canceled": False,
        "flow_alert_id": None,
        "rule_id": None,
        "sector": None,
        "full_name": FUNDS[str(trade["underlying_symbol"])],
    }
