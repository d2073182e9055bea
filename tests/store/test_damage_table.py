"""Each kind of damage in the log and in the archive: found, at its first position, never elsewhere.

One table over both places. What single kinds look like in every column and place is in
test_verification.py and test_archive_tampering.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.event import Retention
from store.archive_format import SCHEMA
from tests.store.archived_log import BOUNDS, LAST, Desk, archivable
from tests.store.sealed_log import verify

KINDS = ("byte flipped", "event deleted", "events swapped", "tail cut")
ROUNDS = 4
"""Places drawn for each kind."""
ARCHIVED = BOUNDS[0]
"""Positions up to this one are in the file, what follows is in Postgres."""


@pytest.fixture
async def desk(database_url: str, tmp_path: Path, small_pieces: None) -> AsyncIterator[Desk]:
    """A day of market events in a file, the rest in Postgres."""
    async with archivable(database_url, tmp_path) as made:
        await made.archiver().run({Retention.MARKET: made.days[1]})
        await made.owner.execute("SET session_replication_role = replica")
        await made.owner.execute("CREATE TABLE kept AS TABLE events")
        await made.owner.execute("CREATE TABLE kept_commits AS TABLE commits")
        yield made


@asynccontextmanager
async def damaged_log(desk: Desk, kind: str, random: Random) -> AsyncIterator[int]:
    """Damage in Postgres, healed at the end; the first position that is wrong."""
    owner = desk.owner
    one, other = sorted(random.sample(range(ARCHIVED + 1, LAST + 1), k=2))
    if kind == "byte flipped":
        await owner.execute(
            "UPDATE events SET data = overlay(data::text PLACING chr(ascii(substr(data::text, $2))"
            " # 1) FROM $2)::json WHERE position = $1",
            one,
            await owner.fetchval(
                "SELECT regexp_instr(data::text, '[0-9]') FROM events WHERE position = $1", one
            ),
        )
    elif kind == "event deleted":
        await owner.execute("DELETE FROM events WHERE position = $1", one)
    elif kind == "events swapped":
        await owner.execute(
            "UPDATE events SET position = $1 + $2 - position WHERE position IN ($1, $2)", one, other
        )
    else:
        await owner.execute("DELETE FROM events WHERE position >= $1", one)
        await owner.execute("DELETE FROM commits WHERE last_position >= $1", one)
    try:
        yield one
    finally:
        await owner.execute("DELETE FROM events")
        await owner.execute("INSERT INTO events SELECT * FROM kept")
        await owner.execute("DELETE FROM commits")
        await owner.execute("INSERT INTO commits SELECT * FROM kept_commits")


@asynccontextmanager
async def damaged_file(desk: Desk, kind: str, random: Random) -> AsyncIterator[int]:
    """Damage in the archive, healed at the end; the first position that is wrong."""
    (path,) = desk.folder.glob("market/*/*.parquet")
    whole = path.read_bytes()
    file = pq.ParquetFile(path)
    table = file.read().sort_by("position").cast(SCHEMA)
    positions = table["position"].to_pylist()
    one, other = sorted(random.sample(range(len(positions)), k=2))
    if kind == "byte flipped":
        data = table["data"].to_pylist()
        at = next(n for n, letter in enumerate(data[one]) if letter.isdigit())
        data[one] = data[one][:at] + chr(ord(data[one][at]) ^ 1) + data[one][at + 1 :]
        table = table.set_column(
            SCHEMA.get_field_index("data"), SCHEMA.field("data"), pa.array(data, pa.string())
        )
    elif kind == "event deleted":
        table = pa.concat_tables([table.slice(0, one), table.slice(one + 1)])
    elif kind == "events swapped":
        places = list(positions)
        places[one], places[other] = places[other], places[one]
        table = table.set_column(
            SCHEMA.get_field_index("position"), SCHEMA.field("position"), pa.array(places)
        )
    else:
        table = table.slice(0, one)
    with pq.ParquetWriter(path, SCHEMA, compression="zstd", store_schema=False) as writer:
        writer.write_table(table, row_group_size=10)
        writer.add_key_value_metadata(file.metadata.metadata)
    try:
        yield positions[one]
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["log", "archive"])
async def test_damage_is_found_at_its_first_position(
    desk: Desk, database_url: str, place: str, kind: str
) -> None:
    damage = damaged_log if place == "log" else damaged_file
    for number in range(ROUNDS):
        async with damage(desk, kind, Random(f"{place} {kind} {number}")) as position:
            finding = (await verify(database_url, desk.seals, archive=desk.folder)).finding
            assert finding is not None, (number, position)
            assert finding.position == position, number
        healed = await verify(database_url, desk.seals, archive=desk.folder)
        assert (healed.finding, healed.events) == (None, LAST), "no alarm over a whole log"


@pytest.mark.parametrize("keep", [0, 1, 4, 1_000])
async def test_a_file_of_the_archive_that_was_cut_short_is_damage(
    desk: Desk, database_url: str, keep: int
) -> None:
    """The bytes themselves end early, as after a copy that broke off."""
    (path,) = desk.folder.glob("market/*/*.parquet")
    first = pq.read_table(path)["position"].to_pylist()
    path.write_bytes(path.read_bytes()[:keep])
    finding = (await verify(database_url, desk.seals, archive=desk.folder)).finding
    assert finding is not None
    assert finding.position == min(first)
