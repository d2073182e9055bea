"""The watchdog: starts the trader as its child, listens to its beats, and sees that a halt acts.

It hears halts and flattens by the log, by the files, and those that a rule of the trader decided.
It sends no order itself. A trader that does not confirm a halt within half a real second is
killed, and not started again before its entries are cancelled singly under the trader's own
client id, journalled to a file, and that connection is closed.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from uuid import uuid4

import structlog

from adapters.interactive_brokers.link import ClientIdInUse, LinkError, RequestFailed
from adapters.interactive_brokers.orders import IbOrders, NotSent
from adapters.interactive_brokers.session import SessionRule
from domain.event import Recorded
from domain.events.controls import (
    FlattenRequested,
    HaltRequested,
    TradingHalted,
    TradingReleased,
)
from domain.events.orders import EmergencyCancelSent
from domain.execution.references import opens
from run.cancel_journal import CancelJournal
from run.config import Settings
from run.control_file import POLL_SECONDS, ControlFiles
from run.kill_alerts import KillAlerts
from run.service import Process, command
from run.trader import READS
from run.watched_trader import Child, start_child
from store.contract import EventStore, Selection
from store.errors import StoreError

CONFIRM_SECONDS = 0.5
BEAT_SECONDS_MAX = 5.0
STOP_SECONDS = 6.0
PAUSE_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 15.0)
QUICK_END_SECONDS = 30.0
QUICK_ENDS_MAX = 3
"""Traders that ended at once, one after the other: nobody looks after the entries any more."""
CANCELS_MAX = 100
HEARD = Selection(
    types=frozenset({"FlattenRequested", "HaltRequested", "TradingHalted", "TradingReleased"})
)


def standing(events: Sequence[Recorded], reason: str) -> str:
    """Why trading is halted after these events; empty when it is not, or was released."""
    for event in events:
        match event.body:
            case HaltRequested() | FlattenRequested() as body:
                reason = body.reason or body.route
            case TradingHalted() as body:
                reason = body.reason
            case TradingReleased():
                reason = ""
    return reason


async def cancel_entries(broker: IbOrders, journal: CancelJournal, client_id: int, why: str) -> int:
    """Cancel every open entry of the trader's client id, one by one; how many there were.

    Raises:
        LinkError, RequestFailed, NotSent: not all could be cancelled; to be called again.
    """
    await broker.connect(f"watchdog-{uuid4().hex[:12]}")
    try:
        listed = await broker.snapshot()
        entries = [
            row for row in listed.open_orders if row.client_id == client_id and opens(row.order_ref)
        ][:CANCELS_MAX]
        for row in entries:
            journal.write(
                EmergencyCancelSent(
                    order_ref=row.order_ref,
                    order_id=row.order_id,
                    who="watchdog",
                    reason=why,
                    cancelled_at=datetime.now(UTC),
                )
            )
            broker.cancel(row.order_id)
        if entries:
            # The answer to a later request proves that the cancels were read.
            await broker.snapshot()
        return len(entries)
    finally:
        await broker.close("the watchdog is done")


class Watchdog:
    """One child at a time. `cancel` ends its entries at the broker; it is tried until it works.
    `on_kill` hears why the child was killed; it must not wait."""

    def __init__(
        self,
        command: Sequence[str],
        files: ControlFiles,
        cancel: Callable[[str], Awaitable[int]],
        pauses: Sequence[float] = PAUSE_SECONDS,
        beat_seconds: float = BEAT_SECONDS_MAX,
        on_kill: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.child: Child | None = None
        self.starts = 0
        self.kills: list[str] = []
        self._command = list(command)
        self._files = files
        self._cancel = cancel
        self._pauses = tuple(pauses)
        self._beat_seconds = beat_seconds
        self._on_kill = on_kill
        self._quick_ends = 0
        self._halting = asyncio.Lock()
        self._cancel_first = ""
        self._halted_between = asyncio.Event()
        self._position: int | None = None
        """Up to where the log was heard."""
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("watchdog")

    async def run(self) -> None:
        """Start the trader, again and again, until cancelled; then end it."""
        try:
            while True:
                await self._one_life()
                if self._quick_ends >= QUICK_ENDS_MAX:
                    why = f"the trader ended at once {self._quick_ends} times"
                    await self._cancel_entries(why, once=True)
                await self._pause(self._pauses[min(self._quick_ends, len(self._pauses) - 1)])
        finally:
            await self._stop()

    async def _pause(self, seconds: float) -> None:
        """Between two lives. What a halt, also one that comes now, leaves open is cancelled here:
        no trader is there to do it."""
        ends = time.monotonic() + seconds
        while True:
            self._halted_between.clear()
            if self._cancel_first:
                why, self._cancel_first = self._cancel_first, ""
                await self._cancel_entries(why)
                continue
            try:
                async with asyncio.timeout(max(0.0, ends - time.monotonic())):
                    await self._halted_between.wait()
            except TimeoutError:
                return

    async def _one_life(self) -> None:
        starting = asyncio.ensure_future(start_child(self._command))
        try:
            await asyncio.shield(starting)
        finally:
            # A child that was begun is waited for and known, so that `_stop` can end it.
            self.child = child = await starting
            # It starts with what the log and the files say.
            self._cancel_first = ""
        self.starts += 1
        reading = asyncio.create_task(child.read_reports(), name="watchdog.reports")
        silence = asyncio.create_task(self._kill_when_silent(child), name="watchdog.silence")
        try:
            code = await child.process.wait()
        finally:
            for task in (reading, silence):
                task.cancel()
            await asyncio.gather(reading, silence, return_exceptions=True)
        self.child = None
        child.close()
        quick = time.monotonic() - child.started < QUICK_END_SECONDS
        self._quick_ends = self._quick_ends + 1 if quick else 0
        self._log.warning("trader ended", code=code, starts=self.starts)

    async def _kill_when_silent(self, child: Child) -> None:
        told = ""
        while not child.is_silent(self._beat_seconds):
            if child.waits_for != told:
                told = child.waits_for
                self._log.error("trader waits", what=told)
            await asyncio.sleep(POLL_SECONDS)
        self._kill(child, f"no beat for {self._beat_seconds:g} s")

    def _kill(self, child: Child, why: str) -> None:
        self._log.error("trader killed", why=why)
        self.kills.append(why)
        if child.process.returncode is None:
            child.process.kill()
        self._on_kill(why)

    async def halt(self, reason: str) -> bool:
        """Order a halt; True when the trader confirmed it in time.

        A trader that did not is killed. Its entries, or those of one that has died already, are
        cancelled before the next one starts.
        """
        async with self._halting:
            child = self.child
            if child is not None:
                child.order_halt(reason)
                try:
                    async with asyncio.timeout(CONFIRM_SECONDS):
                        await child.confirmed.wait()
                    return True
                except TimeoutError:
                    if self.child not in (child, None):
                        # The next one has started meanwhile: it reads the log and the files.
                        return False
            self._cancel_first = f"halt not confirmed: {reason}"
            self._halted_between.set()
            if child is not None and self.child is child:
                self._kill(child, "halt not confirmed")
            return False

    async def _cancel_entries(self, why: str, *, once: bool = False) -> None:
        """Until it works; `once` is for no halt: the next start waits for no broker then."""
        attempt = 0
        while True:
            try:
                count = await self._cancel(why)
            except (LinkError, RequestFailed, NotSent, ClientIdInUse) as error:
                self._log.error("entries not cancelled yet", error=str(error))
                if once:
                    return
                await asyncio.sleep(self._pauses[min(attempt, len(self._pauses) - 1)])
                attempt += 1
                continue
            self._log.warning("entries cancelled", count=count, why=why)
            return

    async def watch_files(self) -> None:
        """The files halt without the log. A flatten is a halt here: exits are the trader's."""
        while True:
            for request in self._files.new():
                await self.halt(f"{request.kind}: {request.reason}")
            await asyncio.sleep(POLL_SECONDS)

    async def watch_log(self, store: EventStore) -> None:
        """A halt or flatten on the log must be obeyed by the trader at once, whoever decided it.

        After a lost log it goes on where it was: what was asked meanwhile holds, unless it was
        released since.
        """
        while True:
            try:
                if self._position is None:
                    # What was asked before is the trader's: it starts with it.
                    self._position = await store.head()
                await self._catch_up(store)
                async for events, scanned in store.subscribe(self._position, HEARD):
                    reason = standing(events, "")
                    self._position = scanned
                    if reason:
                        await self.halt(reason)
            except StoreError as error:
                # The pipe and the files still work; the log is tried again.
                self._log.error("log not readable", error=str(error))
                await asyncio.sleep(1.0)

    async def _catch_up(self, store: EventStore) -> None:
        assert self._position is not None
        reason = ""
        while events := await store.read(self._position, HEARD):
            reason = standing(events, reason)
            self._position = events[-1].position
        if reason:
            await self.halt(reason)

    async def _stop(self) -> None:
        child = self.child
        if child is None:
            return
        if child.process.returncode is None:
            child.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await child.process.wait()
        except TimeoutError:
            child.process.kill()
            await child.process.wait()
        child.close()


def canceller(settings: Settings) -> Callable[[str], Awaitable[int]]:
    """Cancels under the trader's client id, over a connection of its own."""
    journal = CancelJournal(settings.var_dir)

    async def cancel(why: str) -> int:
        broker = IbOrders(
            settings.ib_host,
            settings.ib_port,
            settings.ib_trader_client_id,
            "watchdog",
            lambda: datetime.now(UTC),
            session=SessionRule(settings.mode, settings.ib_account),
        )
        return await cancel_entries(broker, journal, settings.ib_trader_client_id, why)

    return cancel


async def main(process: Process) -> None:
    """Watch until asked to stop."""
    settings = process.settings
    command = (sys.executable, "-m", "run.trader")
    alerts = KillAlerts(process.recorder)
    watchdog = Watchdog(
        command, ControlFiles(settings.var_dir), canceller(settings), on_kill=alerts.add
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(watchdog.run(), name="watchdog.child")
        tasks.create_task(alerts.run(), name="watchdog.alerts")
        tasks.create_task(watchdog.watch_files(), name="watchdog.control_files")
        tasks.create_task(watchdog.watch_log(process.store), name="watchdog.log")


if __name__ == "__main__":
    sys.exit(command("watchdog", main, __doc__, reads=READS))
