"""The REST calls of the session to Unusual Whales: each answer is an event, whatever its status."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec

from adapters.unusual_whales import UwRest, UwRestError
from domain.events.feeds import UwRestReceived
from domain.instruments import SYMBOLS
from domain.payloads.json_text import json_fault
from run.feeds.intake import Intake
from run.feeds.market_clock import MarketClock
from run.feeds.states import FeedStates

REST = "uw.rest"
REASON_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class Poll:
    """One REST call of the session, every `seconds` of market time."""

    endpoint: str
    symbol: str
    seconds: float
    query: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> str:
        return self.endpoint.replace("{ticker}", self.symbol)


def polls(expiries: Mapping[str, Sequence[date]]) -> tuple[Poll, ...]:
    """What is asked while the session runs; `expiries` of each symbol, nearest first."""
    contracts = "/api/stock/{ticker}/option-contracts"
    found = [
        Poll("/api/market/market-tide", "", 60.0),
        Poll("/api/news/headlines", "", 60.0, (("limit", "50"),)),
        Poll("/api/market/economic-calendar", "", 3_600.0),
    ]
    for symbol in SYMBOLS:
        found.append(Poll("/api/stock/{ticker}/gex-levels", symbol, 60.0))
        for index, expiry in enumerate(expiries.get(symbol, ())):
            seconds = 60.0 if index < 2 else 120.0
            query = (("expiry", expiry.isoformat()), ("limit", "500"))
            found.append(Poll(contracts, symbol, seconds, query))
    return tuple(found)


class RestFeed:
    """Polls on the session's schedule; each answer is an event, whatever its status."""

    def __init__(
        self, rest: UwRest, intake: Intake, states: FeedStates, clock: MarketClock
    ) -> None:
        self._rest = rest
        self._intake = intake
        self._states = states
        self._clock = clock
        self._failures = 0

    async def run(self, calls: Sequence[Poll]) -> None:
        """Poll all until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for call in calls:
                tasks.create_task(self._poll(call), name=f"uw.rest{call.path}")

    async def _poll(self, call: Poll) -> None:
        while True:
            if not self._states.is_paused(REST):
                await self.ask(call)
            await self._clock.sleep(call.seconds)

    async def ask(self, call: Poll) -> None:
        """Ask once; the answer, or what came instead, goes to the intake."""
        try:
            answer = await self._rest.get(call.endpoint, call.path, dict(call.query))
        except UwRestError as error:
            self._failures += 1
            self._states.changed(REST, "down", str(error)[:REASON_CHARACTERS_MAX], "")
            return
        fault = json_fault(answer.body_bytes)
        if fault:
            reason = f"{answer.path}: status {answer.status}: {fault}"
            self._states.changed(REST, "down", reason[:REASON_CHARACTERS_MAX], "")
            self._intake.reject("uw", REST, reason, answer.body_bytes)
            return
        self._states.changed(REST, "ready", "", "")
        body = UwRestReceived(
            endpoint=call.endpoint,
            path=answer.path,
            query=answer.query,
            symbol=call.symbol,
            status=answer.status,
            headers=answer.headers,
            received_at=answer.received_at,
            payload=msgspec.Raw(answer.body_bytes),
        )
        self._intake.put(f"uw/rest{call.endpoint}", body, feed=REST, occurred_at=answer.received_at)
