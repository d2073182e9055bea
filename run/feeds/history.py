"""History, asked of the vendors once before a session and kept verbatim as HistoryImported.

An answer that is on the log already is not asked for again. Missing history blocks by gate later;
it never stops the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

import structlog

from adapters.interactive_brokers.link import LinkError, RequestFailed
from adapters.interactive_brokers.market_data import IbMarketData
from adapters.unusual_whales import UwRest, UwRestError
from domain.event import derived_id
from domain.events.feeds import HistoryImported, HistoryReady
from domain.events.system import PlannedDay, SessionPlanned
from domain.instruments import SYMBOLS
from run.worker import Recorder
from store.contract import EventStore

DAILY_BARS = 260
FIVE_MINUTE_SESSIONS = 25
ONE_MINUTE_SESSIONS = 15
TIDE_SESSIONS = 25
NET_PREMIUM_SESSIONS = 5
CONTRACTS_LIMIT = "500"


def history_id(vendor: str, request: str, symbol: str, session: date) -> UUID:
    """The natural key of an imported answer."""
    return derived_id("history", vendor, request, symbol, session)


class HistoryImport:
    """One import, of everything that the session's metrics warm up with."""

    def __init__(
        self, store: EventStore, recorder: Recorder, broker: IbMarketData, rest: UwRest
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._broker = broker
        self._rest = rest
        self._missing: list[str] = []
        self._imported = 0
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("feeds")

    async def run(self, plan: SessionPlanned, basket: Sequence[str]) -> HistoryReady:
        """Ask for what the log lacks; returns what to write when the session is planned.

        It may be run again: `warmup` is then what is missing still.
        """
        self._missing.clear()
        self._imported = 0
        day = plan.day.session_date
        before = plan.earlier[-1].session_date
        for symbol in SYMBOLS:
            await self._bars(symbol, "1 day", f"{DAILY_BARS} D", "ib.bars.1day", day, [before])
            five = [d.session_date for d in plan.earlier[-FIVE_MINUTE_SESSIONS:]]
            await self._bars(
                symbol, "5 mins", f"{FIVE_MINUTE_SESSIONS} D", "ib.bars.5mins", day, five
            )
            one = [d.session_date for d in plan.earlier[-ONE_MINUTE_SESSIONS:]]
            await self._bars(symbol, "1 min", f"{ONE_MINUTE_SESSIONS} D", "ib.bars.1min", day, one)
        for symbol in basket:
            await self._bars(symbol, "1 day", f"{DAILY_BARS} D", "ib.bars.1day", day, [before])
        await self._vendor(plan.earlier, before)
        return HistoryReady(
            session_date=day, imported=self._imported, warmup=tuple(sorted(self._missing))
        )

    async def _bars(
        self,
        symbol: str,
        bar_size: str,
        duration: str,
        request: str,
        day: date,
        sessions: Sequence[date],
    ) -> None:
        lacking = [
            session
            for session in sessions
            if not await self._is_known("ib", request, symbol, session)
        ]
        if not lacking:
            return
        try:
            answers = await self._broker.history(symbol, bar_size, duration, day)
        except (LinkError, RequestFailed, LookupError) as error:
            self._lack(f"{request} {symbol}", str(error))
            return
        if not answers:
            self._lack(f"{request} {symbol}", "empty answer")
        for answer in answers:
            await self._keep(answer)

    async def _vendor(self, earlier: Sequence[PlannedDay], before: date) -> None:
        for planned in earlier[-TIDE_SESSIONS:]:
            query = {"date": planned.session_date.isoformat()}
            await self._ask(
                "uw.market-tide", "/api/market/market-tide", "", planned.session_date, query
            )
        for symbol in SYMBOLS:
            for planned in earlier[-NET_PREMIUM_SESSIONS:]:
                query = {"date": planned.session_date.isoformat()}
                path = f"/api/stock/{symbol}/net-prem-ticks"
                await self._ask("uw.net-prem-ticks", path, symbol, planned.session_date, query)
            path = f"/api/stock/{symbol}/iv-rank"
            await self._ask("uw.iv-rank", path, symbol, before, {})
            path = f"/api/stock/{symbol}/option-contracts"
            await self._ask("uw.option-contracts", path, symbol, before, {"limit": CONTRACTS_LIMIT})
            path = f"/api/companies/{symbol}/dividends"
            await self._ask("uw.dividends", path, symbol, before, {})
        await self._ask("uw.economic-calendar", "/api/market/economic-calendar", "", before, {})

    async def _ask(
        self, request: str, path: str, symbol: str, session: date, query: dict[str, str]
    ) -> None:
        if await self._is_known("uw", request, symbol, session):
            return
        try:
            answer = await self._rest.get(path, path, query)
        except UwRestError as error:
            self._lack(f"{request} {symbol}".strip(), str(error))
            return
        if answer.status != 200:
            self._lack(f"{request} {symbol}".strip(), f"status {answer.status}")
            return
        await self._keep(
            HistoryImported(
                vendor="uw",
                request=request,
                symbol=symbol,
                session_date=session,
                payload=answer.body_bytes.decode(),
            )
        )

    async def _is_known(self, vendor: str, request: str, symbol: str, session: date) -> bool:
        return await self._store.event(history_id(vendor, request, symbol, session)) is not None

    async def _keep(self, answer: HistoryImported) -> None:
        if await self._is_known(answer.vendor, answer.request, answer.symbol, answer.session_date):
            return
        identity = history_id(answer.vendor, answer.request, answer.symbol, answer.session_date)
        stream = f"history/{answer.vendor}/{answer.symbol or 'market'}"
        await self._recorder.record(stream, answer, event_id=identity)
        self._imported += 1

    def _lack(self, what: str, why: str) -> None:
        self._missing.append(what)
        self._log.warning("history missing", what=what, why=why)
