"""Whatever is done to a sealed log behind its back is found, with the first bad position."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.event import Retention
from store import sealer as sealing
from store.envelope import Sink, Span
from store.heads import ForeignKey, Heads, Marks
from store.integrity import WholeLog, open_log
from store.postgres import PostgresStore
from store.seal import SealKey
from store.verification import NothingSealed, Source, Verification, Verified
from tests.store.sealed_log import (
    KEY,
    Connection,
    Days,
    mixed,
    seal_three_stretches,
    sealer,
    verify,
)

COLUMNS = {
    "position": "position + 1000",
    "recorded_at": "recorded_at + interval '1 microsecond'",
    "market_time": "market_time + interval '1 microsecond'",
    "occurred_at": "occurred_at - interval '1 microsecond'",
    "input_position": "coalesce(input_position + 1, 0)",
    "event_id": "gen_random_uuid()",
    "causation_id": "CASE WHEN causation_id IS NULL THEN event_id END",
    "correlation_id": "gen_random_uuid()",
    "version": "version + 1",
    "ordinal": "ordinal + 1",
    "schema": "schema + 1",
    "retention": "CASE retention WHEN 'desk' THEN 'market'::retention ELSE 'desk' END",
    "stream": "stream || ' '",
    "type": "lower(type)",
    "worker": "worker || 'x'",
    "build": "''",
    "data": "(data::text || ' ')::json",
}


@pytest.fixture
async def owner(owner: Connection) -> Connection:
    # As a superuser may: no trigger stands in the way.
    await owner.execute("SET session_replication_role = replica")
    return owner


@pytest.fixture
async def sealed(store: PostgresStore, tmp_path: Path) -> Path:
    await seal_three_stretches(store, tmp_path)
    return tmp_path


async def kept(owner: Connection) -> Callable[[], Awaitable[None]]:
    """Remembers the events as they are; what it returns puts them back."""
    await owner.execute("CREATE TABLE kept AS TABLE events")

    async def restore() -> None:
        await owner.execute("DELETE FROM events")
        await owner.execute("INSERT INTO events SELECT * FROM kept")

    return restore


async def first_bad(dsn: str, folder: Path) -> tuple[int, str]:
    finding = (await verify(dsn, folder)).finding
    assert finding is not None
    return finding.position, finding.text


async def test_an_untouched_log_is_clean(database_url: str, sealed: Path) -> None:
    found = await verify(database_url, sealed)
    today = datetime.now(UTC).date()
    assert found == Verified(3, 36, 36, today, 5, None)


async def test_every_column_of_every_event_is_covered(
    database_url: str, owner: Connection, sealed: Path
) -> None:
    named = await owner.fetch("SELECT attname FROM pg_attribute WHERE attrelid = 'events'::regclass"
                              " AND attnum > 0 AND NOT attisdropped")  # fmt: skip
    assert {row["attname"] for row in named} == set(COLUMNS)
    restore = await kept(owner)
    for number, (column, value) in enumerate(COLUMNS.items()):
        position = 5 + number  # market events and emissions, over two stretches
        await owner.execute(
            f"UPDATE events SET {column} = {value} WHERE position = $1",  # noqa: S608
            position,
        )
        assert (await first_bad(database_url, sealed))[0] == position, column
        await restore()
    assert (await verify(database_url, sealed)).finding is None


async def test_one_byte_of_any_payload_is_enough(
    database_url: str, owner: Connection, sealed: Path
) -> None:
    for position in range(1, 37):
        await owner.execute(
            "UPDATE events SET data = replace(data::text, ':', ': ')::json WHERE position = $1",
            position,
        )
        where, text = await first_bad(database_url, sealed)
        assert (where, "altered" in text) == (position, True)
        await owner.execute(
            "UPDATE events SET data = replace(data::text, ': ', ':')::json WHERE position = $1",
            position,
        )


async def test_a_deleted_event_is_missed(
    database_url: str, owner: Connection, sealed: Path
) -> None:
    restore = await kept(owner)
    for position in (1, 12, 13, 20, 36, 37, 38):
        await owner.execute("DELETE FROM events WHERE position = $1", position)
        assert (await first_bad(database_url, sealed))[0] == position
        await restore()


async def test_the_first_of_several_is_named(
    database_url: str, owner: Connection, sealed: Path
) -> None:
    await owner.execute("DELETE FROM events WHERE position IN (9, 15, 30)")
    await owner.execute("UPDATE events SET build = 'x' WHERE position IN (7, 8, 29)")
    assert await first_bad(database_url, sealed) == (
        7,
        "the event is not what was sealed: it was altered",
    )


async def test_swapped_events_are_found(database_url: str, owner: Connection, sealed: Path) -> None:
    restore = await kept(owner)
    for one, other in ((4, 5), (3, 8), (12, 13), (2, 30)):
        await owner.execute(
            "UPDATE events SET position = $1 + $2 - position WHERE position IN ($1, $2)", one, other
        )
        assert (await first_bad(database_url, sealed))[0] == one
        await restore()


async def test_an_inserted_event_is_found(
    database_url: str, owner: Connection, sealed: Path
) -> None:
    restore = await kept(owner)
    for position in (-7, 0, 3, 17, 36, 40):
        await _insert_copy(owner, 5, position, timedelta(0))
        assert (await first_bad(database_url, sealed))[0] == position
        await restore()


async def test_an_event_put_into_another_day_is_found(
    database_url: str, owner: Connection, sealed: Path
) -> None:
    restore = await kept(owner)
    today = datetime.now(UTC).date()
    for days in (-400, -9, -2, -1, 1, 2):
        await owner.execute("SELECT make_partitions($1, 1)", today + timedelta(days=days))
        await _insert_copy(owner, 5, 5, timedelta(days=days))
        assert (await first_bad(database_url, sealed))[0] == 5
        await restore()


async def _insert_copy(owner: Connection, source: int, position: int, later: timedelta) -> None:
    await owner.execute(
        """
        INSERT INTO events SELECT (jsonb_populate_record(e, jsonb_build_object(
            'position', $2::bigint, 'event_id', gen_random_uuid(),
            'recorded_at', e.recorded_at + $3::interval))).*
        FROM events e WHERE position = $1
        """,
        source,
        position,
        later,
    )


@pytest.mark.parametrize("end", [0, 20, 37])
async def test_a_tail_cut_is_found_by_the_heads(
    database_url: str, owner: Connection, sealed: Path, end: int
) -> None:
    """A cut before what the last head says, or an old backup in place: all tables agree on it."""
    await owner.execute("DELETE FROM events WHERE position > $1", end)
    await owner.execute("DELETE FROM event_ids WHERE position > $1", end)
    await owner.execute("DELETE FROM commits WHERE last_position > $1", end)
    if end:
        await owner.execute(
            "INSERT INTO commits VALUES ($1, $1, now(), now(), gen_random_uuid())"
            " ON CONFLICT DO NOTHING",
            end,
        )
    where, text = await first_bad(database_url, sealed)
    assert where == end + 1
    assert "missing" in text or "old backup" in text


async def test_a_cut_behind_the_last_seal_shows_in_the_commits(
    database_url: str, owner: Connection, sealed: Path
) -> None:
    await owner.execute("DELETE FROM events WHERE position > 39")
    assert (await first_bad(database_url, sealed))[0] == 40


async def test_an_old_backup_that_was_written_on_is_found(
    store: PostgresStore, database_url: str, owner: Connection, sealed: Path
) -> None:
    """The restored log grows past its heads with other events."""
    await owner.execute("DELETE FROM events WHERE position > 20")
    await owner.execute("DELETE FROM event_ids WHERE position > 20")
    await owner.execute("DELETE FROM commits WHERE last_position > 20")
    await owner.execute("INSERT INTO commits VALUES (20, 1, now(), now(), gen_random_uuid())")
    await store.append(mixed(301, 60))
    assert (await first_bad(database_url, sealed))[0] == 21


async def test_an_altered_head_is_told_from_an_altered_log(database_url: str, sealed: Path) -> None:
    (file,) = (sealed / "heads").iterdir()
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    file.write_bytes(lines[0] + lines[1].replace(b'"count":', b'"count":1', 1) + lines[2])
    assert await first_bad(database_url, sealed) == (
        13,
        f"line 2 of {file.name} of the heads was altered: its signature is not ours",
    )
    file.write_bytes(lines[0] + lines[2])
    assert (await first_bad(database_url, sealed))[0] == 13
    file.write_bytes(b"".join(lines[1:]))
    assert (await first_bad(database_url, sealed))[0] == 1
    file.write_bytes(whole + lines[2][:50])  # a write that a crash cut short
    assert (await verify(database_url, sealed)).finding is None


async def test_without_marks_damage_is_found_but_not_its_place(
    database_url: str, owner: Connection, sealed: Path
) -> None:
    (marks,) = (sealed / "marks").iterdir()
    marks.unlink()
    assert (await verify(database_url, sealed)).finding is None
    await owner.execute("UPDATE events SET build = 'x' WHERE position = 20")
    assert await first_bad(database_url, sealed) == (
        13,
        "one of the events from here to 26 was altered; which one cannot be told, because the "
        "marks of them are missing or altered too",
    )


async def test_forged_marks_are_not_believed(
    database_url: str, owner: Connection, sealed: Path
) -> None:
    (marks,) = (sealed / "marks").iterdir()
    data = bytearray(marks.read_bytes())
    data[16 + 4 * 14] ^= 1
    marks.write_bytes(data)
    assert (await verify(database_url, sealed)).finding is None
    await owner.execute("UPDATE events SET build = 'x' WHERE position = 20")
    assert (await first_bad(database_url, sealed))[0] == 13


async def test_another_key_and_no_heads_are_no_verdict(database_url: str, sealed: Path) -> None:
    async with open_log(database_url, sealed) as log:
        other = Verification(log, Heads(sealed), Marks(sealed), SealKey(bytes(32)))
        with pytest.raises(ForeignKey, match="STRIKETAPE_SEAL_KEY_FILE"):
            await other.run()
    shutil.rmtree(sealed / "heads")
    with pytest.raises(NothingSealed, match="put it back"):
        await verify(database_url, sealed)


async def test_some_days_are_verified_alone(
    store: PostgresStore, database_url: str, owner: Connection, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(sealing, "STRETCH_POSITIONS_MAX", 5)
    await store.append(mixed(1, 40))
    days = await Days(owner).spread([10, 22])
    await sealer(store, tmp_path).beat()
    assert (await verify(database_url, tmp_path)).events == 40
    middle = await verify(database_url, tmp_path, days[1], days[1])
    assert (middle.events, middle.finding) == (12, None)
    await owner.execute("SET session_replication_role = replica")
    await owner.execute("UPDATE events SET build = 'x' WHERE position IN (4, 31)")
    assert (await verify(database_url, tmp_path, days[1], days[1])).finding is None
    assert (await first_bad(database_url, tmp_path))[0] == 4
    late = (await verify(database_url, tmp_path, days[1])).finding
    assert late is not None and late.position == 31


async def test_a_log_that_is_written_meanwhile_raises_no_alarm(
    store: PostgresStore, database_url: str, tmp_path: Path
) -> None:
    one = sealer(store, tmp_path)
    await store.append(mixed(1, 3))
    await one.beat()
    for number in range(12):
        writing = [store.append(mixed(1_000 * number + k, 1)) for k in range(1, 20)]
        beats, found, *_ = await asyncio.gather(
            one.beat(), verify(database_url, tmp_path), *writing
        )
        assert beats >= 1
        assert found.finding is None


class DayThatMoves:
    """A log whose events leave Postgres for the archive right after it was asked where they are:
    the first look at each of the stretches finds nothing where it was told to look."""

    def __init__(self, log: WholeLog) -> None:
        self._log = log
        self._asked: set[int] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def sources(self, span: Span) -> Sequence[Source]:
        if span.first in self._asked:
            return await self._log.sources(span)
        self._asked.add(span.first)
        return [Emptied()]


class Emptied:
    """A place that holds nothing any more."""

    async def stream(self, span: Span, sink: Sink) -> int:
        return 0


async def test_a_day_that_moves_to_the_archive_meanwhile_raises_no_alarm(
    database_url: str, sealed: Path
) -> None:
    async with open_log(database_url, sealed / "archive") as log:
        moving: Any = DayThatMoves(log)
        found = await Verification(moving, Heads(sealed), Marks(sealed), KEY).run()
    assert (found.finding, found.stretches) == (None, 3)


def test_the_classes_are_all_there_are() -> None:
    """A third class would need a place in the heads."""
    assert set(Retention) == {Retention.MARKET, Retention.DESK}
