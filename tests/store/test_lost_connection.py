"""A connection lost around COMMIT: the outcome is found out, never guessed.

A relay stands between store and Postgres, which can swallow an answer or a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from store import appender, patience
from store.contract import Checkpoint
from store.errors import CheckpointConflict, OutcomeUnknown, StoreUnavailable, VersionConflict
from store.postgres import PostgresStore
from tests.store.propose import halt


class Relay:
    """Forwards bytes, until it is told to lose the answer or the request of the next append."""

    def __init__(self, target: str) -> None:
        host, _, port = target.partition("/")[0].partition(":")
        self.host, self.target_port = host, int(port)
        self.lose = ""
        self.is_down = False
        self.refused = 0
        self.keep_server_side = False
        self.kept: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        self._server.close()
        for writer in self.kept:
            writer.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.is_down:
            self.refused += 1
            writer.close()
            return
        to_server = await asyncio.open_connection(self.host, self.target_port)
        armed = [False]
        down = asyncio.create_task(self._answers(to_server[0], writer, armed))
        try:
            while data := await reader.read(65_536):
                # The name of a prepared statement tells nothing; its size does: an append
                # is by far the largest message.
                if self.lose and len(data) > 300:
                    if self.lose == "request":
                        self.lose = ""
                        break
                    armed[0] = True
                to_server[1].write(data)
                await to_server[1].drain()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            down.cancel()
            writer.close()
            if armed[0] and self.keep_server_side:
                self.kept.append(to_server[1])
            else:
                to_server[1].close()

    async def _answers(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, armed: list[bool]
    ) -> None:
        try:
            while data := await reader.read(65_536):
                if armed[0]:
                    self.lose = ""
                    break
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    relay = Relay(database_url.partition("@")[2])
    yield relay
    await relay.stop()


@pytest.fixture
async def relayed(relay: Relay, database_url: str) -> AsyncIterator[PostgresStore]:
    """A store whose connections go over the relay; warmed up, so that statements are prepared."""
    port = await relay.start()
    name = database_url.rpartition("/")[2]
    store = await PostgresStore.open(
        f"postgresql://postgres@127.0.0.1:{port}/{name}", application_name="relayed"
    )
    await store.append([halt("warm")])
    yield store
    relay.is_down = False
    await store.close()


@pytest.mark.parametrize("server_side_lives", [False, True])
async def test_a_lost_answer_is_settled_as_committed(
    relay: Relay, relayed: PostgresStore, store: PostgresStore, *, server_side_lives: bool
) -> None:
    relay.keep_server_side = server_side_lives
    relay.lose = "answer"
    one, two, three = await asyncio.wait_for(
        asyncio.gather(
            relayed.append([halt(1), halt("warm"), halt(2)], Checkpoint("w", 0, 7)),
            relayed.append([halt(3, expected_version=99)]),
            relayed.append([], Checkpoint("v", 0, 3)),
            return_exceptions=True,
        ),
        20,
    )
    assert relay.lose == ""
    assert not isinstance(one, BaseException)
    assert one.positions == (2, 1, 3)
    assert one.versions == (2, 1, 3)
    assert one.repeated == (False, True, False)
    assert isinstance(two, VersionConflict)
    assert not isinstance(three, BaseException)
    assert await store.head() == 3
    assert [await store.checkpoint(name) for name in ("w", "v")] == [7, 3]


async def test_a_lost_request_is_sent_again(
    relay: Relay, relayed: PostgresStore, store: PostgresStore
) -> None:
    relay.lose = "request"
    done = await asyncio.wait_for(relayed.append([halt(1)], Checkpoint("w", 0, 7)), 20)
    assert relay.lose == ""
    assert (done.positions, done.repeated) == ((2,), (False,))
    assert await store.head() == 2


async def test_settling_does_not_take_another_copys_work_for_ours(
    relay: Relay, relayed: PostgresStore, store: PostgresStore
) -> None:
    relay.lose = "request"
    relay.is_down = True
    task = asyncio.create_task(relayed.append([halt(1)], Checkpoint("w", 0, 7)))
    async with asyncio.timeout(20):
        while relay.lose:
            await asyncio.sleep(0.01)
    await store.append([halt(1)], Checkpoint("w", 0, 7))
    relay.is_down = False
    with pytest.raises(CheckpointConflict):
        await asyncio.wait_for(task, 20)


async def test_an_outcome_that_cannot_be_asked_for_is_unknown(
    relay: Relay, relayed: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appender, "SETTLE_SECONDS_MAX", 0.3)
    monkeypatch.setattr(patience, "STALL_SECONDS_MAX", 0.3)
    relay.lose = "answer"
    relay.is_down = True
    with pytest.raises(OutcomeUnknown, match="must be settled"):
        await asyncio.wait_for(relayed.append([halt(1)]), 20)
    with pytest.raises(StoreUnavailable, match="nothing was written"):
        await asyncio.wait_for(relayed.append([halt(2)]), 20)
    relay.is_down = False
    again = await asyncio.wait_for(relayed.append([halt(1)]), 20)
    assert again.repeated == (True,)


async def test_terminated_append_backends_lose_and_double_nothing(
    store: PostgresStore, database_url: str
) -> None:
    owner = await asyncpg.connect(database_url)
    stop = asyncio.Event()

    async def terminate() -> None:
        while not stop.is_set():
            await owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'test' AND pid <> pg_backend_pid()"
            )
            await asyncio.sleep(0.1)

    terminator = asyncio.create_task(terminate())
    done = []
    for key in range(20):
        while True:
            try:
                done.append(await store.append([halt(key, expected_version=key + 1)]))
                break
            except StoreUnavailable:
                await asyncio.sleep(0.01)
    stop.set()
    await terminator
    await owner.close()
    assert [result.positions for result in done] == [(n,) for n in range(1, 21)]


async def test_a_connection_that_got_the_lost_ones_number_is_left_alone(
    store: PostgresStore,
) -> None:
    """After a restart of the server a process number is soon another's."""
    asking, bystander = await store.connect_writer(), await store.connect_writer()
    number = bystander.get_server_pid()
    started = await bystander.fetchval("SELECT backend_started()")
    end = "SELECT end_backend($1, $2)"
    assert not await asking.fetchval(end, number, started - timedelta(seconds=1))
    assert await bystander.fetchval("SELECT 1") == 1
    assert await asking.fetchval(end, number, started)
    async with asyncio.timeout(20):
        while await asking.fetchval(end, number, started):
            await asyncio.sleep(0.01)
    bystander.terminate()
    await asking.close()


async def test_a_server_that_is_away_for_a_moment_is_waited_for(
    relay: Relay, relayed: PostgresStore, database_url: str
) -> None:
    relay.is_down = True
    owner = await asyncpg.connect(database_url)
    await owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'relayed'"
    )
    await owner.close()
    task = asyncio.create_task(relayed.append([halt(1)], Checkpoint("w", 0, 7)))
    async with asyncio.timeout(10):
        refused = relay.refused
        while relay.refused < refused + 2:
            await asyncio.sleep(0.01)
    assert not task.done()
    relay.is_down = False
    done = await asyncio.wait_for(task, 20)
    assert (done.positions, done.repeated) == ((2,), (False,))


async def test_a_server_that_stays_away_fails_loudly(
    relay: Relay, relayed: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appender, "SETTLE_SECONDS_MAX", 0.2)
    monkeypatch.setattr(patience, "STALL_SECONDS_MAX", 0.5)
    relay.lose = "request"
    relay.is_down = True
    with pytest.raises(OutcomeUnknown):
        await asyncio.wait_for(relayed.append([halt(1)]), 20)
    with pytest.raises(StoreUnavailable, match="nothing was written in"):
        await asyncio.wait_for(relayed.append([halt(2)]), 20)
