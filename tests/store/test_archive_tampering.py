"""Whatever is done to a file of the archive is found, with the first bad position."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from domain.event import Retention
from store.archive import UNREADABLE
from store.archive_format import SCHEMA
from store.archived_days import ArchiveUnreadable
from store.verification import Finding
from tests.store.archived_log import Desk, archivable
from tests.store.sealed_log import verify

Change = Callable[[pa.Table], pa.Table]


@pytest.fixture
async def desk(database_url: str, tmp_path: Path, small_pieces: None) -> AsyncIterator[Desk]:
    async with archivable(database_url, tmp_path) as made:
        await made.archiver().run({Retention.MARKET: made.days[1]})
        yield made


@pytest.fixture
def file(desk: Desk) -> Path:
    (found,) = desk.folder.glob("market/*/*.parquet")
    return found


def rewrite(file: Path, change: Change) -> None:
    """Write the file again, all of its own format, with other rows."""
    was = pq.ParquetFile(file)
    table = change(was.read().sort_by("position").cast(SCHEMA))
    with pq.ParquetWriter(file, SCHEMA, compression="zstd", store_schema=False) as writer:
        writer.write_table(table, row_group_size=10)
        writer.add_key_value_metadata(was.metadata.metadata)


async def first_bad(desk: Desk, database_url: str) -> Finding | None:
    return (await verify(database_url, desk.seals, archive=desk.folder)).finding


def with_other(column: str, row: int) -> Change:
    def change(table: pa.Table) -> pa.Table:
        values = table[column].to_pylist()
        kind = table[column].type
        if pa.types.is_string(kind):
            values[row] += " "
        elif pa.types.is_timestamp(kind):
            values = table[column].cast(pa.int64()).to_pylist()
            values[row] += 1
        elif kind == pa.binary(16):
            values[row] = bytes(16)
        else:
            values[row] = (values[row] or 0) + 1
        changed = pa.array(values, pa.int64()).cast(kind) if pa.types.is_timestamp(kind) else (
            pa.array(values, kind)
        )  # fmt: skip
        index = table.schema.get_field_index(column)
        return table.set_column(index, table.schema.field(index), changed)

    return change


async def test_every_column_of_the_file_is_covered(
    desk: Desk, database_url: str, file: Path
) -> None:
    whole = file.read_bytes()
    table = pq.read_table(file).sort_by("position")
    for row, field in enumerate(SCHEMA, start=3):
        rewrite(file, with_other(field.name, row))
        finding = await first_bad(desk, database_url)
        assert finding is not None, field.name
        assert finding.position == table["position"][row].as_py(), field.name
        file.write_bytes(whole)
    assert await first_bad(desk, database_url) is None


async def test_rows_cut_out_added_and_moved_are_found(
    desk: Desk, database_url: str, file: Path
) -> None:
    whole = file.read_bytes()
    positions = pq.read_table(file).sort_by("position")["position"].to_pylist()

    def moved_to(row: int, position: int) -> Change:
        def change(table: pa.Table) -> pa.Table:
            others = list(positions)
            others[row] = position
            if position in positions:
                others[positions.index(position)] = positions[row]
            return table.set_column(0, SCHEMA.field(0), pa.array(others, pa.int64()))

        return change

    changes: list[tuple[int, Change]] = [
        (positions[9], lambda t: pa.concat_tables([t.slice(0, 9), t.slice(10)])),
        (positions[-1], lambda t: t.slice(0, t.num_rows - 1)),
        (positions[20], lambda t: t.slice(0, 20)),
        (positions[0], lambda t: t.slice(1)),
        (positions[12], lambda t: pa.concat_tables([t, t.slice(12, 1)])),
        (positions[5], moved_to(5, positions[25])),
        (3, moved_to(30, 3)),
        (0, moved_to(4, 0)),
        (positions[4], moved_to(4, 5_000)),
    ]
    for position, change in changes:
        rewrite(file, change)
        finding = await first_bad(desk, database_url)
        assert finding is not None
        assert finding.position == position
        file.write_bytes(whole)


def first_touched(whole: list[list[dict[str, object]]], file: Path) -> int:
    """The first event that is no longer what it was, told by reading the groups one by one: of a
    group that cannot be decoded its first; 1 when only the file as a whole is not what it was."""
    try:
        flipped = pq.ParquetFile(file, page_checksum_verification=False)
        groups = flipped.num_row_groups
    except UNREADABLE:
        return 1
    for number, rows in enumerate(whole):
        first = rows[0]["position"]
        assert isinstance(first, int)
        try:
            if number >= groups:
                return first
            found = flipped.read_row_group(number).sort_by("position").cast(SCHEMA).to_pylist()
        except UNREADABLE:
            return first
        others = [row for row in rows if row not in found] + [r for r in found if r not in rows]
        if others:
            return min(int(str(row["position"])) for row in others)
    return 1


async def test_every_byte_of_the_file_is_covered(desk: Desk, database_url: str, file: Path) -> None:
    """The first event that a flip touches is named; a flip that leaves all events as they were is
    told by the digest of the file."""
    whole = file.read_bytes()
    original = pq.ParquetFile(file)
    groups = [
        original.read_row_group(number).sort_by("position").cast(SCHEMA).to_pylist()
        for number in range(original.num_row_groups)
    ]
    random = Random(1)
    named = set()
    for offset in random.sample(range(len(whole)), 60):
        flipped = bytearray(whole)
        flipped[offset] ^= 1 << random.randrange(8)
        file.write_bytes(flipped)
        finding = await first_bad(desk, database_url)
        assert finding is not None, offset
        assert finding.position == first_touched(groups, file), (offset, finding)
        named.add(finding.position)
    assert len(named) > 3, "flips in all parts of the file"
    file.write_bytes(whole)
    assert await first_bad(desk, database_url) is None


def with_altered_type(whole: bytes, file: Path) -> int:
    """Flip bits of the footer until the type of a group's positions is another; that group."""
    footer = pq.read_metadata(file).serialized_size
    for offset in range(len(whole) - footer, len(whole)):
        for bit in range(4):
            flipped = bytearray(whole)
            flipped[offset] ^= 1 << bit
            try:
                read = pq.read_metadata(io.BytesIO(flipped))
                types = [
                    read.row_group(n).column(0).physical_type for n in range(read.num_row_groups)
                ]
            except UNREADABLE:
                continue
            if "UNKNOWN" in types:
                file.write_bytes(flipped)
                return types.index("UNKNOWN")
    raise AssertionError


async def test_an_altered_type_in_the_footer_is_found_and_does_not_end_the_process(
    desk: Desk, database_url: str, file: Path
) -> None:
    """Arrow aborts when it is asked for statistics of a column whose type does not fit."""
    original = pq.ParquetFile(file)
    group = with_altered_type(file.read_bytes(), file)
    first = pc.min(original.read_row_group(group)["position"]).as_py()
    finding = await first_bad(desk, database_url)
    assert finding is not None and finding.position == first
    with pytest.raises(ArchiveUnreadable, match="must be INT64, was UNKNOWN"):
        await desk.store.read(0)


async def test_a_partition_put_back_beside_the_file_must_fit_too(
    desk: Desk, database_url: str
) -> None:
    await desk.owner.execute("SELECT make_partitions($1, 1)", desk.days[0])
    await desk.owner.execute("SET session_replication_role = replica")
    (event, *_) = await desk.store.read(0, limit=1)
    await desk.owner.execute(
        """
        INSERT INTO events SELECT (jsonb_populate_record(e, jsonb_build_object(
            'position', 1, 'recorded_at', $1::timestamptz, 'retention', 'market'))).*
        FROM events e WHERE position = 119
        """,
        event.recorded_at,
    )
    assert [e.position for e in await desk.store.read(0, limit=3)] == [1, 2, 3]
    finding = await first_bad(desk, database_url)
    assert finding is not None and finding.position == 1
