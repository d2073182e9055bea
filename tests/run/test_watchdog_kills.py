"""The watchdog: a halt acts within half a second, or the trader dies and its entries go first."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.interactive_brokers.link import LinkError
from domain.events.controls import (
    CONTROL_STREAM,
    FlattenRequested,
    HaltRequested,
    TradingHalted,
    TradingReleased,
)
from domain.events.orders import EmergencyCancelSent
from run.cancel_journal import CancelJournal
from run.control_file import ControlFiles
from run.kill_alerts import KillAlerts
from run.watchdog import Watchdog
from run.worker import Recorder
from store.contract import Selection
from store.errors import StoreUnavailable
from tests.domain.execution.execution_build import START
from tests.waiting import until

CHILD = str(Path(__file__).with_name("watchdog_child.py"))


class Cancels:
    """Counts the emergency cancels; the first `failures` do not work."""

    def __init__(self, failures: int = 0) -> None:
        self.reasons: list[str] = []
        self.starts_then: list[int] = []
        self.watchdog: Watchdog | None = None
        self._failures = failures

    async def __call__(self, why: str) -> int:
        assert self.watchdog is not None
        self.reasons.append(why)
        self.starts_then.append(self.watchdog.starts)
        if len(self.reasons) <= self._failures:
            raise LinkError("TWS must be there, was not")
        return 1


@asynccontextmanager
async def watching(
    folder: Path, mode: str, cancel: Cancels | None = None, **given: Any
) -> AsyncIterator[Watchdog]:
    cancels = cancel or Cancels()
    action: Callable[[str], Awaitable[int]] = cancels
    command = (sys.executable, CHILD, mode)
    watchdog = Watchdog(command, ControlFiles(folder), action, **{"pauses": (0.01,), **given})
    cancels.watchdog = watchdog
    task = asyncio.create_task(watchdog.run())
    try:
        await until(lambda: watchdog.starts > 0)
        yield watchdog
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def heard(watchdog: Watchdog) -> bool:
    return watchdog.child is not None and watchdog.child.last_beat is not None


async def test_a_trader_that_confirms_a_halt_lives_on(tmp_path: Path) -> None:
    async with watching(tmp_path, "obedient") as watchdog:
        await until(lambda: heard(watchdog))
        assert await watchdog.halt("drill")
        assert (watchdog.kills, watchdog.starts) == ([], 1)


async def test_a_trader_that_does_not_confirm_is_killed_and_its_entries_go_before_the_restart(
    tmp_path: Path,
) -> None:
    cancels = Cancels(failures=2)
    async with watching(tmp_path, "deaf", cancels) as watchdog:
        await until(lambda: heard(watchdog))
        asked = time.monotonic()
        assert not await watchdog.halt("drill")
        assert time.monotonic() - asked < 2.0
        await until(lambda: watchdog.starts == 2)
        assert watchdog.kills == ["halt not confirmed"]
        assert cancels.reasons == ["halt not confirmed: drill"] * 3
        assert cancels.starts_then == [1, 1, 1]


async def test_a_trader_whose_loop_does_not_turn_is_killed_and_started_again(
    tmp_path: Path,
) -> None:
    async with watching(tmp_path, "silent", beat_seconds=0.3) as watchdog:
        await until(lambda: watchdog.starts == 2)
        assert watchdog.kills == ["no beat for 0.3 s"]


async def test_a_trader_that_crashes_is_started_again(tmp_path: Path) -> None:
    async with watching(tmp_path, "crashing") as watchdog:
        await until(lambda: watchdog.starts >= 3)
        assert watchdog.kills == []


async def test_a_trader_that_cannot_start_leaves_no_entry_without_anybody(tmp_path: Path) -> None:
    """It ends at once, again and again: what works at the broker would fill and not be left."""
    cancels = Cancels(failures=1)
    async with watching(tmp_path, "crashing", cancels):
        await until(lambda: len(cancels.reasons) >= 2)
    assert cancels.starts_then[:2] == [3, 4], "a broker that is away holds no start up"
    assert cancels.reasons[0] == "the trader ended at once 3 times"


async def test_the_halt_file_halts_without_the_log(tmp_path: Path) -> None:
    async with watching(tmp_path, "deaf") as watchdog:
        await until(lambda: heard(watchdog))
        task = asyncio.create_task(watchdog.watch_files())
        (tmp_path / "halt").write_text("by hand\nmore")
        await until(lambda: watchdog.kills == ["halt not confirmed"])
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_halt_on_the_log_reaches_the_trader(tmp_path: Path, store: Any) -> None:
    async with watching(tmp_path, "deaf") as watchdog:
        await until(lambda: heard(watchdog))
        task = asyncio.create_task(watchdog.watch_log(store))
        recorder = Recorder(store, "api", "test", "run")
        halt = HaltRequested(who="o", route="api", reason="drill")
        while not watchdog.kills:
            # The watch begins at the log's end: a halt may have come just before it.
            await recorder.record(CONTROL_STREAM, halt)
            await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def hearing(watchdog: Watchdog, store: Any) -> AsyncIterator[None]:
    """The watchdog reads a log from where it is."""
    await until(lambda: heard(watchdog))
    watchdog._position = await store.head()
    task = asyncio.create_task(watchdog.watch_log(store))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    "asked",
    [
        FlattenRequested(who="o", route="telegram", reason="drill"),
        TradingHalted(who="risk", reason="HARD_LOSS: too much"),
    ],
)
async def test_a_trader_that_hangs_at_a_flatten_or_at_its_own_rule_is_killed(
    tmp_path: Path, store: Any, asked: Any
) -> None:
    async with watching(tmp_path, "deaf") as watchdog, hearing(watchdog, store):
        await Recorder(store, "x", "test", "run").record(CONTROL_STREAM, asked)
        await until(lambda: watchdog.kills == ["halt not confirmed"])


class LostLog:
    """A store that cannot be read once, while something is asked."""

    def __init__(self, store: Any, asked: Sequence[Any]) -> None:
        self._store = store
        self._asked: Sequence[Any] = asked
        self.reads = 0

    async def read(self, *given: Any) -> Any:
        self.reads += 1
        if self._asked:
            recorder = Recorder(self._store, "api", "test", "run")
            await recorder.append([recorder.propose(CONTROL_STREAM, a) for a in self._asked])
            self._asked = ()
            raise StoreUnavailable("the log must be readable, was not")
        return await self._store.read(*given)

    def subscribe(self, *given: Any) -> Any:
        return self._store.subscribe(*given)


HALT = HaltRequested(who="o", route="api", reason="drill")
RELEASED = TradingReleased(who="o", reason="over")


async def test_a_halt_asked_while_the_log_was_lost_is_caught_up(tmp_path: Path, store: Any) -> None:
    lost = LostLog(store, [HALT])
    async with watching(tmp_path, "deaf") as watchdog:
        await until(lambda: heard(watchdog))
        watchdog._position = await store.head()
        task = asyncio.create_task(watchdog.watch_log(lost))  # type: ignore[arg-type]
        await until(lambda: watchdog.kills == ["halt not confirmed"])
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_halt_that_was_released_while_the_log_was_lost_does_not_stop_the_trader(
    tmp_path: Path, store: Any
) -> None:
    """A trader told to stop after its release would stay stopped with nothing on the log."""
    lost = LostLog(store, [HALT, RELEASED])
    async with watching(tmp_path, "deaf") as watchdog:
        await until(lambda: heard(watchdog))
        watchdog._position = await store.head()
        task = asyncio.create_task(watchdog.watch_log(lost))  # type: ignore[arg-type]
        await until(lambda: lost.reads >= 3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert watchdog.kills == []


class AwayLog:
    """A store that takes nothing twice; the second time it has taken it and does not say so."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.tries = 0

    async def append(self, events: Any) -> Any:
        self.tries += 1
        if self.tries == 1:
            raise StoreUnavailable("the log must be there, was not")
        appended = await self._store.append(events)
        if self.tries == 2:
            raise StoreUnavailable("the answer must come, did not")
        return appended


async def test_a_kill_is_an_alert_on_the_log_once_however_long_the_log_is_away(
    tmp_path: Path, store: Any
) -> None:
    away: Any = AwayLog(store)
    alerts = KillAlerts(Recorder(away, "watchdog", "test", "run"), retry_seconds=0.01)
    telling = asyncio.create_task(alerts.run())
    async with watching(tmp_path, "deaf", on_kill=alerts.add) as watchdog:
        await until(lambda: heard(watchdog))
        assert not await watchdog.halt("drill")
        await until(lambda: away.tries >= 3)
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)
    (alert,) = await store.read(0, Selection(types=frozenset({"AlertRaised"})))
    assert (alert.body.severity, alert.body.code) == ("critical", "TRADER_KILLED")
    assert "halt not confirmed" in alert.body.text and "worker_control" in alert.body.text


async def test_a_halt_between_two_lives_cancels_entries_before_the_next(tmp_path: Path) -> None:
    """A trader that keeps dying is away for up to 15 s: its entries do not wait for it."""
    cancels = Cancels()
    async with watching(tmp_path, "crashing", cancels, pauses=(30.0,)) as watchdog:
        await until(lambda: watchdog.starts == 1 and watchdog.child is None)
        assert not await watchdog.halt("drill")
        await until(lambda: bool(cancels.reasons))
        assert (cancels.starts_then, watchdog.kills) == ([1], [])


async def test_ending_the_watchdog_ends_its_trader(tmp_path: Path) -> None:
    async with watching(tmp_path, "obedient") as watchdog:
        await until(lambda: heard(watchdog))
        assert watchdog.child is not None
        process = watchdog.child.process
    assert process.returncode is not None


def cancel_of(ref: str) -> EmergencyCancelSent:
    return EmergencyCancelSent(
        order_ref=ref, order_id=7, who="watchdog", reason="drill", cancelled_at=START
    )


async def test_journalled_cancels_reach_the_log_once(tmp_path: Path, store: Any) -> None:
    journal = CancelJournal(tmp_path)
    journal.write(cancel_of("P1-E1"))
    journal.write(cancel_of("P2-E1"))
    with journal.path.open("ab") as file:
        file.write(b'{"order_ref": "cut o')
    recorder = Recorder(store, "trader", "test", "run")
    assert await journal.append_to_log(recorder) == 2
    assert await journal.append_to_log(recorder) == 0
    found = await store.read(0, Selection(types=frozenset({"EmergencyCancelSent"})))
    assert [event.body for event in found] == [cancel_of("P1-E1"), cancel_of("P2-E1")]
