"""The REST side of the sandbox: login, limits, headers, errors, and the routes."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from datetime import date

import msgspec
from aiohttp import web

from adapters.market_model.contract import SimClock
from adapters.market_model.market import SimulatedMarket
from adapters.unusual_whales.sandbox.ledger import Ledger
from adapters.unusual_whales.sandbox.limits import CallLimits
from adapters.unusual_whales.sandbox.rest_bodies import RestBodies, UnknownSession
from adapters.unusual_whales.sandbox.settings import Faults, UwSandboxSettings
from adapters.unusual_whales.sandbox.wire import Row, identity, zulu

TIMEOUT_SECONDS = 30.0
EDGE_PAGE = b"<!DOCTYPE html><html><title>Just a moment...</title></html>"
CANDLES = frozenset({"1m", "5m", "10m", "15m", "30m", "1h", "4h", "1d"})
CANDLE_MINUTES = {"1h": "60m", "4h": "240m"}


class BadParameter(ValueError):
    """A malformed ticker or parameter: 422."""


class UnknownTicker(LookupError):
    """A well-formed ticker that the market does not have: 404 with {}."""


class RestServer:
    """Answers /api/... as the vendor does. Every call is counted and goes to the ledger."""

    def __init__(
        self,
        market: SimulatedMarket,
        bodies: RestBodies,
        settings: UwSandboxSettings,
        faults: Faults,
        ledger: Ledger,
        clock: SimClock,
        seconds: Callable[[], float],
    ) -> None:
        self._market = market
        self._bodies = bodies
        self._settings = settings
        self._faults = faults
        self._ledger = ledger
        self._clock = clock
        self.limits = CallLimits(settings, clock, seconds)
        self._calls = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One call, whatever its path."""
        self._calls += 1
        if request.headers.get("Authorization") != f"Bearer {self._settings.token}":
            # The one answer without limit headers, and not counted.
            return self._answer(
                request, 401, b'{"code":"authentication_required","message":"Log in first"}', {}
            )
        self.limits.count()
        self.limits.in_flight += 1
        try:
            return await self._limited(request)
        finally:
            self.limits.in_flight -= 1

    async def _limited(self, request: web.Request) -> web.StreamResponse:
        headers = self.limits.headers()
        refusal = self.limits.refusal(quota_spent=self._faults.quota_spent)
        if refusal is not None:
            text, extra = refusal
            return self._answer(request, 429, text.encode(), headers | extra)
        if self._faults.delay_seconds > 0:
            await asyncio.sleep(self._faults.delay_seconds)
        if self._faults.rest:
            broken = await self._broken(request, self._faults.rest.pop(0), headers)
            if broken is not None:
                return broken
        status, body = self._respond(request)
        return self._answer(request, status, msgspec.json.encode(body), headers)

    async def _broken(
        self, request: web.Request, fault: str, headers: dict[str, str]
    ) -> web.StreamResponse | None:
        if fault == "bad_gateway":
            return self._answer(request, 502, b"<html>Bad gateway</html>", headers)
        if fault == "edge_page":
            return self._answer(request, 200, EDGE_PAGE, headers)
        if fault == "forbidden":
            text = b'{"code":"advanced_tier_required","message":"Your plan is too small"}'
            return self._answer(request, 403, text, headers)
        if fault == "unauthorised":
            return self._answer(request, 401, b'{"code":"authentication_required"}', {})
        if fault == "timeout":
            await asyncio.sleep(TIMEOUT_SECONDS)
            return None
        if fault == "truncated" and request.transport is not None:
            whole = web.Response(status=200, headers={"Content-Length": "5000"})
            await whole.prepare(request)
            await whole.write(b'{"data":[')
            request.transport.abort()
            return whole
        return None

    def _answer(
        self, request: web.Request, status: int, body: bytes, headers: dict[str, str]
    ) -> web.Response:
        self._ledger.write(
            "rest",
            zulu(self._clock.now()),
            path=request.path,
            query=request.query_string,
            status=status,
        )
        sent = dict(headers)
        if headers:
            sent["x-request-id"] = identity(f"request {self._calls}")
        is_large = len(body) > self._settings.gzip_above_bytes
        if is_large and "gzip" in request.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body, compresslevel=1)
            sent["Content-Encoding"] = "gzip"
        kind = "text/html" if body.startswith(b"<") else "application/json"
        return web.Response(
            status=status, body=body, headers=sent, content_type=kind, charset="utf-8"
        )

    # -- routing ---------------------------------------------------------------------------------

    def _respond(self, request: web.Request) -> tuple[int, Row]:
        try:
            body = self._body(request)
        except (BadParameter, UnknownSession) as error:
            return 422, {
                "path": request.path,
                "msg": f"invalid parameter: {error}",
                "query": request.query_string,
            }
        except UnknownTicker:
            return 404, {}
        if body is None:
            return 404, {"error": "Route not found"}
        return 200, body

    def _body(self, request: web.Request) -> Row | None:
        bodies, query = self._bodies, request.query
        day = self._day(query.get("date"))
        limit = _limit(query.get("limit"))
        match request.path.strip("/").split("/"):
            case ["api", "market", "market-tide"]:
                return bodies.market_tide(day)
            case ["api", "market", "economic-calendar"]:
                return bodies.economic_calendar()
            case ["api", "news", "headlines"]:
                return bodies.headlines(min(limit or 50, 100))
            case ["api", "option-trades", "flow-alerts"]:
                symbols = {s for s in query.get("ticker_symbol", "").split(",") if s}
                newer = _epoch_seconds(query.get("newer_than"))
                return bodies.flow_alerts(symbols, newer, min(limit or 100, 200))
            case ["api", "stock", ticker, *rest]:
                return self._stock(self._symbol(ticker), rest, request, day, limit)
        return None

    def _stock(
        self, symbol: str, rest: list[str], request: web.Request, day: date | None, limit: int
    ) -> Row | None:
        bodies, query = self._bodies, request.query
        match rest:
            case ["option-contracts"]:
                expiry = _date(query.get("expiry"))
                return bodies.option_contracts(symbol, expiry, limit or 500)
            case ["expiry-breakdown"]:
                return bodies.expiry_breakdown(symbol)
            case ["net-prem-ticks"]:
                return bodies.net_premium_ticks(symbol, day)
            case ["iv-rank"]:
                return bodies.iv_rank(symbol)
            case ["gex-levels"]:
                return bodies.gex_levels(symbol)
            case ["spot-exposures", "strike"]:
                low = _number(query.get("min_strike"), 0.0)
                high = _number(query.get("max_strike"), float("inf"))
                return bodies.strike_board(symbol, min(limit or 50, 500), low, high)
            case ["stock-state"]:
                return bodies.stock_state(symbol)
            case ["ohlc", size]:
                if size not in CANDLES:
                    raise BadParameter(f"candle size {size}")
                return bodies.candles(
                    symbol, CANDLE_MINUTES.get(size, size), day, min(limit or 2500, 2500)
                )
        return None

    def _symbol(self, ticker: str) -> str:
        if not ticker.isalpha() or not ticker.isupper() or len(ticker) > 6:
            raise BadParameter(f"ticker {ticker[:20]}")
        if ticker not in self._market.symbols:
            raise UnknownTicker(ticker)
        return ticker

    def _day(self, text: str | None) -> date | None:
        day = _date(text)
        if day is not None and day > self._market.session_date:
            raise BadParameter("date is in the future")
        return day


def _date(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadParameter(f"date {text[:20]}") from None


def _limit(text: str | None) -> int:
    if text is None:
        return 0
    if not text.isdecimal() or int(text) < 1:
        raise BadParameter(f"limit {text[:20]}")
    return int(text)


def _number(text: str | None, default: float) -> float:
    if text is None:
        return default
    try:
        return float(text)
    except ValueError:
        raise BadParameter(f"number {text[:20]}") from None


def _epoch_seconds(text: str | None) -> float:
    """Epoch seconds or milliseconds; an ISO time is ignored, as the vendor ignores it here."""
    if text is None or not text.isdecimal():
        return 0.0
    value = float(text)
    return value / 1000 if value > 1e11 else value
