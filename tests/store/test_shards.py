"""Consumers that share the log: every event in one shard, in order, at its own checkpoint."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.event import Recorded
from store.contract import Checkpoint, Selection
from store.errors import CheckpointConflict
from store.postgres import PostgresStore
from store.shards import SHARDS_MAX, Shard, category_of, stream_hash
from tests.store.propose import halt, price

NAMES = ("order", "order/1", "order/1/leg", "orders/1", "uw/price:SPY", "uw/Zürich ☂", "a/", "/a")


async def fill(store: PostgresStore, streams: int = 40, each: int = 5) -> int:
    """Events of many streams, desk and market, woven into each other; the head."""
    for number in range(each):
        await store.append(
            [
                halt(f"{stream}-{number}", f"order/{stream}")
                if stream % 2
                else price(f"{stream}-{number}", f"uw/price:{stream}")
                for stream in range(streams)
            ]
        )
    return await store.head()


async def consume(store: PostgresStore, shard: Shard, head: int, page: int) -> list[Recorded]:
    """A consumer that goes on at its checkpoint and moves it with every page, up to a head."""
    name = shard.consumer("counter")
    done = await store.checkpoint(name)
    seen: list[Recorded] = []
    selection = Selection(shard=shard)
    async with asyncio.timeout(20):
        async for events, scanned in store.subscribe(done, selection, page):
            seen.extend(events)
            await store.append([], Checkpoint(name, done, scanned))
            done = scanned
            if scanned >= head:
                break
    return seen


@pytest.mark.parametrize("count", [1, 3, 8])
async def test_all_shards_together_are_the_log_each_in_order_and_none_twice(
    store: PostgresStore, count: int
) -> None:
    head = await fill(store)
    shards = [Shard(index, count) for index in range(count)]
    shares = await asyncio.gather(*(consume(store, shard, head, 7) for shard in shards))
    positions = [[event.position for event in share] for share in shares]
    assert all(found == sorted(found) for found in positions)
    assert sorted(position for found in positions for position in found) == list(range(1, head + 1))
    for shard, share in zip(shards, shares, strict=True):
        assert all(shard.takes(event.stream) for event in share)
        for stream in {event.stream for event in share}:
            versions = [event.version for event in share if event.stream == stream]
            assert versions == list(range(1, len(versions) + 1))
        assert await store.checkpoint(shard.consumer("counter")) == head
    assert all(share for share in shares)


async def test_a_shard_goes_on_at_its_own_checkpoint_and_fences_off_its_copy(
    store: PostgresStore,
) -> None:
    head = await fill(store, each=2)
    mine, other = Shard(0, 2), Shard(1, 2)
    before = await consume(store, mine, head, 1_000)
    head = await fill_more(store)
    after = await consume(store, mine, head, 1_000)
    assert min(event.position for event in after) > max(event.position for event in before)
    assert await store.checkpoint(other.consumer("counter")) == 0
    assert len(await consume(store, other, head, 1_000)) + len(before) + len(after) == head
    with pytest.raises(CheckpointConflict):
        await store.append([], Checkpoint(mine.consumer("counter"), 0, head))


async def fill_more(store: PostgresStore) -> int:
    await store.append([halt(f"more-{n}", f"more/{n}") for n in range(40)])
    return await store.head()


async def test_a_shard_is_woken_by_a_stream_of_its_own_and_moves_on_past_those_of_others(
    store: PostgresStore,
) -> None:
    shard = Shard(0, 2)
    own = next(f"order/{n}" for n in range(100) if shard.takes(f"order/{n}"))
    foreign = next(f"order/{n}" for n in range(100) if not shard.takes(f"order/{n}"))
    pages = store.subscribe(0, Selection(shard=shard))
    await store.append([halt(1, foreign)])
    assert await asyncio.wait_for(anext(pages), 30) == ([], 1)
    await store.append([halt(2, own)])
    events, scanned = await asyncio.wait_for(anext(pages), 30)
    assert ([event.stream for event in events], scanned) == ([own], 2)


async def test_sql_and_python_agree_on_hash_and_category(store: PostgresStore) -> None:
    await store.append([halt(name, name) for name in NAMES])

    async def streams(selection: Selection) -> list[str]:
        return [event.stream for event in await store.read(0, selection)]

    for count in (2, 5, SHARDS_MAX):
        for shard in {Shard(stream_hash(name) % count, count) for name in NAMES}:
            expected = [name for name in NAMES if shard.takes(name)]
            assert await streams(Selection(shard=shard)) == expected
    for category in ("order", "orders", "uw", "a"):
        expected = [name for name in NAMES if category_of(name) == category]
        assert await streams(Selection(category=category)) == expected
    halts = frozenset({"HaltRequested"})
    both = Selection(category="order", shard=Shard(stream_hash("order/1") % 5, 5), types=halts)
    assert "order/1" in await streams(both)
    assert await streams(Selection(category="order", streams=("uw/price:SPY",))) == []


async def test_positions_left_out_are_not_read(store: PostgresStore) -> None:
    await store.append([halt(number) for number in range(5)])
    found = await store.read(0, Selection(without=frozenset({2, 4})))
    assert [event.position for event in found] == [1, 3, 5]


async def test_memory_is_flat_whatever_a_consumer_has_to_catch_up(store: PostgresStore) -> None:
    text = "x" * 20_000
    for part in range(10):
        await store.append([halt(f"{part}-{n}", f"order/{n}", text) for n in range(200)])
    whole = 2_000 * len(text)
    for selection in (
        Selection(category="order"),
        Selection(types=frozenset({"HaltRequested"})),
        Selection(streams=tuple(f"order/{n}" for n in range(200))),
        Selection(shard=Shard(0, 1)),
    ):
        seen = 0
        tracemalloc.start()
        async for events, _ in store.subscribe(0, selection, 50):
            seen += len(events)
            if seen >= 2_000:
                break
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert seen == 2_000
        assert peak < whole / 4, selection


def test_the_hash_of_a_stream_never_changes() -> None:
    assert [stream_hash(name) for name in ("order/1", "uw/price:SPY", "")] == [
        4_074_083_091,
        3_563_584_637,
        3_820_012_610,
    ]


@given(stream=st.text(), count=st.integers(1, SHARDS_MAX))
def test_every_stream_is_in_exactly_one_shard(stream: str, count: int) -> None:
    assert sum(Shard(index, count).takes(stream) for index in range(count)) == 1


@pytest.mark.parametrize(("index", "of"), [(-1, 2), (2, 2), (0, 0), (0, SHARDS_MAX + 1)])
def test_a_shard_that_does_not_exist_is_refused(index: int, of: int) -> None:
    with pytest.raises(ValueError, match="shard must be from 0"):
        Shard(index, of)
