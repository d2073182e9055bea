"""Seals: digests over stretches of the log, each bound to the one before, and the key they carry.

A digest is SHA-256 over the class, day and bounds of the stretch, the previous digest of the
class, the canonical bytes of its events (store/envelope.py) and their number. Beside it each
event has a mark: four bytes of SHA-256 over its canonical bytes, others for each class. The
digest says that something was touched, the marks say where; they are kept outside the database
and their own digest is in the seal, so that they need no trust.

Pure but for the key's file. Used by store/sealer.py and store/verification.py.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from pathlib import Path

from domain.event import Retention
from domain.events.log import LogSealed
from store.durable import create_private, make_folder
from store.envelope import POSITION, RowSplitter, Span

CHAIN_START = "0" * 64
"""Previous digest of the first seal of a class."""
MARK_BYTES = 4
KEY_BYTES = 32
_TAG = b"striketape seal 1\0"


class KeyUnusable(Exception):
    """The key of the seals is missing or not what it must be; the text says what to do."""


class ClassDigest:
    """The digest of one class in one stretch; `take` is a Sink of its canonical bytes."""

    def __init__(self, span: Span, previous: str) -> None:
        name = span.retention.value.encode()
        self._hash = hashlib.sha256(_TAG)
        self._hash.update(len(name).to_bytes(1, "big") + name + span.day.isoformat().encode())
        self._hash.update(span.first.to_bytes(8, "big") + span.last.to_bytes(8, "big"))
        self._hash.update(bytes.fromhex(previous))

    def take(self, piece: bytes) -> None:
        self._hash.update(piece)

    def copy(self) -> ClassDigest:
        """The digest as far as it was taken, to go on with another source."""
        twin = copy(self)
        twin._hash = self._hash.copy()
        return twin

    def end(self, count: int) -> str:
        """The digest, as hex digits, when all `count` events were taken."""
        self._hash.update(count.to_bytes(8, "big"))
        return self._hash.hexdigest()


class ClassMarks:
    """(position, mark) of every event of a class; `take` is a Sink of its canonical bytes."""

    def __init__(self, retention: Retention) -> None:
        self._splitter = RowSplitter()
        # Each class takes bytes of its own out of the digest: an event in the other one shows.
        begin = 0 if retention is Retention.MARKET else MARK_BYTES
        self._part = slice(begin, begin + MARK_BYTES)
        self._found: list[tuple[int, bytes]] = []

    def take(self, piece: bytes) -> None:
        self._mark(self._splitter.rows(piece))

    def end(self) -> list[tuple[int, bytes]]:
        """All marks, in the order in which the events came."""
        self._mark(self._splitter.last())
        return self._found

    def _mark(self, rows: Iterable[bytes]) -> None:
        part, sha256, add = self._part, hashlib.sha256, self._found.append
        integer = int.from_bytes
        for row in rows:
            add((integer(row[POSITION], "big"), sha256(row).digest()[part]))


def marks_digest(marks: bytes) -> str:
    """Digest of the marks of a stretch, as it is in its seals."""
    return hashlib.sha256(_TAG + b"marks\0" + marks).hexdigest()


@dataclass(frozen=True, slots=True)
class SealKey:
    """The key that signs seals and heads. Its id may be shown; the key itself never is."""

    secret: bytes

    def __repr__(self) -> str:
        return f"SealKey({self.id})"

    @property
    def id(self) -> str:
        """16 hex digits that tell keys apart."""
        return hashlib.sha256(_TAG + b"key\0" + self.secret).hexdigest()[:16]

    def sign(self, data: bytes) -> str:
        return hmac.new(self.secret, _TAG + data, hashlib.sha256).hexdigest()

    def signed(self, data: bytes, signature: str) -> bool:
        """Whether the signature of the data was made with this key."""
        return hmac.compare_digest(self.sign(data).encode(), signature.encode())

    def seal(self, unsigned: LogSealed) -> LogSealed:
        """The seal with this key's id and signature."""
        named = unsigned.model_copy(update={"key_id": self.id})
        return named.model_copy(update={"signature": self.sign(_signed_text(named))})

    def sealed(self, seal: LogSealed) -> bool:
        """Whether the seal carries this key's signature."""
        return self.signed(_signed_text(seal), seal.signature)


def _signed_text(seal: LogSealed) -> bytes:
    values = (
        seal.retention_class,
        seal.day,
        seal.from_position,
        seal.to_position,
        seal.count,
        seal.digest,
        seal.previous_digest,
        seal.marks_digest,
        seal.key_id,
    )
    # None of them can hold a line end, so the text stands for these values alone.
    return "\n".join(map(str, values)).encode()


def load_key(path: Path) -> SealKey:
    """The key in a file of 64 hex digits that only its owner may read.

    Raises:
        KeyUnusable: missing, readable by others, or no key.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_bytes().decode("ascii", errors="replace").strip()
    except OSError as error:
        raise KeyUnusable(
            f"the key of the seals must be at {path}, was not ({error.strerror}): put it back from "
            "where it is kept, or name its place in STRIKETAPE_SEAL_KEY_FILE"
        ) from error
    if mode & 0o077:
        raise KeyUnusable(f"{path} must be readable by its owner alone: chmod 600 {path}")
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise KeyUnusable(f"{path} must hold {2 * KEY_BYTES} hex digits, did not")
    return SealKey(secret)


def make_key(path: Path) -> SealKey:
    """A new key, in a file for its owner alone; the one that is there when there is one.

    Raises:
        OSError: it cannot be written.
    """
    make_folder(path.parent)
    with suppress(FileExistsError):
        create_private(path, secrets.token_hex(KEY_BYTES).encode() + b"\n")
    return load_key(path)
