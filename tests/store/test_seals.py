"""Seals: chained, never across a day, the same bytes whoever computes them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_postgresql.executors import NoopExecutor

from domain.event import Retention
from domain.events.log import LogSealed
from run.embedded import EmbeddedPostgres
from store import sealer as sealing
from store.contract import Selection
from store.envelope import RowSplitter, position_of
from store.heads import Heads, Marks
from store.postgres import PostgresStore
from store.seal import CHAIN_START, KeyUnusable, SealKey, load_key, make_key
from store.sealer import SealingStopped, key_for_sealing
from tests.store.sealed_log import (
    KEY,
    Connection,
    Days,
    mixed,
    seal_three_stretches,
    sealer,
    verify,
)

SEALS = Selection(types=frozenset({"LogSealed"}))


async def test_seals_of_both_classes_chain_over_the_same_positions(
    store: PostgresStore, tmp_path: Path
) -> None:
    await seal_three_stretches(store, tmp_path)
    bodies = [event.body for event in await store.read(0, SEALS)]
    assert all(isinstance(body, LogSealed) and KEY.sealed(body) for body in bodies)
    for name in ("market", "desk"):
        chain = [body for body in bodies if body.retention_class == name]
        assert [body.from_position for body in chain] == [1, 13, 27]
        assert [body.to_position for body in chain] == [12, 26, 36]
        assert [b.previous_digest for b in chain] == [CHAIN_START, *[b.digest for b in chain[:-1]]]
    counts = [body.count for body in bodies]
    assert [a + b for a, b in zip(counts[::2], counts[1::2], strict=True)] == [12, 14, 10]
    heads = list(Heads(tmp_path).read(KEY))
    assert [head.position for head in heads] == [14, 28, 38]
    assert all(Marks(tmp_path).read(head) is not None for head in heads)


async def test_a_stretch_ends_with_its_day_and_at_the_limit(
    store: PostgresStore, owner: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "STRETCH_POSITIONS_MAX", 7)
    await store.append(mixed(1, 30))
    days = await Days(owner).spread([10, 14])
    today = (await owner.fetchval("SELECT clock_timestamp()")).date()
    assert await sealer(store, tmp_path).beat() == 6
    stretches = [(head.day, head.first, head.last) for head in Heads(tmp_path).read(KEY)]
    assert stretches == [
        (days[0], 1, 7),
        (days[0], 8, 10),
        (days[1], 11, 14),
        (today, 15, 21),
        (today, 22, 28),
        (today, 29, 30),
    ]


async def test_a_digest_is_that_of_the_columns_fetched_one_by_one(
    store: PostgresStore, owner: Connection, tmp_path: Path
) -> None:
    """The canonical bytes, made again from what is documented, without COPY."""
    await store.append(mixed(1, 9))
    await sealer(store, tmp_path).beat()
    (head,) = Heads(tmp_path).read(KEY)
    for retention in Retention:
        rows = await owner.fetch(
            "SELECT position, version, schema, ordinal, recorded_at, market_time, occurred_at,"
            " event_id, correlation_id, input_position, causation_id, stream, type, worker, build,"
            " data FROM events WHERE retention = $1::text::retention AND position <= 9"
            " ORDER BY position",
            retention.value,
        )
        digest = hashlib.sha256(b"striketape seal 1\0")
        digest.update(bytes([len(retention.value)]) + retention.value.encode())
        digest.update(head.day.isoformat().encode())
        digest.update((1).to_bytes(8, "big") + (9).to_bytes(8, "big") + bytes(32))
        for row in rows:
            digest.update((16).to_bytes(2, "big") + b"".join(map(_field, row.items())))
        digest.update(len(rows).to_bytes(8, "big"))
        assert digest.hexdigest() == head.of(retention).digest


def _field(item: tuple[str, object]) -> bytes:
    name, value = item
    if value is None:
        return b"\xff\xff\xff\xff"
    if name in ("version", "schema", "ordinal"):
        data = int(value).to_bytes(4, "big")
    elif name.endswith("position"):
        data = int(value).to_bytes(8, "big")
    elif name.endswith(("_at", "_time")):
        data = round((value.timestamp() - 946_684_800) * 1e6).to_bytes(8, "big")
    elif name.endswith("_id"):
        data = value.bytes
    else:
        data = value.encode()
    return len(data).to_bytes(4, "big") + data


@given(cuts=st.lists(st.integers(0, 4_000), max_size=12), sizes=st.lists(st.integers(0, 300)))
def test_rows_are_found_wherever_pieces_end(cuts: list[int], sizes: list[int]) -> None:
    rows = [_row(number, size) for number, size in enumerate(sizes, start=1)]
    data = b"".join(rows)
    splitter, found, begin = RowSplitter(), [], 0
    for cut in [*sorted(cuts), len(data)]:
        found += splitter.rows(data[begin:cut])
        begin = max(begin, min(cut, len(data)))
    found += splitter.last()
    assert found == rows
    assert [position_of(row) for row in found] == list(range(1, len(sizes) + 1))


def _row(position: int, size: int) -> bytes:
    """A row whose numbers and ids hold what the next row begins with."""
    begin = b"\x00\x10\x00\x00\x00\x08"
    trap = (begin * 3)[:16]
    number = position.to_bytes(8, "big")
    ints = b"".join((4).to_bytes(4, "big") + begin[:4] for _ in range(3))
    times = b"".join((8).to_bytes(4, "big") + trap[:8] for _ in range(3))
    ids = b"".join((16).to_bytes(4, "big") + trap for _ in range(2))
    given = (
        [b"\xff" * 4, b"\xff" * 4]
        if position % 2
        else [(8).to_bytes(4, "big") + trap[:8], (16).to_bytes(4, "big") + trap]
    )
    texts = [b"s" * 16, b"T" * (size % 5), b"w", b"b", b"x" * size]
    fields = [len(text).to_bytes(4, "big") + text for text in texts]
    return begin + number + ints + times + ids + b"".join([*given, *fields])


async def test_a_head_left_out_by_a_crash_is_written_at_the_next_start(
    store: PostgresStore, database_url: str, tmp_path: Path
) -> None:
    await seal_three_stretches(store, tmp_path)
    (file,) = (tmp_path / "heads").iterdir()
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + lines[1][:40])  # half a line, and the third not at all
    assert await sealer(store, tmp_path).beat() == 1
    assert file.read_bytes().splitlines(keepends=True)[:3] == lines
    assert (await verify(database_url, tmp_path)).finding is None


async def test_no_seal_is_laid_over_a_log_that_is_shorter_than_its_head(
    store: PostgresStore, owner: Connection, tmp_path: Path
) -> None:
    await seal_three_stretches(store, tmp_path)
    await owner.execute("SET session_replication_role = replica")
    await owner.execute("DELETE FROM events WHERE position > 37")
    await owner.execute("DELETE FROM commits WHERE last_position > 37")
    await owner.execute("INSERT INTO commits SELECT 37, 37, now(), now(), gen_random_uuid()")
    with pytest.raises(SealingStopped, match="must reach position 38"):
        await sealer(store, tmp_path).beat()


async def test_a_log_put_back_from_a_backup_is_sealed_on_once_its_old_heads_are_moved_away(
    postgres_server: EmbeddedPostgres,
    migrated_template: NoopExecutor,
    database_maker: psycopg.Connection[Any],
    tmp_path: Path,
) -> None:
    """As docs/runbook.md says: new heads are made of the seals that are on the log."""
    name = f"backup_{tmp_path.name}"
    log, backup = (postgres_server.dsn(given) for given in (name, f"{name}_copy"))
    copy = 'CREATE DATABASE "{}" TEMPLATE "{}" STRATEGY file_copy'
    try:
        database_maker.execute(copy.format(name, migrated_template.template_dbname))
        async with await PostgresStore.open(log, application_name="test") as store:
            await seal_three_stretches(store, tmp_path)
        database_maker.execute(copy.format(f"{name}_copy", name))
        async with await PostgresStore.open(log, application_name="test") as store:
            await store.append(mixed(201, 20))
            await sealer(store, tmp_path).beat()
        async with await PostgresStore.open(backup, application_name="test") as store:
            with pytest.raises(SealingStopped, match="an old backup is in its place"):
                await sealer(store, tmp_path).beat()
            (tmp_path / "heads").rename(tmp_path / "heads of what was lost")
            await store.append(mixed(301, 5))
            assert await sealer(store, tmp_path).beat() == 1
        assert (await verify(backup, tmp_path)).finding is None
    finally:
        for given in (name, f"{name}_copy"):
            database_maker.execute(f'DROP DATABASE IF EXISTS "{given}" WITH (FORCE)')


async def test_a_seal_of_another_hand_gets_no_head(
    store: PostgresStore, owner: Connection, tmp_path: Path
) -> None:
    await seal_three_stretches(store, tmp_path)
    (file,) = (tmp_path / "heads").iterdir()
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:2]))
    await owner.execute("SET session_replication_role = replica")
    data = json.loads(await owner.fetchval("SELECT data FROM events WHERE position = 37"))
    data["digest"] = "ab" * 32
    await owner.execute("UPDATE events SET data = $1 WHERE position = 37", json.dumps(data))
    with pytest.raises(SealingStopped, match="carry our signature"):
        await sealer(store, tmp_path).beat()


async def test_no_seal_is_laid_over_a_hole(
    store: PostgresStore, owner: Connection, tmp_path: Path
) -> None:
    await store.append(mixed(1, 9))
    await owner.execute("SET session_replication_role = replica")
    await owner.execute("DELETE FROM events WHERE position = 4")
    with pytest.raises(SealingStopped, match="must be 9 events, were 8"):
        await sealer(store, tmp_path).beat()
    assert await store.read(0, SEALS) == []


async def test_the_key_is_made_once_and_never_silently_again(
    store: PostgresStore, tmp_path: Path
) -> None:
    path = tmp_path / "keys" / "seal.key"
    key = await key_for_sealing(store, tmp_path, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_key(path) == make_key(path) == key
    assert key.secret.hex() not in repr(key)
    await store.append(mixed(1, 3))
    await sealer(store, tmp_path / "seals").beat()
    path.unlink()
    with pytest.raises(KeyUnusable, match="put it back"):
        await key_for_sealing(store, tmp_path / "elsewhere", path)


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [("ab" * 32, 0o644, "chmod 600"), ("ab" * 8, 0o600, "64 hex digits"), ("zz", 0o600, "hex")],
)
def test_an_unfit_key_is_refused(tmp_path: Path, content: str, mode: int, says: str) -> None:
    path = tmp_path / "seal.key"
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(KeyUnusable, match=says):
        load_key(path)


def test_signatures_tell_keys_apart() -> None:
    other = SealKey(bytes(32))
    signature = KEY.sign(b"x")
    assert KEY.signed(b"x", signature)
    assert not KEY.signed(b"y", signature) and not other.signed(b"x", signature)
    assert not KEY.signed(b"x", "é")
