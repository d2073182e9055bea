"""The REST side of the sandbox: login, limits, headers, errors, and the routes."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
from aiohttp import web

from adapters.market_model.contract import SimClock
from adapters.market_model.market import SimulatedMarket
from adapters.unusual_whales.sandbox.disturbed import restated_interest
from adapters.unusual_whales.sandbox.habits import HUGE_REMAINING, habitual_body
from adapters.unusual_whales.sandbox.ledger import Ledger
from adapters.unusual_whales.sandbox.limits import CallLimits
from adapters.unusual_whales.sandbox.rest_ask import (
    Ask,
    BadParameter,
    Routes,
    UnknownTicker,
    read_date,
    read_limit,
)
from adapters.unusual_whales.sandbox.rest_bodies import UnknownSession
from adapters.unusual_whales.sandbox.settings import Faults, UwSandboxSettings
from adapters.unusual_whales.sandbox.wire import JsonOut, identity, zulu

TIMEOUT_SECONDS = 30.0
DRIP_SECONDS = 0.05
PART = b'{"data":['
EDGE_PAGE = b"<!DOCTYPE html><html><title>Just a moment...</title></html>"
REFUSALS: dict[str, tuple[int, bytes, dict[str, str]]] = {
    "bad_gateway": (502, b"<html>Bad gateway</html>", {}),
    "server_error": (500, b'{"error":"Internal server error"}', {}),
    "edge_page": (200, EDGE_PAGE, {}),
    "edge_refusal": (403, EDGE_PAGE, {}),
    "forbidden": (
        403,
        b'{"code":"advanced_tier_required","message":"Your plan is too small"}',
        {},
    ),
    "unauthorised": (401, b'{"code":"authentication_required"}', {}),
    "unknown": (404, b"{}", {}),
    "unprocessable": (422, b'{"path":"/api","msg":"invalid parameter","query":""}', {}),
    "crowded": (
        429,
        b'{"message":"More than 3 concurrent requests are not allowed"}',
        {"Retry-After": "1"},
    ),
    "minute": (
        429,
        b'{"message":"Exceeded the rate limit of 120 requests in 60 seconds"}',
        {"x-uw-req-per-minute-reset": "50"},
    ),
    "minute_error": (
        429,
        b'{"error":"rate limit: 120 requests in 60 seconds"}',
        {"x-uw-req-per-minute-reset": "50"},
    ),
    "minute_text": (429, b"Too Many Requests: 120 in 60 s", {"x-uw-req-per-minute-reset": "50"}),
}
"""Answers that can be asked for over the control plane: status, body, headers. The vendor's whole
body for the cap of a minute is not known, so there are three."""
REST_FAULTS = frozenset({*REFUSALS, "timeout", "truncated", "truncated_gzip", "drip"})


class _Rows(msgspec.Struct):
    """The usual envelope."""

    data: list[dict[str, Any]]


class RestServer:
    """Answers /api/... as the vendor does. Every call is counted and goes to the ledger."""

    def __init__(
        self,
        market: SimulatedMarket,
        routes: Routes,
        settings: UwSandboxSettings,
        faults: Faults,
        ledger: Ledger,
        clock: SimClock,
        seconds: Callable[[], float],
    ) -> None:
        self._market = market
        self._routes = routes
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
        if self.limits.turn_over():
            self._faults.quota_spent = False
        self.limits.count()
        self.limits.in_flight += 1
        try:
            return await self._limited(request)
        finally:
            self.limits.in_flight -= 1

    async def _limited(self, request: web.Request) -> web.StreamResponse:
        habits = self._faults.habits
        headers = self.limits.headers(huge_remaining=HUGE_REMAINING in habits)
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
        if fault in REFUSALS:
            status, text, extra = REFUSALS[fault]
            sent = {} if status == 401 else headers | extra
            return self._answer(request, status, text, sent)
        if fault == "timeout":
            await asyncio.sleep(TIMEOUT_SECONDS)
            return None
        if fault == "drip":
            return await self._drip(request, headers)
        if fault in ("truncated", "truncated_gzip") and request.transport is not None:
            coding = {"Content-Encoding": "gzip"} if fault == "truncated_gzip" else {}
            whole = web.Response(status=200, headers={"Content-Length": "5000", **coding})
            await whole.prepare(request)
            await whole.write(PART if not coding else gzip.compress(PART * 100)[:40])
            request.transport.abort()
            return whole
        return None

    async def _drip(self, request: web.Request, headers: dict[str, str]) -> web.StreamResponse:
        """A byte at a time, and never the last one."""
        whole = web.StreamResponse(status=200, headers=headers)
        whole.content_type = "application/json"
        whole.enable_chunked_encoding()
        await whole.prepare(request)
        for byte in PART * 1_000:
            await whole.write(bytes([byte]))
            await asyncio.sleep(DRIP_SECONDS)
        return whole

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
        is_packed = is_large and "gzip" in request.headers.get("Accept-Encoding", "")
        if is_packed:
            body = gzip.compress(body, compresslevel=1)
            sent["Content-Encoding"] = "gzip"
        kind = "text/html" if body.startswith(b"<") else "application/json"
        response = web.Response(
            status=status, body=body, headers=sent, content_type=kind, charset="utf-8"
        )
        if is_packed:
            response.enable_chunked_encoding()
        return response

    # -- routing ---------------------------------------------------------------------------------

    def _respond(self, request: web.Request) -> tuple[int, JsonOut]:
        found = self._routes.find(request.path)
        if found is None:
            return 404, {"error": "Route not found"}
        answerer, parts = found
        try:
            body = answerer(self._ask(request, parts))
        except (BadParameter, UnknownSession) as error:
            return 422, {
                "path": request.path,
                "msg": f"invalid parameter: {error}",
                "query": request.query_string,
            }
        except UnknownTicker:
            return 404, {}
        if self._faults.restates_interest and request.path.endswith("/oi-change"):
            body = restated_interest(msgspec.convert(body, _Rows).data)
        now, close_at = self._clock.now(), self._market.close_at
        return 200, habitual_body(request.path, body, self._faults.habits, now, close_at)

    def _ask(self, request: web.Request, parts: dict[str, str]) -> Ask:
        query = request.query
        given = [*query.getall("expirations[]", []), *query.getall("expiry", [])]
        texts = [parts["expiry"]] if "expiry" in parts else given
        expiries = (read_date(text) for text in texts)
        return Ask(
            symbol=self._symbol(parts["ticker"]) if "ticker" in parts else "",
            day=self._day(query.get("date")),
            limit=read_limit(query.get("limit")),
            query=query,
            expiries=tuple(expiry for expiry in expiries if expiry is not None),
            name=parts.get("candle_size", parts.get("id", "")),
        )

    def _symbol(self, ticker: str) -> str:
        if not ticker.isalpha() or not ticker.isupper() or len(ticker) > 6:
            raise BadParameter(f"ticker {ticker[:20]}")
        if ticker not in self._market.symbols:
            raise UnknownTicker(ticker)
        return ticker

    def _day(self, text: str | None) -> date | None:
        day = read_date(text)
        if day is not None and day > self._market.session_date:
            raise BadParameter("date is in the future")
        return day
