"""Archived days: nothing is lost on the way, and every read finds them by itself."""

from __future__ import annotations

import asyncio
import re
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from domain.event import Recorded, Retention, derived_id
from store import archive, archiver
from store.archive_format import canonical_bytes, table_of
from store.archived_days import ArchiveUnreadable, CannotArchive, Moved
from store.contract import Selection
from store.envelope import RowSplitter, Span
from store.migrate import migrations
from store.partitions import attached
from store.postgres import PostgresStore
from store.reading import Head
from store.shards import Shard
from tests.store.archived_log import BOUNDS, LAST, Desk, archivable
from tests.store.sealed_log import Days, mixed, sealer, verify


@pytest.fixture
async def desk(database_url: str, tmp_path: Path, small_pieces: None) -> AsyncIterator[Desk]:
    async with archivable(database_url, tmp_path) as made:
        yield made


def test_the_archiver_shares_its_lock_with_nobody() -> None:
    """It is held for a whole night: a rebuild of the audit tables would wait for it in vain."""
    keys = {*re.findall(r"_lock\((\d+)\)", "".join(m.text for m in migrations()))}
    assert len(keys) >= 3
    assert str(archiver.LOCK_KEY) not in keys


async def test_days_move_to_files_and_their_partitions_go(desk: Desk) -> None:
    before = await desk.everything()
    moved = await desk.archiver().run(desk.all_days())
    assert [(m.retention, m.day, m.events) for m in moved] == [
        (Retention.MARKET, desk.days[0], 34),
        (Retention.MARKET, desk.days[1], 13),
        (Retention.MARKET, desk.days[2], 20),
        (Retention.DESK, desk.days[0], 16),
        (Retention.DESK, desk.days[1], 7),
        (Retention.DESK, desk.days[2], 10),
    ]
    today = datetime.now(UTC).date()
    for retention in ("market", "desk"):
        assert min(day for day, _ in await attached(desk.owner, retention)) == today
    hot = await desk.owner.fetchval("SELECT count(*) FROM events WHERE position <= $1", LAST)
    assert hot == LAST - BOUNDS[-1]
    after = await desk.everything()
    assert after[: len(before)] == before
    assert [e.type for e in after[len(before) :]] == ["LogArchived"] * 6
    assert await desk.archiver().run(desk.all_days()) == []


async def test_every_read_is_the_same_before_and_after(desk: Desk) -> None:
    async def answers() -> list[object]:
        store, found = desk.store, []
        for selection in (
            Selection(),
            Selection(types=frozenset({"HaltRequested"})),
            Selection(types=frozenset({"UwPriceReceived"})),
            Selection(streams=("halt/30", "halt/99")),
            Selection(types=frozenset({"UwPriceReceived"}), streams=("uw/price:SPY",)),
            Selection(correlation_id=derived_id("uw/price:SPY", 29)),
            Selection(types=frozenset({"HaltRequested"}), own_clock="signals"),
            Selection(category="halt"),
            Selection(shard=Shard(1, 3)),
            Selection(category="halt", shard=Shard(0, 2), without=frozenset({30, 63, 64})),
            Selection(without=frozenset({1, 49, 51, 90})),
        ):
            for limit in (7, 50, 5_000):
                after, pages = 0, []
                while page := await store.read(after, selection, limit, LAST):
                    pages.append(page)
                    after = page[-1].position
                found.append(pages)
        for up_to in (3, 40, 55, 69, 110):  # also where a day goes on behind it
            found.append(await store.read(2, Selection(), 5_000, up_to))
        found.append(await store.read_stream("uw/price:SPY", 20))
        found.append(await store.read_stream("halt/30"))
        found.append(await store.emissions("test", 10, 90))
        causes: list[Recorded] = []
        for key in (30, 63, 102):
            found.append(await store.event(derived_id(f"halt/{key}", key)))
            cause = await store.event(derived_id("uw/price:SPY", key - 1))
            assert cause is not None
            causes.append(cause)
            found += [cause, await store.caused_by([cause])]
        found.append(await store.caused_by(causes))
        found.append(await store.event(UUID(int=5)))
        found.append(await store._reader.places([3, 60, 119]))
        return found

    before = await answers()
    await desk.archiver().run({Retention.MARKET: desk.days[-1]})
    assert await answers() == before
    await desk.archiver().run(desk.all_days())
    for was, now in zip(before, await answers(), strict=True):
        assert now == was


async def test_catch_up_goes_through_the_archive_into_the_live_log(desk: Desk) -> None:
    await desk.archiver().run(desk.all_days())
    positions: list[int] = []
    async for events, scanned in desk.store.subscribe(0, page=30):
        positions += [event.position for event in events]
        if scanned >= LAST:
            break
    assert positions[:LAST] == list(range(1, LAST + 1))


async def test_days_that_move_between_the_two_questions_of_a_page_are_asked_for_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await desk.everything()
    reader, moved = desk.store._reader, list[Moved]()
    find = reader._find  # type: ignore[attr-defined]

    async def moving(*given: object) -> object:
        found = await find(*given)
        if not moved:
            moved.extend(await desk.archiver().run(desk.all_days()))
        return found

    monkeypatch.setattr(reader, "_find", moving)
    assert (await desk.everything())[: len(before)] == before
    assert len(moved) == 6


async def test_a_reader_under_way_never_misses_a_day_that_moves(
    desk: Desk,
) -> None:
    """Pages are read all the time while days go; each sees every event once."""
    done = asyncio.Event()

    async def read_all() -> int:
        rounds = 0
        while not done.is_set() or rounds == 0:
            found = await desk.store.read(0, Selection(), 5_000, LAST)
            assert [event.position for event in found] == list(range(1, LAST + 1))
            rounds += 1
        return rounds

    reading_all = [asyncio.create_task(read_all()) for _ in range(2)]
    await desk.archiver().run(desk.all_days())
    done.set()
    assert min(await asyncio.gather(*reading_all)) >= 1


async def test_what_was_verified_hot_is_verified_in_the_archive(
    desk: Desk, database_url: str
) -> None:
    before = await verify(database_url, desk.seals, archive=desk.folder)
    await desk.archiver().run(desk.all_days())
    after = await verify(database_url, desk.seals, archive=desk.folder)
    assert (before.events, before.finding) == (LAST, None)
    assert (after.events, after.finding) == (LAST, None)


async def test_a_day_that_is_not_what_was_sealed_stays(desk: Desk) -> None:
    await desk.owner.execute("SET session_replication_role = replica")
    await desk.owner.execute("UPDATE events SET build = 'x' WHERE position = 61")
    with pytest.raises(CannotArchive, match="must be what was sealed"):
        await desk.archiver().run(desk.all_days())
    kept = [day for day, _ in await attached(desk.owner, "market")]
    assert kept[:2] == desk.days[1:]  # the first day was moved, the second and third not
    assert len(await desk.store.read(0, Selection(), 5_000, LAST)) == LAST


async def test_a_day_without_all_its_seals_stays(desk: Desk) -> None:
    for day in (desk.days[2], datetime.now(UTC).date()):
        (desk.seals / "heads" / f"{day}.jsonl").unlink()
    file = desk.seals / "heads" / f"{desk.days[1]}.jsonl"
    file.write_bytes(file.read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(CannotArchive, match="sealed from the first to the last"):
        await desk.archiver().run({Retention.MARKET: desk.days[1] + timedelta(days=1)})


async def test_no_partition_goes_whose_file_is_gone_or_altered(desk: Desk) -> None:
    def lose(name: str) -> None:
        if name == "day archived":
            (file,) = desk.folder.glob("market/*/*.parquet")
            file.write_bytes(file.read_bytes()[:-1] + b"x")

    with pytest.raises(CannotArchive, match="must be there as it was archived"):
        await desk.archiver(lose).run({Retention.MARKET: desk.days[1]})
    assert next(day for day, _ in await attached(desk.owner, "market")) == desk.days[0]


async def test_today_is_never_archived(desk: Desk) -> None:
    far = dict.fromkeys(Retention, date.max)
    moved: list[Moved] = await desk.archiver().run(far)
    assert max(one.day for one in moved) < datetime.now(UTC).date()


async def test_a_day_that_a_vendor_may_redeliver_keeps_its_ids(
    database_url: str, tmp_path: Path
) -> None:
    """Whatever limit is given, yesterday stays, and what comes again is no second event."""
    owner = await asyncpg.connect(database_url)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    async with await PostgresStore.open(database_url, application_name="test") as store:
        await store.append(mixed(1, 40))
        days = await Days(owner, yesterday - timedelta(days=1)).spread([20, 30])
        await sealer(store, tmp_path).beat()
        desk = Desk(store, owner, tmp_path, tmp_path / "archive", days)
        moved = await desk.archiver().run(dict.fromkeys(Retention, date.max))
        assert {one.day for one in moved} == {yesterday - timedelta(days=1)}
        again = await store.append(mixed(22, 1))
        assert (again.positions, again.repeated) == ((22,), (True,))
    await owner.close()


async def test_days_without_events_leave_no_file(desk: Desk) -> None:
    quiet = desk.days[0] - timedelta(days=3)
    await desk.owner.execute("SELECT make_partitions($1, 1)", quiet)
    moved = await desk.archiver().run({Retention.MARKET: desk.days[0]})
    assert moved == [Moved(Retention.MARKET, quiet, 0, moved[0].postgres_bytes, 0)]
    assert not desk.folder.exists()


async def test_a_missing_file_is_said_not_skipped(desk: Desk, database_url: str) -> None:
    await desk.archiver().run({Retention.MARKET: desk.days[1]})
    (file,) = desk.folder.glob("market/*/*.parquet")
    file.rename(desk.folder / "elsewhere")
    with pytest.raises(ArchiveUnreadable, match="put it back"):
        await desk.store.read(0)
    with pytest.raises(ArchiveUnreadable, match="STRIKETAPE_ARCHIVE_FOLDER"):
        await verify(database_url, desk.seals, archive=desk.folder)


async def test_a_table_gives_back_the_canonical_bytes(desk: Desk) -> None:
    pieces: list[bytes] = []
    span = Span(Retention.DESK, desk.days[0], 1, LAST)
    await desk.store.canonical.stream(span, pieces.append)
    splitter = RowSplitter()
    rows = [row for piece in pieces for row in splitter.rows(piece)] + splitter.last()
    data, offsets = canonical_bytes(table_of(rows))
    assert bytes(data[: offsets[-1]]) == b"".join(rows)
    assert [int(b - a) for a, b in pairwise(offsets)] == list(map(len, rows))


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """What a full disk does to this process: a write beyond `size` bytes fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_costs_nothing_but_the_night(desk: Desk) -> None:
    before = await desk.everything()
    for size in (0, 1_000, 8_000):
        with no_file_beyond(size), pytest.raises(CannotArchive, match="cannot be written"):
            await desk.archiver().run(desk.all_days())
        assert list(desk.folder.glob("*/*/*")) == []
    assert await desk.everything() == before
    assert len(await desk.archiver().run(desk.all_days())) == 6


async def test_a_full_second_place_leaves_the_chain_whole(desk: Desk, database_url: str) -> None:
    one = sealer(desk.store, desk.seals)
    await one.beat()
    await desk.store.append(mixed(500, 5))
    with no_file_beyond(60), pytest.raises(OSError, match="too large"):
        await one.beat()
    assert await one.beat() == 1
    found = await verify(database_url, desk.seals, archive=desk.folder)
    assert found.finding is None


async def test_a_reader_that_slept_over_its_day_finds_it_in_the_archive(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = desk.store._reader
    await desk.archiver().run(desk.all_days())
    reader._head = Head(LAST, desk.days[0])  # what it saw when that day was the last one
    monkeypatch.setattr(reader, "_head_seen_at", -1e9)
    found = await desk.store.read(0, Selection(), 50, 50)
    assert [event.position for event in found] == list(range(1, 51))


def _spied(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the Parquet files that readers open from now on."""
    opened: list[str] = []
    open_it = archive.open_file

    def note(path: Path, *, checksums: bool) -> object:
        opened.append(path.name)
        return open_it(path, checksums=checksums)

    monkeypatch.setattr(archive, "open_file", note)
    return opened


async def test_an_archived_id_is_found_by_its_index(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the file that has it is opened, and none for an id that is nowhere."""
    before = await desk.everything()
    await desk.archiver().run(desk.all_days())
    opened = _spied(desk, monkeypatch)
    assert await desk.store.event(UUID(int=5)) is None and opened == []
    wanted = [event for event in before if event.type == "UwPriceReceived"]
    for event in wanted:
        assert await desk.store.event(event.event_id) == event
    assert len(opened) == len(set(opened)) == 3
    for event in wanted:
        effects = [other for other in before if other.causation_id == event.event_id]
        assert await desk.store.caused_by([event]) == effects


@pytest.mark.parametrize("since", ["archived", "archived before bounds were noted"])
async def test_emissions_open_no_file_that_cannot_have_them(
    desk: Desk, since: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of a replay of many days must not open every later day's file."""
    before = [event for event in await desk.everything() if event.input_position is not None]
    await desk.archiver().run(desk.all_days())
    if since != "archived":
        await desk.owner.execute("UPDATE archived_days SET first_input = NULL, last_input = NULL")
        assert await desk.store.emissions("test", 0, LAST) == before
        assert await desk.archiver().run(desk.all_days()) == []
    opened = _spied(desk, monkeypatch)
    days = []
    for after, up_to in ((0, 40), (50, 65), (70, 90)):
        wanted = [e for e in before if after < (e.input_position or 0) <= up_to]
        assert wanted and await desk.store.emissions("test", after, up_to) == wanted
        days.append(len(opened))
    assert days == [1, 2, 3]
    assert await desk.store.emissions("test", 10**6, 10**7) == []
    assert len(opened) == 3


@pytest.mark.parametrize("damage", ["missing", "cut", "of another file", "words altered"])
async def test_an_index_that_does_not_fit_is_not_used_and_made_again(
    desk: Desk, damage: str
) -> None:
    before = await desk.everything()
    await desk.archiver().run(desk.all_days())
    indexes = sorted(desk.folder.glob("*/*/*.index"))
    assert len(indexes) == 6
    whole = [index.read_bytes() for index in indexes]
    for index, other in zip(indexes, reversed(whole), strict=True):
        own = index.read_bytes()
        index.unlink()
        if damage == "words altered":
            index.write_bytes(own[:-24] + bytes(byte ^ 255 for byte in own[-24:]))
        elif damage != "missing":
            index.write_bytes(other if damage == "of another file" else other[:50])
    for event in before:
        assert await desk.store.event(event.event_id) == event
    for event in before[::10]:
        effects = [other for other in before if other.causation_id == event.event_id]
        assert await desk.store.caused_by([event]) == effects
    assert await desk.archiver().run(desk.all_days()) == []
    assert [index.read_bytes() for index in indexes] == whole
