"""Which expiries are listed, and seeing to it that no underlying stays without its chain.

Contract ids of options are new every day. A chain that cannot be read is asked for again, ever
more rarely, with an alarm when it stays missing; five minutes before the open all are read anew,
for what was listed over night.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime, timedelta

import structlog

from adapters.interactive_brokers.link import LinkError, RequestFailed
from adapters.interactive_brokers.market_data import IbMarketData
from domain.event import derived_id
from domain.events.feeds import ChainListed
from domain.events.system import SessionPlanned
from domain.instruments import SYMBOLS
from run.worker import Recorder

EXPIRIES_NEAR = 4
EXPIRY_DAYS_MAX = 65
DAILY_EXPIRY_DAYS_MAX = 9
SWING_DAYS, SWING_DAYS_TARGET = (21, 45), 35
"""As the parameters swing_days_* are shipped: feeds list before they know any."""
BEFORE_OPEN = timedelta(minutes=5)
WAITS_SECONDS = (5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
TRIES_BEFORE_ALARM = 3


class BrokerChains:
    """Lists chains once, and keeps them whole for the session."""

    def __init__(
        self,
        data: IbMarketData,
        recorder: Recorder,
        alarm: Callable[[str, str, str], None],
        listened: Callable[[str], Collection[date]] = lambda symbol: (),
        waits_seconds: Sequence[float] = WAITS_SECONDS,
    ) -> None:
        self._data = data
        self._recorder = recorder
        self._alarm = alarm
        self._listened = listened
        self._waits = waits_seconds
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("feeds")
        self.missing: dict[str, str] = {}
        """Underlyings without a whole chain, with the reason."""
        self.expiries: dict[str, list[date]] = {}
        """Those of whole chains, as they were listed last."""
        self._passed: dict[tuple[str, date], set[date]] = {}
        """Expiries too thin to trade, by symbol and day."""
        self._again: set[str] = set()
        """Underlyings of which another expiry is wanted."""
        self.on_new: Callable[[], None] = lambda: None
        """Called when `keep` finds other expiries than were known."""

    def pass_over(self, symbol: str, day: date, expiry: date) -> None:
        """A strategy will not trade an expiry on this day: the next nearest is listed for it."""
        self._passed.setdefault((symbol, day), set()).add(expiry)
        self._again.add(symbol)

    async def list_all(self, today: date) -> dict[str, list[date]]:
        """Record the chains of the nearest expiries and of those around 30 and 60 days."""
        found = {symbol: await self._list(symbol, today) for symbol in SYMBOLS}
        return {symbol: expiries for symbol, expiries in found.items() if expiries}

    async def _list(self, symbol: str, today: date) -> list[date]:
        """The expiries that were recorded; what is wrong is in `missing`."""
        listed = await self._listed(symbol, today)
        if symbol not in self.missing:
            self.expiries[symbol] = listed
        return listed

    async def _listed(self, symbol: str, today: date) -> list[date]:
        listed: list[date] = []
        try:
            known = [e for e in await self._data.expiries(symbol) if e >= today]
            if not known:
                raise LookupError("TWS lists no expiry")
            passed = self._passed.get((symbol, today), ())
            for expiry in chosen_expiries(known, today, self._listened(symbol), passed):
                chain = await self._data.chain(symbol, expiry)
                if not chain.contracts:
                    raise LookupError(f"TWS lists no contract of {expiry}")
                await self._record(chain, today)
                listed.append(expiry)
            self.missing.pop(symbol, None)
        except (LinkError, RequestFailed, LookupError) as error:
            self.missing[symbol] = str(error)
            self._log.warning("no chain", symbol=symbol, error=str(error))
        return listed

    async def _record(self, chain: ChainListed, today: date) -> None:
        identity = derived_id("chain", today, chain.model_dump_json())
        await self._recorder.record(f"chain/{chain.symbol}", chain, event_id=identity)

    async def keep(self, plan: SessionPlanned, now: Callable[[], datetime]) -> None:
        """Retry what is missing, and read all anew before the open; runs until cancelled."""
        today, again_at = plan.day.session_date, plan.day.open_at - BEFORE_OPEN
        is_due = now() < again_at
        tries = 0
        while True:
            await asyncio.sleep(self._waits[min(tries, len(self._waits) - 1)])
            if is_due and now() >= again_at:
                is_due, tries = False, 0
                await self._data.wait_connected()
                await self._look_again(SYMBOLS, today)
            elif self.missing:
                tries += 1
                await self._data.wait_connected()
                await self._look_again(tuple(self.missing), today)
                self._tell(tries)
            elif self._again:
                again = tuple(sorted(self._again))
                self._again.clear()
                await self._data.wait_connected()
                await self._look_again(again, today)
            if not self.missing:
                tries = 0

    async def _look_again(self, symbols: Sequence[str], today: date) -> None:
        known = dict(self.expiries)
        for symbol in symbols:
            await self._list(symbol, today)
        if self.expiries != known:
            self.on_new()

    def _tell(self, tries: int) -> None:
        if self.missing and tries == TRIES_BEFORE_ALARM:
            reasons = "; ".join(f"{symbol}: {why}" for symbol, why in sorted(self.missing.items()))
            self._alarm("critical", "CHAIN_MISSING", f"no whole chain of {reasons}")


def chosen_expiries(
    known: Sequence[date],
    today: date,
    listened: Collection[date] = (),
    passed: Collection[date] = (),
) -> list[date]:
    """The nearest four, the listed ones nearest 9, 30 and 60 days, which the metrics read, and what
    the 14D+ strategy trades: nearest 35 days, both where two are as near (one may be monthly), of
    those that it has not passed over. And those of lines that are wanted: what was entered there
    weeks ago is valued on them."""
    near = list(known[:EXPIRIES_NEAR])
    inside = [e for e in known if (e - today).days <= EXPIRY_DAYS_MAX]
    for days in (9, 30, 60):
        after = [e for e in inside if (e - today).days >= days]
        before = [e for e in inside if (e - today).days < days]
        near += after[:1] + before[-1:]
    swing = [e for e in known if SWING_DAYS[0] <= (e - today).days <= SWING_DAYS[1]]
    swing = [expiry for expiry in swing if expiry not in passed]
    off = [abs((e - today).days - SWING_DAYS_TARGET) for e in swing]
    near += [e for e, days in zip(swing, off, strict=True) if days == min(off)]
    near += [e for e in known if e in listened]
    return sorted(set(near))


def calendar_expiries(plan: SessionPlanned) -> dict[str, list[date]]:
    """What is listed by the calendar alone, while the broker cannot be asked: every session of
    the next days, and the last one of each week."""
    today = plan.day.session_date
    sessions = [day.session_date for day in (plan.day, *plan.later)]
    weeks = {day.isocalendar()[:2]: day for day in sessions}
    known = [
        day
        for day in sessions
        if (day - today).days <= DAILY_EXPIRY_DAYS_MAX or weeks[day.isocalendar()[:2]] == day
    ]
    return {symbol: chosen_expiries(known, today) for symbol in SYMBOLS}
