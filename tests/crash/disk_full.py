"""`make disk-full`: the log on a small disk that somebody else fills, and that has room again.

Real file systems of a few megabytes (tmpfs), so it needs root and the right to mount; where that
is not given the tests are skipped and say so, and nothing was shown.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from uuid import UUID

import pytest

from domain.event import Proposed
from run.embedded import EmbeddedPostgres, free_port
from run.embedded_binaries import EmbeddedError
from store.archived_days import CannotArchive
from store.contract import Selection
from store.errors import OutcomeUnknown, StoreUnavailable
from store.migrate import migrate
from store.postgres import PostgresStore
from tests.store.archived_log import LAST, archivable
from tests.store.propose import halt
from tests.store.sealed_log import mixed, sealer, verify

PIECE = bytes(64 * 1024)
EVENT_BYTES = 100_000
DATA_MEGABYTES = 160
WAL_MEGABYTES = 56
WAL_SETTINGS = {"min_wal_size": "32MB", "max_wal_size": "32MB", "max_wal_senders": "0"}
APPENDS_MAX = 2_000


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    """A file system of its own; the test is skipped where it cannot be mounted."""
    path.mkdir(mode=0o755, parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(path)]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        refused = done.stderr.strip() if done.returncode else ""
    except FileNotFoundError as error:
        refused = str(error)
    if refused:
        pytest.skip(f"not run: needs root and the right to mount a tmpfs: {refused}")
    try:
        yield path
    finally:
        # Lazily: a reader of the archive may have a file open until it is collected.
        subprocess.run(["umount", "-l", str(path)], check=True)
        path.rmdir()


def fill(disk: Path) -> Callable[[], None]:
    """Leave no byte; what it returns makes room again."""
    filler = disk / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (len(PIECE), 1):
            try:
                while True:
                    os.write(descriptor, PIECE[:size])
            except OSError:
                continue
    finally:
        os.close(descriptor)
    return filler.unlink


@pytest.fixture
def disks(server_folder: Path) -> Iterator[Path]:
    root = server_folder / "small"
    shutil.rmtree(root, ignore_errors=True)
    with ExitStack() as stack:
        stack.enter_context(small_disk(root / "data", f"{DATA_MEGABYTES}m"))
        stack.enter_context(small_disk(root / "wal", f"{WAL_MEGABYTES}m"))
        yield root


@asynccontextmanager
async def server_on(disks: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A durable server with its data on one small disk and its WAL on the other."""
    server = EmbeddedPostgres(disks / "data" / "postgres", free_port(), WAL_SETTINGS)
    server.start()
    server.stop()
    wal = disks / "wal" / "pg_wal"
    shutil.copytree(server.data / "pg_wal", wal)
    for path in (wal.parent, wal, *wal.rglob("*")):
        shutil.chown(path, *(getattr(server.data.stat(), name) for name in ("st_uid", "st_gid")))
    wal.chmod(0o700)
    shutil.rmtree(server.data / "pg_wal")
    (server.data / "pg_wal").symlink_to(wal)
    server.start()
    try:
        await migrate(server.dsn())
        yield server
    finally:
        server.stop()


@asynccontextmanager
async def store_on(disks: Path) -> AsyncIterator[tuple[EmbeddedPostgres, PostgresStore]]:
    async with server_on(disks) as server:
        store = await PostgresStore.open(server.dsn(), application_name="full")
        async with store:
            yield server, store


def events() -> Iterator[Proposed]:
    """Large ones, each in a stream of its own, incompressible enough."""
    for number in range(APPENDS_MAX):
        yield halt(number, f"full/{number}", reason=os.urandom(EVENT_BYTES // 2).hex())


class Producer:
    """Appends one event after the other, and remembers what it was told."""

    def __init__(self, store: PostgresStore) -> None:
        self.store = store
        self.told: dict[UUID, int] = {}
        self._events = events()
        self._refused: Proposed | None = None

    async def until_refused(self) -> StoreUnavailable | OutcomeUnknown:
        """Append until the log takes no more; what it said."""
        for event in self._events:
            try:
                await self._append(event)
            except (StoreUnavailable, OutcomeUnknown) as error:
                self._refused = event
                return error
        raise AssertionError(f"the disk must be full after {APPENDS_MAX} events")

    async def go_on(self) -> None:
        """The refused event again, and some more."""
        assert self._refused is not None
        await self._append(self._refused)
        for _ in range(3):
            await self._append(next(self._events))

    async def _append(self, event: Proposed) -> None:
        [position] = (await self.store.append([event])).positions
        self.told[event.event_id] = position

    async def check(self, folder: Path, dsn: str) -> None:
        """Everything that was acknowledged is there once and where it was said to be."""
        after, found = 0, {}
        while page := await self.store.read(after, Selection(), 100):
            found |= {event.event_id: event.position for event in page}
            after = page[-1].position
        assert found == self.told
        assert sorted(found.values()) == list(range(1, len(found) + 1))
        await sealer(self.store, folder).beat()
        assert (await verify(dsn, folder)).finding is None


async def test_a_full_disk_refuses_appends_with_its_remedy_and_the_log_goes_on_later(
    disks: Path, tmp_path: Path
) -> None:
    """Without a restart of anything."""
    async with store_on(disks) as (server, store):
        producer = Producer(store)
        make_room = fill(disks / "data")
        error = await producer.until_refused()
        assert isinstance(error, StoreUnavailable)
        assert "No space left on device" in str(error)
        assert "Check free disk space" in str(error)
        assert await store.head() == len(producer.told), "it can be read while it is full"
        make_room()
        await producer.go_on()
        await producer.check(tmp_path, server.dsn())


async def test_a_full_disk_of_the_wal_ends_the_server_and_nothing_acknowledged_is_lost(
    disks: Path, tmp_path: Path
) -> None:
    """Postgres cannot go on without its WAL. It is started again when there is room."""
    async with store_on(disks) as (server, store):
        producer = Producer(store)
        make_room = fill(disks / "wal")
        error = await producer.until_refused()
        assert "No space left on device" in str(error)
        server.stop()
        said = len(server.log.read_text())
        with pytest.raises(EmbeddedError, match="must stay up"):
            server.start()
        assert "No space left on device" in server.log.read_text()[said:]
        server.stop()
        make_room()
        server.start()
        await producer.go_on()
        await producer.check(tmp_path, server.dsn())


async def test_full_second_place_and_full_archive_cost_nothing_but_time(
    database_url: str, server_folder: Path
) -> None:
    path = server_folder / "second"
    shutil.rmtree(path, ignore_errors=True)
    with small_disk(path, "4m") as disk:
        async with archivable(database_url, disk) as desk:
            before = await desk.store.read(0, Selection(), 5_000, LAST)
            one = sealer(desk.store, disk)
            await one.beat()
            make_room = fill(disk)
            await desk.store.append(mixed(500, 2_000))
            with pytest.raises(OSError, match="No space left on device"):
                await one.beat()
            with pytest.raises(CannotArchive, match="No space left on device"):
                await desk.archiver().run(desk.all_days())
            assert await desk.store.read(0, Selection(), 5_000, LAST) == before
            make_room()
            await one.beat()
            assert len(await desk.archiver().run(desk.all_days())) == 6
            assert await desk.store.read(0, Selection(), 5_000, LAST) == before
            assert (await verify(database_url, disk, archive=desk.folder)).finding is None
