"""The cache of states: used when it is ours and whole, passed over when it is anything else."""

from __future__ import annotations

import asyncio
import pickle
import zlib
from typing import Any

import pytest

from api import desk_fold
from domain.event import Recorded
from domain.events.controls import TradingHalted, TradingReleased
from run import snapshots, worker_snapshots
from run.replay import verify_worker
from run.replay.past import Past
from run.snapshots import StateCache, folded, pickled
from run.worker import Worker
from run.worker_snapshots import WorkerSnapshots
from store.contract import Selection
from store.errors import StoreUnavailable
from store.postgres import PostgresStore
from store.snapshots import SnapshotTable
from tests.run.canonical import canonical
from tests.run.test_worker_shell import Count, CountingStage, ask, page
from tests.store.propose import propose

NAME = "counter"
TOUCHED: list[str] = []


class NotingStage(CountingStage):
    """Counts halts, and notes which inputs it was given."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def evolve(self, state: Count, event: Recorded) -> Count:
        self.seen.append(event.position)
        return super().evolve(state, event)


class Touch:
    """Something whose unpickling is noticed."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (TOUCHED.append, ("unpickled",))


def cache_of(
    store: PostgresStore, secret: bytes = b"secret", build: str = "b", code: str = "c"
) -> StateCache:
    return StateCache(
        SnapshotTable(store.connect_reader, store.connect_writer), secret, build, code
    )


async def consumed(store: PostgresStore, halts: int) -> Worker:
    """A worker that took so many requests to halt."""
    one = Worker(NAME, [CountingStage()], store, "build-1")
    await one.recover()
    for number in range(halts):
        await ask(store, number)
        await one.take(await page(store, one), await store.head())
    return one


async def test_recovery_folds_only_what_came_after_the_snapshot(store: PostgresStore) -> None:
    one = await consumed(store, 3)
    cache = cache_of(store)
    await cache.save(NAME, one.position, pickled((one.consumer.states, 2.0)))
    cut = one.position
    await ask(store, 4)
    await one.take(await page(store, one), await store.head())
    stage = NotingStage()
    again = Worker(NAME, [stage], store, "build-1", cache=cache)
    await again.recover()
    assert canonical(again.consumer.states) == canonical(one.consumer.states)
    assert again.position == one.position
    assert stage.seen and min(stage.seen) > cut
    assert again._speed == 2.0


async def test_a_snapshot_beyond_the_checkpoint_is_not_used(store: PostgresStore) -> None:
    one = await consumed(store, 1)
    cache = cache_of(store)
    await cache.save(NAME, one.position + 1, pickled(([Count(halts=99)], 1.0)))
    again = Worker(NAME, [CountingStage()], store, "build-1", cache=cache)
    await again.recover()
    assert again.consumer.states[0].halts == 1


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE snapshots SET state = set_byte(state, 3, get_byte(state, 3) # 255)",
        "UPDATE snapshots SET mac = set_byte(mac, 0, get_byte(mac, 0) # 255)",
        "UPDATE snapshots SET position = position - 1",
        "UPDATE snapshots SET owner = 'counter' WHERE owner = 'other'",
        "DELETE FROM snapshots",
        "UPDATE snapshots SET build = 'x'",
        "UPDATE snapshots SET code = 'x'",
    ],
)
async def test_what_is_damaged_moved_or_gone_is_never_unpickled(
    store: PostgresStore, owner: Any, change: str
) -> None:
    TOUCHED.clear()
    cache = cache_of(store)
    name = "other" if "other" in change else NAME
    await cache.save(name, 5, pickled(Touch()))
    await owner.execute(change)
    assert await cache.newest(NAME, 10) is None
    assert TOUCHED == []


async def test_another_key_build_or_code_is_not_unpickled_and_an_older_one_of_ours_is_used(
    store: PostgresStore, owner: Any
) -> None:
    TOUCHED.clear()
    ours = cache_of(store)
    await ours.save(NAME, 4, pickled("older"))
    forged = zlib.compress(pickle.dumps(Touch()))
    await owner.execute(
        "INSERT INTO snapshots (owner, build, code, position, mac, state)"
        " VALUES ($1, 'b', 'c', 6, $2, $3)",
        NAME,
        b"0" * 32,
        forged,
    )
    found = await ours.newest(NAME, 10)
    assert found is not None
    assert (found.position, found.state) == (4, "older")
    for other in (
        cache_of(store, secret=b"another"),
        cache_of(store, build="x"),
        cache_of(store, code="x"),
    ):
        assert await other.newest(NAME, 5) is None
    assert TOUCHED == []


async def test_a_damaged_cache_never_keeps_a_worker_from_recovering(
    store: PostgresStore, owner: Any
) -> None:
    one = await consumed(store, 2)
    await owner.execute("DROP TABLE snapshots")
    again = Worker(NAME, [CountingStage()], store, "build-1", cache=cache_of(store))
    await again.recover()
    assert canonical(again.consumer.states) == canonical(one.consumer.states)
    made = WorkerSnapshots(cache_of(store), NAME)
    await made.write(1, b"lost")


async def test_saving_drops_other_codes_and_keeps_the_newest_and_one_of_each_stretch(
    store: PostgresStore, owner: Any
) -> None:
    await cache_of(store, code="before").save(NAME, 1, b"old")
    await cache_of(store, code="before").save("other", 1, b"stays")
    cache = cache_of(store)
    for position in (100_000, 200_000, 300_000, 600_000, 700_000, 800_000, 900_000):
        await cache.save(NAME, position, b"state")
    rows = await owner.fetch("SELECT owner, position FROM snapshots ORDER BY owner, position")
    kept = [(row["owner"], row["position"]) for row in rows]
    assert kept == [
        *((NAME, position) for position in (100_000, 600_000, 700_000, 800_000, 900_000)),
        ("other", 1),
    ]


async def test_a_running_worker_leaves_a_snapshot_when_it_has_caught_up(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch, owner: Any
) -> None:
    monkeypatch.setattr(worker_snapshots, "INPUTS_BETWEEN", 2)
    monkeypatch.setattr(worker_snapshots, "SECONDS_BETWEEN_MIN", 0.0)
    cache = cache_of(store)
    one = Worker(NAME, [CountingStage()], store, "build-1", cache=cache)
    task = asyncio.create_task(one.run())
    try:
        async with asyncio.timeout(10):
            await one.ready.wait()
            for number in range(3):
                await ask(store, number)
            while not await owner.fetchval("SELECT count(*) FROM snapshots"):
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    found = await cache.newest(NAME, await store.checkpoint(NAME))
    assert found is not None
    whole = Worker(NAME, [CountingStage()], store, "build-1")
    await whole.recover()
    again = Worker(NAME, [NotingStage()], store, "build-1", cache=cache)
    await again.recover()
    assert canonical(again.consumer.states) == canonical(whole.consumer.states)


def test_pickling_takes_at_most_its_share_of_the_time(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def slow(_: object) -> bytes:
        now[0] += 2.0
        return b"state"

    monkeypatch.setattr(worker_snapshots.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(worker_snapshots, "pickled", slow)
    made = WorkerSnapshots(cache_of(store), NAME)
    made.count(worker_snapshots.INPUTS_BETWEEN)
    assert not made.offer(1, [], 1.0), "never right after a start"
    now[0] = 60.0
    assert made.offer(1, [], 1.0)
    made._made.get_nowait()
    assert not made.offer(2, [], 1.0), "not enough inputs"
    made.count(worker_snapshots.INPUTS_BETWEEN)
    now[0] = 60.0 + 199.0
    assert not made.offer(2, [], 1.0), "two seconds of pickling are paid off in 200"
    now[0] = 60.0 + 200.0
    assert made.offer(2, [], 1.0)
    made.count(worker_snapshots.INPUTS_BETWEEN)
    now[0] = 10_000.0
    assert not made.offer(3, [], 1.0), "the last one is not written yet"


def test_a_state_that_cannot_be_pickled_ends_snapshots_and_nothing_else(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_snapshots, "INPUTS_BETWEEN", 0)
    monkeypatch.setattr(worker_snapshots, "SECONDS_BETWEEN_MIN", 0.0)
    made = WorkerSnapshots(cache_of(store), NAME)
    assert not made.offer(1, [lambda: None], 1.0)
    assert not made.offer(1, [], 1.0)


async def test_a_view_of_the_past_begins_at_its_snapshot_and_leaves_more(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "PAGE_EVENTS_MAX", 10)
    monkeypatch.setattr(snapshots, "EVENTS_BETWEEN_VIEWS", 20)
    monkeypatch.setattr(snapshots, "POSITIONS_BETWEEN_KEPT", 20)
    bodies = [
        TradingReleased(who="w", reason="r") if n % 2 else TradingHalted(who="w", reason="r")
        for n in range(75)
    ]
    await store.append([propose(body, "control", n) for n, body in enumerate(bodies)])
    cache = cache_of(store)

    async def at(position: int, known: StateCache | None) -> tuple[Past, list[int]]:
        seen: list[int] = []

        def apply(view: Past, event: Recorded) -> None:
            seen.append(event.position)
            view.apply(event)

        selection = Selection(types=desk_fold.TYPES)
        view = await folded(store, known, "past", selection, Past, apply, position)
        return view, seen

    whole, seen = await at(75, cache)
    assert len(seen) == 75
    for position in (75, 60, 59, 21, 5):
        view, seen = await at(position, cache)
        expected, _ = await at(position, None)
        assert canonical(view) == canonical(expected)
        assert len(seen) <= 20
    assert whole.fold.halt["is_halted"] is True


async def test_a_view_of_a_long_log_is_pickled_once_a_stretch_and_at_its_end(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pickling costs as much as the state is large: once a page it would be the square of that."""
    monkeypatch.setattr(snapshots, "PAGE_EVENTS_MAX", 5)
    monkeypatch.setattr(snapshots, "EVENTS_BETWEEN_VIEWS", 10)
    monkeypatch.setattr(snapshots, "POSITIONS_BETWEEN_KEPT", 40)
    bodies = [TradingHalted(who="w", reason=str(n)) for n in range(100)]
    await store.append([propose(body, "control", n) for n, body in enumerate(bodies)])
    saved: list[int] = []
    cache = cache_of(store)
    save = cache.save

    async def noting(owner: str, position: int, pickled: bytes) -> int:
        saved.append(position)
        return await save(owner, position, pickled)

    monkeypatch.setattr(cache, "save", noting)
    selection = Selection(types=desk_fold.TYPES)
    for up_to in (100, 100, 95):
        await folded(store, cache, "past", selection, Past, Past.apply, up_to)
    assert saved == [40, 80, 100, 95]


async def test_verification_folds_the_whole_log_whatever_snapshots_say(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await consumed(store, 2)
    stage = NotingStage()
    monkeypatch.setitem(verify_worker.__globals__["WORKERS"], NAME, lambda _: [stage])
    await cache_of(store).save(NAME, 2, pickled(([Count(halts=99)], 1.0)))
    found = await verify_worker(store, NAME, None)  # type: ignore[arg-type]
    assert found["differences"] == 0
    assert min(stage.seen) == 1


def test_snapshots_need_a_secret(store: PostgresStore) -> None:
    with pytest.raises(ValueError, match="signed with a secret"):
        cache_of(store, secret=b"")


async def test_a_lost_database_is_a_clear_error_of_a_save(store: PostgresStore) -> None:
    async def lost() -> Any:
        raise OSError("gone")

    cache = StateCache(SnapshotTable(lost, lost), b"secret", "b", "c")
    with pytest.raises(StoreUnavailable, match="snapshots cannot be read or written: gone"):
        await cache.save(NAME, 1, b"x")
    assert await cache.newest(NAME, 1) is None
