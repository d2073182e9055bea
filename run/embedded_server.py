"""What both embedded servers share: data folder with a lock, port, log file, process.

A lock says who uses a folder. A launcher that was killed leaves its server or its lock file
behind: the next one stops that server first. Called by run/embedded.py.

Errors: EmbeddedError, its text says what to do.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import IO, Self

from run.embedded_binaries import EmbeddedError, as_account

HOST = "127.0.0.1"
START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 30.0
POLL_SECONDS = 0.01


def process_command(pid: int) -> str:
    """Command line of a process, empty when there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        if Path("/proc/self").exists():
            return ""
    command = ["ps", "-p", str(pid), "-o", "command="]
    shown = subprocess.run(command, check=False, capture_output=True, text=True)
    return shown.stdout.strip()


class Server(ABC):
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
        with open(self.log, "ab") as log:
            # A session of its own: Ctrl-C reaches our services first, the server when they end.
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, **as_account(account)
            )

    def _await(self, is_ready: Callable[[], bool]) -> None:
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
            time.sleep(POLL_SECONDS)
        raise EmbeddedError(
            f"{self.name} must answer within {START_SECONDS_MAX:.0f} s, was silent: see {self.log}"
        )


def _last_lines(path: Path, count: int = 3) -> str:
    try:
        return " | ".join(path.read_text(errors="replace").splitlines()[-count:])
    except OSError as error:
        return str(error)
