"""The Interactive Brokers part of the feeds: quotes, bars, depth, auction ticks, option lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from itertools import islice

import structlog

from adapters.interactive_brokers.link import LinkError, RequestFailed
from adapters.interactive_brokers.market_data import (
    LINES_MAX,
    FeedCallbacks,
    FeedState,
    IbMarketData,
    RefusedLine,
)
from domain.event import MarketEvent, Recorded, derived_id
from domain.events.controls import AlertRaised
from domain.events.feeds import (
    ChainListed,
    FeedMessageRejected,
    IbBarReceived,
    IbDepthReceived,
    IbTicksReceived,
    LineClosed,
    LineOpened,
    LineRefused,
    LinesWanted,
    UnderlyingListed,
)
from domain.events.system import SessionPlanned
from domain.instruments import SYMBOLS, OptionContract
from run.config import Settings
from run.feeds.intake import Intake
from run.feeds.market_clock import MarketClock
from run.feeds.states import FeedStates
from run.worker import Recorder

FEED = "ib.data"
BASKET_LINES_MAX = 14
"""Members of the basket beyond these have no line, so that options keep eighty."""
EXPIRIES_NEAR = 4
EXPIRY_DAYS_MAX = 65
DAILY_EXPIRY_DAYS_MAX = 9


class BrokerFeed:
    """Market data of the broker; keeps open what is wanted inside the budget."""

    def __init__(
        self,
        settings: Settings,
        recorder: Recorder,
        intake: Intake,
        states: FeedStates,
        clock: MarketClock,
        in_session: Callable[[], bool],
    ) -> None:
        self._recorder = recorder
        self._intake = intake
        self._states = states
        self._wanted: dict[str, tuple[OptionContract, ...]] = {}
        self._open: dict[int, OptionContract] = {}
        self._beyond: frozenset[int] = frozenset()
        """Contracts that are wanted and for which there is no line."""
        members = min(len(settings.basket), BASKET_LINES_MAX)
        self._option_lines_max = LINES_MAX - 2 * len(SYMBOLS) - members
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("feeds")
        self.data = IbMarketData(
            settings.ib_host,
            settings.ib_port,
            settings.ib_data_client_id,
            recorder.run_id,
            lambda: datetime.now(UTC),
            FeedCallbacks(event=self._on_event, state=self._on_state, refused=self._on_refused),
            expects_data=in_session,
            speed=lambda: max(clock.speed, 1.0),
        )

    def _on_state(self, state: FeedState, reason: str, connection: str) -> None:
        self._states.changed(FEED, state.value, reason, connection)

    def _on_refused(self, line: RefusedLine) -> None:
        self._refuse(line.symbol, line.con_id, line.kind, line.code, line.text)
        if line.is_vital:
            text = f"{line.kind} of {line.symbol} refused: {line.code} {line.text}"
            identity = derived_id("line.refused", self.data.connection, text)
            alert = AlertRaised(
                alert_id=str(identity), severity="critical", code="LINE_REFUSED", text=text
            )
            self._intake.put("alerts/feeds", alert, feed=FEED, event_id=identity)

    def _refuse(self, symbol: str, con_id: int, kind: str, code: int, reason: str) -> None:
        body = LineRefused(symbol=symbol, con_id=con_id, kind=kind, code=code, reason=reason)
        self._intake.put(f"lines/{symbol}", body, feed=FEED)

    def _on_event(self, event: MarketEvent) -> None:
        if isinstance(event, FeedMessageRejected):
            self._intake.put_rejected(event)
            return
        if self._states.is_paused(FEED):
            return
        match event:
            case IbBarReceived():
                identity = derived_id("ib.bar", event.symbol, event.start.isoformat())
                self._intake.put(
                    f"ib/bars/{event.symbol}",
                    event,
                    feed=FEED,
                    occurred_at=event.start,
                    event_id=identity,
                )
            case IbTicksReceived():
                self._intake.put(
                    f"ib/ticks/{event.symbol}", event, feed=FEED, occurred_at=event.received_at
                )
            case IbDepthReceived():
                self._intake.put(
                    f"ib/depth/{event.symbol}", event, feed=FEED, occurred_at=event.received_at
                )
            case _:
                raise TypeError(f"broker data must be ticks, bars or depth, was {event!r}")

    async def list_underlyings(self, basket: Sequence[str]) -> None:
        """Record contract details, and open quotes, bars and depth of the underlyings."""
        members = 0
        for symbol in (*SYMBOLS, *basket):
            try:
                listed = await self.data.underlying(symbol)
            except (LookupError, LinkError, RequestFailed) as error:
                self._log.warning("underlying not listed", symbol=symbol, error=str(error))
                continue
            await self._record_listed(listed)
            own = symbol in SYMBOLS
            members += not own
            if members > BASKET_LINES_MAX:
                reason = f"at most {BASKET_LINES_MAX} members of the basket have a line"
                self._refuse(symbol, listed.con_id, "ticks", 0, reason)
                continue
            self.data.want_underlying(listed, bars=own, depth=own)

    async def _record_listed(self, listed: UnderlyingListed) -> None:
        identity = derived_id("underlying", listed.model_dump_json())
        await self._recorder.record(f"chain/{listed.symbol}", listed, event_id=identity)

    async def list_chains(self, today: date) -> dict[str, list[date]]:
        """Record the chains of the nearest expiries and of those around 30 and 60 days."""
        listed: dict[str, list[date]] = {}
        for symbol in SYMBOLS:
            try:
                known = [e for e in await self.data.expiries(symbol) if e >= today]
            except (LinkError, RequestFailed, LookupError) as error:
                self._log.warning("no expiries", symbol=symbol, error=str(error))
                continue
            for expiry in chosen_expiries(known, today):
                try:
                    chain = await self.data.chain(symbol, expiry)
                except (LinkError, RequestFailed, LookupError) as error:
                    self._log.warning("no chain", symbol=symbol, error=str(error))
                    continue
                await self._record_chain(chain, today)
                listed.setdefault(symbol, []).append(expiry)
        return listed

    async def _record_chain(self, chain: ChainListed, today: date) -> None:
        identity = derived_id("chain", today, chain.model_dump_json())
        await self._recorder.record(f"chain/{chain.symbol}", chain, event_id=identity)

    def note(self, event: Recorded) -> bool:
        """Remember what a stage wants; whether the event was such a wish."""
        if not isinstance(event.body, LinesWanted):
            return False
        self._wanted[event.body.requester] = tuple(w.contract for w in event.body.lines)
        return True

    def open_wanted(self) -> None:
        """Open and close option lines as stages want them, the trader's first."""
        wishes: dict[int, OptionContract] = {}
        for requester in sorted(self._wanted, key=lambda name: (name != "trader", name)):
            for contract in self._wanted[requester]:
                wishes.setdefault(contract.con_id, contract)
        wanted = dict(islice(wishes.items(), self._option_lines_max))
        beyond = wishes.keys() - wanted.keys()
        for con_id in sorted(beyond - self._beyond):
            reason = f"at most {self._option_lines_max} option lines are open"
            self._refuse(wishes[con_id].symbol, con_id, "ticks", 0, reason)
        self._beyond = frozenset(beyond)
        for con_id in [c for c in self._open if c not in wanted]:
            contract = self._open.pop(con_id)
            self.data.close_option(con_id)
            closed = LineClosed(contract=contract, reason="no longer wanted")
            self._intake.put(f"lines/{contract.symbol}", closed, feed=FEED)
        for con_id, contract in wanted.items():
            if con_id not in self._open:
                self._open[con_id] = contract
                self.data.open_option(contract)
                opened = LineOpened(contract=contract)
                self._intake.put(f"lines/{contract.symbol}", opened, feed=FEED)


def chosen_expiries(known: Sequence[date], today: date) -> list[date]:
    """The nearest four, and the listed ones nearest 9, 30 and 60 days: what the metrics read."""
    near = list(known[:EXPIRIES_NEAR])
    inside = [e for e in known if (e - today).days <= EXPIRY_DAYS_MAX]
    for days in (9, 30, 60):
        after = [e for e in inside if (e - today).days >= days]
        before = [e for e in inside if (e - today).days < days]
        near += after[:1] + before[-1:]
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
