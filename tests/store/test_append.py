"""Appending: order, versions, ids, checkpoints, groups."""

from __future__ import annotations

import asyncio
from collections import Counter

import asyncpg
import msgspec
import pytest
from eventsourcing.persistence import IntegrityError

from domain.event import Recorded
from domain.events.feeds import UwPriceReceived
from domain.events.system import ParametersChanged
from store.contract import Appended, Checkpoint
from store.errors import (
    CheckpointConflict,
    IdConflict,
    InvalidEvent,
    StoreError,
    StoreUnavailable,
    VersionConflict,
)
from store.postgres import PostgresStore
from tests.store.propose import halt, price, propose

WRITERS = 8


async def _tail(store: PostgresStore, count: int) -> list[Recorded]:
    seen: list[Recorded] = []
    async for events, _ in store.subscribe(0, page=64):
        seen.extend(events)
        if len(seen) >= count:
            return seen
    raise AssertionError("a subscription never ends")


async def test_positions_are_dense_and_a_tailing_reader_loses_nothing_under_eight_writers(
    database_url: str, store: PostgresStore
) -> None:
    calls, per_call = 25, 3
    writers = [
        await PostgresStore.open(database_url, application_name=f"writer {n}")
        for n in range(WRITERS)
    ]
    tail = asyncio.create_task(_tail(store, WRITERS * calls * per_call))

    async def write(number: int) -> None:
        for call in range(calls):
            # Every second event goes to a stream that all writers share.
            await writers[number].append(
                [
                    halt((number, call, k), f"s{number if k % 2 else 'shared'}")
                    for k in range(per_call)
                ]
            )

    async with asyncio.timeout(20):
        await asyncio.gather(*(write(number) for number in range(WRITERS)))
        seen = await tail
    for writer in writers:
        await writer.close()
    assert [event.position for event in seen] == list(range(1, WRITERS * calls * per_call + 1))
    assert [event.recorded_at for event in seen] == sorted(event.recorded_at for event in seen)
    per_stream: Counter[str] = Counter()
    for event in seen:
        per_stream[event.stream] += 1
        assert event.version == per_stream[event.stream]
    assert await store.head() == len(seen)


async def test_calls_of_many_tasks_share_commits_and_keep_their_own_results(
    database_url: str,
) -> None:
    groups: list[int] = []
    async with await PostgresStore.open(
        database_url, application_name="test", on_append=lambda _, count: groups.append(count)
    ) as store:
        results = await asyncio.gather(*(store.append([halt(n)]) for n in range(200)))
        assert sorted(r.positions[0] for r in results) == list(range(1, 201))
        assert sum(groups) == 200
        assert len(groups) < 20


async def test_a_group_takes_five_hundred_events_at_most(database_url: str) -> None:
    """So that who comes next, an order perhaps, waits for a short commit, whatever is queued."""
    groups: list[int] = []
    async with await PostgresStore.open(
        database_url, application_name="test", on_append=lambda _, count: groups.append(count)
    ) as store:
        calls = [[price((call, n)) for n in range(120)] for call in range(12)]
        big = store.append([price(("big", n)) for n in range(700)])
        order = store.append([halt("order")])
        pending = [*map(store.append, calls), big, order]
        *_, ordered = await asyncio.gather(*pending)
        # Calls are never cut: four of 120 fit, and one that is larger than a group stands alone.
        assert sum(groups) == 12 * 120 + 701
        assert [count for count in groups if count > 500] == [700]
        assert ordered.positions == (12 * 120 + 700 + 1,)


async def test_a_version_conflict_writes_nothing_and_is_the_librarys_integrity_error(
    store: PostgresStore,
) -> None:
    await store.append([halt(1, expected_version=1)])
    with pytest.raises(VersionConflict, match="next version of stream control must be 1") as caught:
        await store.append([halt(2, "other"), halt(3, expected_version=1)])
    assert isinstance(caught.value, IntegrityError)
    assert await store.head() == 1
    assert await store.stream_version("other") == 0
    assert await store.stream_version("control") == 1


async def test_a_repeat_with_the_same_content_reports_where_it_is(store: PostgresStore) -> None:
    first = await store.append([halt(1), halt(2)])
    again = await store.append([halt(2), halt(3), halt(1)])
    assert again.positions == (2, 3, 1)
    assert again.versions == (2, 3, 1)
    assert again.repeated == (True, False, True)
    assert again.market_times[2] == first.market_times[0]
    only_repeats = await store.append([halt(1, expected_version=1)])
    assert only_repeats.repeated == (True,)
    assert only_repeats.recorded_at == first.recorded_at
    assert await store.head() == 3


async def test_one_id_with_other_content_is_refused(store: PostgresStore) -> None:
    await store.append([halt(1)])
    with pytest.raises(IdConflict, match="at position 1 with other content"):
        await store.append([halt(1, reason="another reason")])
    with pytest.raises(IdConflict, match="two contents"):
        await store.append([halt(2), halt(2, reason="another reason")])
    assert await store.head() == 1


async def test_a_fact_that_an_older_build_wrote_is_known_again_in_the_form_of_this_one(
    store: PostgresStore, database_url: str
) -> None:
    """A body that gained a field is no other content: whoever derives it again would end in a
    loop."""
    body = ParametersChanged(values={"risk.x": 1.0}, version=1, who="cli", why="start")
    fact = propose(body, "parameters", 1)
    await store.append([fact])
    owner = await asyncpg.connect(database_url)
    await owner.execute("SET session_replication_role = replica")
    await owner.execute(
        "UPDATE events SET schema = 1, data = (data::jsonb - 'until')::json WHERE position = 1"
    )
    await owner.execute("UPDATE event_ids SET digest = decode(repeat('00', 16), 'hex')")
    await owner.close()
    again = await store.append([fact, halt("new")])
    assert (again.positions, again.repeated) == ((1, 2), (True, False))
    assert (await store.append([fact], Checkpoint("worker", 0, 1))).repeated == (True,)
    for other in (
        propose(body.model_copy(update={"why": "another"}), "parameters", 1),
        propose(body, "elsewhere", event_id=fact.event_id),
    ):
        with pytest.raises(IdConflict):
            await store.append([other])


async def test_a_frame_heard_again_on_another_connection_is_the_same_fact(
    store: PostgresStore,
) -> None:
    await store.append([price("SPY 14:00")])
    again = await store.append([price("SPY 14:00", connection="2", sequence=77)])
    assert again.repeated == (True,)
    with pytest.raises(IdConflict):
        await store.append([price("SPY 14:00", payload=b'{"close":"671.26"}')])


async def test_a_frame_given_twice_in_one_call_is_written_once(store: PostgresStore) -> None:
    done = await store.append([price(1), price(2), price(1, connection="2")])
    assert done.positions == (1, 2, 1)
    assert done.repeated == (False, False, True)
    assert await store.head() == 2


async def test_the_same_event_from_two_tasks_is_written_once(store: PostgresStore) -> None:
    results = await asyncio.gather(*(store.append([halt(1)]) for _ in range(10)))
    assert {result.positions for result in results} == {(1,)}
    assert [result.repeated[0] for result in results].count(False) == 1


async def test_the_same_event_from_two_processes_is_written_once(
    database_url: str, store: PostgresStore
) -> None:
    async with await PostgresStore.open(database_url, application_name="other") as other:
        for n in range(30):
            one, two = await asyncio.gather(store.append([halt(n)]), other.append([halt(n)]))
            assert one.positions == two.positions
            assert sorted([one.repeated, two.repeated]) == [(False,), (True,)]


async def test_a_checkpoint_moves_with_the_events_or_not_at_all(store: PostgresStore) -> None:
    await store.append([halt(1)], Checkpoint("worker", 0, 10))
    assert await store.checkpoint("worker") == 10
    with pytest.raises(VersionConflict):
        await store.append([halt(2, expected_version=9)], Checkpoint("worker", 10, 20))
    assert await store.checkpoint("worker") == 10
    with pytest.raises(CheckpointConflict, match="checkpoint of worker must be 0, was 10"):
        await store.append([halt(3)], Checkpoint("worker", 0, 20))
    assert await store.head() == 1
    moved = await store.append([], Checkpoint("worker", 10, 20))
    assert moved.positions == ()
    assert await store.checkpoint("worker") == 20


async def test_of_two_copies_of_a_worker_one_is_fenced_off(
    database_url: str, store: PostgresStore
) -> None:
    async with await PostgresStore.open(database_url, application_name="copy") as copy:
        outcomes = await asyncio.gather(
            store.append([halt("emission")], Checkpoint("worker", 0, 5)),
            copy.append([halt("emission")], Checkpoint("worker", 0, 5)),
            return_exceptions=True,
        )
    # The copies decide the same and append the same ids; still only one may go on.
    assert sorted(type(outcome).__name__ for outcome in outcomes) == [
        "Appended",
        "CheckpointConflict",
    ]
    assert await store.checkpoint("worker") == 5


async def test_one_bad_call_does_not_fail_its_neighbours(store: PostgresStore) -> None:
    await store.append([halt("known")], Checkpoint("moved", 0, 1))
    broken = price("broken", payload=b'{"close": ')
    outcomes = await asyncio.gather(
        store.append([halt(1)]),
        store.append([halt(2), halt(3, expected_version=99)]),
        store.append([halt("known", reason="other")]),
        store.append([halt(4)], Checkpoint("moved", 0, 2)),
        store.append([halt(5), halt("known")]),
        return_exceptions=True,
    )
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "Appended",
        "VersionConflict",
        "IdConflict",
        "CheckpointConflict",
        "Appended",
    ]
    with_broken = await asyncio.gather(
        store.append([halt(6)]),
        store.append([broken]),
        store.append([halt(7)]),
        return_exceptions=True,
    )
    assert isinstance(with_broken[1], InvalidEvent)
    reasons = [e.body.reason for e in await store.read(0) if hasattr(e.body, "reason")]
    assert reasons == ["known", "1", "5", "6", "7"]
    assert await store.stream_version("control") == 5


async def test_versions_go_on_over_calls_of_one_group(store: PostgresStore) -> None:
    results = await asyncio.gather(
        *(store.append([halt(n, expected_version=n)]) for n in range(1, 51))
    )
    assert [result.versions for result in results] == [(n,) for n in range(1, 51)]


@pytest.mark.parametrize(
    "payload",
    [
        b'{"price": 1.50,  "b":\t[1,2 ]}',
        '{"name": "Zürich ☂ \\u00e9 \\u0000"}'.encode(),
        b'{"a":1,"a":2}',
        b"12345678901234567890.000",
        b'"' + b"x" * 20_000 + b'"',
    ],
)
async def test_payload_bytes_are_kept_as_they_came(store: PostgresStore, payload: bytes) -> None:
    await store.append([price(1, payload=payload)])
    [event] = await store.read(0)
    assert isinstance(event.body, UwPriceReceived)
    assert bytes(event.body.payload) == payload
    assert msgspec.json.decode(event.body.payload) == msgspec.json.decode(payload)


async def test_a_call_of_thousands_is_one_transaction(store: PostgresStore) -> None:
    done = await store.append([price(n) for n in range(3_000)])
    assert done.positions == tuple(range(1, 3_001))
    with pytest.raises(VersionConflict):
        await store.append([*(price(n) for n in range(3_000, 4_000)), halt(1, expected_version=2)])
    assert await store.head() == 3_000
    with pytest.raises(ValueError, match="must be at most 10000"):
        await store.append([price(n) for n in range(10_001)])


async def test_a_full_queue_makes_the_caller_wait(store: PostgresStore) -> None:
    calls = [[price((call, n)) for n in range(1_000)] for call in range(40)]
    pending = [asyncio.create_task(store.append(call)) for call in calls]
    deepest = 0
    while not all(task.done() for task in pending):
        deepest = max(deepest, store.queued_events)
        await asyncio.sleep(0)
    assert sum(len(task.result().positions) for task in pending) == 40_000
    assert 1_000 < deepest <= 21_000


async def test_a_caller_that_gives_up_does_not_disturb_the_others(store: PostgresStore) -> None:
    tasks = [asyncio.create_task(store.append([halt(n)])) for n in range(20)]
    await asyncio.sleep(0)
    tasks[7].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes) == 1
    assert await store.head() in (19, 20)


async def test_closing_commits_what_is_queued_and_refuses_more(database_url: str) -> None:
    store = await PostgresStore.open(database_url, application_name="test")
    task = asyncio.create_task(store.append([halt(1)]))
    await asyncio.sleep(0)
    await store.close()
    assert (await task).positions == (1,)
    with pytest.raises(StoreUnavailable, match="must be open"):
        await store.append([halt(2)])


async def test_a_database_that_was_not_migrated_is_named_at_open(
    postgres_server: object, database_url: str
) -> None:
    bare = database_url.rpartition("/")[0] + "/postgres"
    with pytest.raises(StoreError, match=r"python -m run\.migrate"):
        await PostgresStore.open(bare, application_name="test")


async def test_a_database_that_may_lose_data_is_refused_for_trading(store: PostgresStore) -> None:
    with pytest.raises(StoreError, match=r"fsync, synchronous_commit, full_page_writes must be on"):
        await store.assert_durable()


async def test_calls_that_nobody_waited_for_keep_their_order(
    store: PostgresStore,
) -> None:
    """Each call expects the version that the one before it makes; in between come repeats and
    refusals, for which a group is weighed call by call."""
    calls = 600
    version, wanted, pending = 0, [], []
    for number in range(calls):
        if number % 50 == 31:
            pending.append(store.append([halt(number - 5)]))  # a repeat
            wanted.append(version - 4)
        elif number % 50 == 32:
            pending.append(store.append([halt(("late", number), expected_version=1)]))
            wanted.append(-1)
        else:
            version += 1
            pending.append(store.append([halt(number, expected_version=version)]))
            wanted.append(version)

    outcomes = await asyncio.gather(*pending, return_exceptions=True)

    for number, (outcome, at) in enumerate(zip(outcomes, wanted, strict=True)):
        if at == -1:
            assert isinstance(outcome, VersionConflict), number
        else:
            assert not isinstance(outcome, BaseException), (number, outcome)
            assert outcome.versions == (at,), number
    assert await store.stream_version("control") == version


async def test_cancelled_callers_disturb_nobody(store: PostgresStore) -> None:
    tasks = [asyncio.create_task(store.append([halt(number)])) for number in range(200)]
    await asyncio.sleep(0)
    for task in tasks[::3]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for number, outcome in enumerate(outcomes):
        assert isinstance(outcome, asyncio.CancelledError if number % 3 == 0 else Appended)
    events = await store.read(0, limit=1_000)
    ids = {event.event_id for event in events}
    assert {halt(number).event_id for number in range(200) if number % 3} <= ids
    assert [event.position for event in events] == list(range(1, len(events) + 1))
