"""The launcher of the embedded servers: first start, restart, orphans, stale locks, taken ports."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from run.embedded import EmbeddedPostgres, EmbeddedValkey, free_port
from run.embedded_binaries import EmbeddedError, wheel_folder

ROOT = Path(__file__).resolve().parents[2]
START_AND_DIE = """
import os, signal, sys
from pathlib import Path
from run.embedded import EmbeddedPostgres, EmbeddedValkey
server = {"postgres": EmbeddedPostgres, "valkey": EmbeddedValkey}[sys.argv[1]]
started = server(Path(sys.argv[2]), int(sys.argv[3]))
started.start()
print(started.process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def _orphan(kind: str, data: Path, port: int) -> int:
    """Process id of a server whose launcher was killed."""
    command = [sys.executable, "-c", START_AND_DIE, kind, str(data), str(port)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return int(done.stdout)


@pytest.fixture
def folder(server_folder: Path) -> Iterator[Path]:
    """An empty folder that every account can walk to."""
    path = server_folder / "embedded"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o755)
    yield path
    shutil.rmtree(path)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/status").read_text().split("State:")[1][:4]


def test_postgres_is_durable_by_default_and_keeps_its_data_over_a_restart(folder: Path) -> None:
    with (
        EmbeddedPostgres(folder / "pg", free_port()) as server,
        psycopg.connect(server.dsn(), autocommit=True) as connection,
    ):
        connection.execute("CREATE TABLE kept AS SELECT 7 AS answer")
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert connection.execute(f"SHOW {name}").fetchone() == ("on",)
        version = connection.execute("SHOW server_version_num").fetchone()
        assert version is not None
        assert int(version[0]) // 10_000 == 18
    with (
        EmbeddedPostgres(folder / "pg", free_port(), {"fsync": "off"}) as server,
        psycopg.connect(server.dsn()) as connection,
    ):
        assert connection.execute("SELECT answer FROM kept").fetchone() == (7,)
        assert connection.execute("SHOW fsync").fetchone() == ("off",)


def test_postgres_runs_from_a_folder_that_only_its_owner_can_enter(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "pg", free_port(), {"fsync": "off"})
    with server, psycopg.connect(server.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert (server.data / "PG_VERSION").exists()
    if server.data.parent != closed:  # as root the account cannot enter, so it is elsewhere
        shutil.rmtree(server.data.parent)


def test_an_orphaned_postgres_is_stopped_and_its_folder_taken_over(folder: Path) -> None:
    port = free_port()
    pid = _orphan("postgres", folder / "pg", port)
    assert _is_alive(pid)
    with EmbeddedPostgres(folder / "pg", port) as server:
        assert not _is_alive(pid)
        with psycopg.connect(server.dsn()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_pid_file_that_names_a_stranger_does_not_harm_it(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg", free_port(), {"fsync": "off"}) as server:
        data = server.data
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        (data / "postmaster.pid").write_text(f"{stranger.pid}\n{data}\n")
        with EmbeddedPostgres(folder / "pg", free_port(), {"fsync": "off"}):
            assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_an_orphaned_valkey_is_stopped_and_what_it_held_is_there(folder: Path) -> None:
    port = free_port()
    with EmbeddedValkey(folder / "vk", port) as server:
        client = redis.Redis.from_url(server.url())
        client.set("kept", "7")
        client.close()
    pid = _orphan("valkey", folder / "vk", port)
    with EmbeddedValkey(folder / "vk", port) as server:
        assert not _is_alive(pid)
        client = redis.Redis.from_url(server.url())
        assert client.get("kept") == b"7"
        client.close()


@pytest.mark.parametrize("server", [EmbeddedPostgres, EmbeddedValkey])
def test_a_taken_port_is_named(
    server: type[EmbeddedPostgres] | type[EmbeddedValkey], folder: Path
) -> None:
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        port = owner.getsockname()[1]
        with pytest.raises(EmbeddedError, match=f"port {port} must be free"):
            server(folder / "data", port).start()


def test_two_launchers_never_share_a_data_folder(folder: Path) -> None:
    with EmbeddedValkey(folder / "vk", free_port()):
        second = EmbeddedValkey(folder / "vk", free_port())
        with pytest.raises(EmbeddedError, match=f"in use by process {os.getpid()}"):
            second.start()


def test_a_missing_wheel_is_named_with_the_remedy(folder: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"no-such-wheel.*pip install -r requirements-dev\.txt"):
        wheel_folder("no_such_wheel", "no-such-wheel", "DATABASE_URL")


def test_a_server_that_does_not_start_says_why(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "pg", free_port(), {"shared_buffers": "nonsense"})
    with pytest.raises(EmbeddedError, match="shared_buffers"):
        server.start()
    assert not server.is_running()


def test_forgetting_stops_an_orphan_and_leaves_no_data(folder: Path) -> None:
    port = free_port()
    pid = _orphan("postgres", folder / "postgres", port)
    server = EmbeddedPostgres(folder / "postgres", port)
    server.forget()
    assert not _is_alive(pid)
    assert not server.data.exists()
    server.forget()  # a second time is harmless
