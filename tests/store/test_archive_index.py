"""The index of archived ids: it finds what is there, and no damage ever hides an id."""

from __future__ import annotations

import random
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from store.archive_index import Index, IndexDamaged, index_path, open_index, write_index

SHA256 = "ab" * 32
ROWS = 12_000
GROUP_ROWS = 2_500


@pytest.fixture(scope="module")
def ids() -> list[UUID]:
    """Two in three begin alike, so that many words of an id are neighbours in several blocks."""
    chance = random.Random(7)
    alike = [UUID(bytes=b"\x7f" * 4 + chance.randbytes(12)) for _ in range(ROWS // 300)]
    return alike + [UUID(bytes=chance.randbytes(16)) for _ in range(ROWS - len(alike))]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, ids: list[UUID]) -> Path:
    made = tmp_path_factory.mktemp("index") / "day.parquet"
    values = pa.array([one.bytes for one in ids], pa.binary(16))
    causes = pa.array([None if n % 2 else one.bytes for n, one in enumerate(ids)], pa.binary(16))
    table = pa.table({"event_id": values, "causation_id": causes})
    pq.write_table(table, made, row_group_size=GROUP_ROWS)
    write_index(made, pq.ParquetFile(made), SHA256)
    return made


def opened(path: Path) -> Index:
    index = open_index(path, SHA256)
    assert index is not None
    return index


def test_every_id_is_found_in_its_group_and_foreign_ones_nowhere(
    path: Path, ids: list[UUID]
) -> None:
    index = opened(path)
    assert index.is_whole
    for row, one in enumerate(ids):
        assert row // GROUP_ROWS in index.groups("event_id", one)
        if row % 2 == 0:
            assert row // GROUP_ROWS in index.groups("causation_id", one)
    chance = random.Random(8)
    foreign = [UUID(bytes=chance.randbytes(16)) for _ in range(1_000)]
    assert not any(index.groups("event_id", one) for one in foreign)
    assert index.groups("event_id", UUID(int=0)) == index.groups("event_id", UUID(int=2**128 - 1))


def test_an_altered_byte_anywhere_is_noticed_and_hides_nothing(
    path: Path, ids: list[UUID], tmp_path: Path
) -> None:
    good = index_path(path).read_bytes()
    chance = random.Random(9)
    places = [*range(100), len(good) - 1, *(chance.randrange(len(good)) for _ in range(60))]
    asked = list(enumerate(ids))[:: ROWS // 60]
    for place in places:
        bad = bytearray(good)
        bad[place] ^= 1 << chance.randrange(8)
        index_path(tmp_path / "day.parquet").write_bytes(bad)
        index = open_index(tmp_path / "day.parquet", SHA256)
        if index is None:
            continue
        for row, one in asked:
            try:
                assert row // GROUP_ROWS in index.groups("event_id", one)
            except IndexDamaged:
                continue
        assert not index.is_whole
    index_path(tmp_path / "day.parquet").write_bytes(good + b"\0")
    assert open_index(tmp_path / "day.parquet", SHA256) is None
