"""Writes what was heard into FOLDER/DAY/*.tape: deflated, each record with its time.

A file is one run of a process. What was flushed can be read after a kill; the rest of a cut file is
left out. Secrets are replaced before anything is written.
"""

from __future__ import annotations

import heapq
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

import msgspec

Source: TypeAlias = Literal["uw.socket", "uw.rest", "ib.heard", "ib.asked"]
SOCKET: Source = "uw.socket"
REST: Source = "uw.rest"
IB_HEARD: Source = "ib.heard"
IB_ASKED: Source = "ib.asked"
MANAGED_ACCOUNTS = b"15\0"
"""How the message begins with which TWS names the accounts."""
DAY_BYTES_MAX = 2_000_000_000
"""On disk, of all runs of a UTC day; what is heard beyond it is not kept."""
FLUSH_SECONDS = 5.0
READ_BYTES = 1 << 20
SUFFIX = ".tape"


class Heard(msgspec.Struct, frozen=True, array_like=True):
    """A frame of the socket; or an answer, `name` being its path and query; or of a connection to
    TWS that `name` names, the messages of a packet with their lengths, or a request."""

    at: datetime
    source: Source
    data: bytes
    name: str = ""
    status: int = 0


class Tape:
    """Open for one run. `now` is the wall clock."""

    def __init__(
        self,
        folder: Path,
        secrets: Iterable[str],
        now: Callable[[], datetime],
        day_bytes_max: int = DAY_BYTES_MAX,
    ) -> None:
        self._folder = folder
        self._secrets = [secret.encode() for secret in secrets if secret]
        self._now = now
        self._bytes_max = day_bytes_max
        self._file: BinaryIO | None = None
        self._pack = zlib.compressobj(1)
        self._day = ""
        self._flushed_at = now()
        self._size = 0
        self._has_failed = False
        self.left_out = 0
        """Records that had no room."""

    def socket(self, frame: bytes) -> None:
        self._write(SOCKET, self._hide(frame), "", 0)

    def rest(self, name: str, status: int, body: bytes) -> None:
        self._write(REST, self._hide(body), self._hide(name.encode()).decode(), status)

    def broker_heard(self, connection: str, payloads: Sequence[bytes]) -> None:
        """Accounts are secrets from the message on that names them."""
        for payload in payloads:
            if payload.startswith(MANAGED_ACCOUNTS):
                accounts = payload.split(b"\0")[2:3]
                self._secrets += [account for account in b",".join(accounts).split(b",") if account]
        # The lengths must be those of what is left, so that secrets go first.
        hidden = [self._hide(payload) for payload in payloads]
        data = b"".join(struct.pack(">I", len(payload)) + payload for payload in hidden)
        self._write(IB_HEARD, data, connection, 0)

    def broker_asked(self, connection: str, payload: bytes) -> None:
        self._write(IB_ASKED, self._hide(payload), connection, 0)

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._put(self._pack.flush())
            self._file.close()
            self._file = None

    def _hide(self, data: bytes) -> bytes:
        for secret in self._secrets:
            data = data.replace(secret, b"***")
        return data

    def _write(self, source: Source, data: bytes, name: str, status: int) -> None:
        if self._has_failed:
            self.left_out += 1
            return
        now = self._now()
        try:
            self._append(now, msgspec.msgpack.encode(Heard(now, source, data, name, status)))
        except OSError:
            # A disk that takes no more must not stop the feed that is recorded.
            self._has_failed = True
            self.left_out += 1

    def _append(self, now: datetime, record: bytes) -> None:
        self._open(now)
        if self._size >= self._bytes_max:
            self.left_out += 1
            return
        self._put(self._pack.compress(len(record).to_bytes(4, "big") + record))
        if (now - self._flushed_at).total_seconds() >= FLUSH_SECONDS:
            self._put(self._pack.flush(zlib.Z_SYNC_FLUSH))
            self._flushed_at = now

    def _open(self, now: datetime) -> None:
        day = f"{now.astimezone(UTC):%Y-%m-%d}"
        if day == self._day:
            return
        self.close()
        self._day, self._pack = day, zlib.compressobj(1)
        folder = self._folder / day
        folder.mkdir(parents=True, exist_ok=True)
        self._size = sum(path.stat().st_size for path in folder.glob(f"*{SUFFIX}"))
        path = folder / f"{now.astimezone(UTC):%H%M%S-%f}{SUFFIX}"
        self._file = path.open("xb", buffering=0)

    def _put(self, packed: bytes) -> None:
        if packed and self._file is not None:
            self._file.write(packed)
            self._size += len(packed)


class Day:
    """Everything in a day's folder, in order of time. It is read anew by each who goes through it:
    a whole session is larger than the memory of a machine."""

    def __init__(self, folder: Path) -> None:
        """
        Raises:
            FileNotFoundError: nothing was recorded there.
        """
        self._paths = sorted(folder.glob(f"*{SUFFIX}"))
        first = next(iter(self), None)
        if first is None:
            raise FileNotFoundError(f"a recording must be in {folder}, was none")
        self.began = first.at

    def __iter__(self) -> Iterator[Heard]:
        return heapq.merge(*map(_read, self._paths), key=lambda record: record.at)


def _read(path: Path) -> Iterator[Heard]:
    unpack, rest = zlib.decompressobj(), b""
    decode = msgspec.msgpack.Decoder(Heard).decode
    with path.open("rb") as file:
        while packed := file.read(READ_BYTES):
            rest += unpack.decompress(packed)
            at = 0
            while len(rest) - at >= 4:
                end = at + 4 + int.from_bytes(rest[at : at + 4], "big")
                if end > len(rest):
                    break
                yield decode(rest[at + 4 : end])
                at = end
            rest = rest[at:]
