"""Seals the log: at every beat all that came since the last seal, both classes up to one position.

Run by the keeper. A stretch is sealed in four steps, each done when the next begins: marks on the
disk, LogSealed of both classes on the log in one append, head on the disk. A kill between two of
them loses nothing: marks are written again, and a LogSealed without a head gets its head at the
next start, when its signature is ours. Two sealers at once are told apart by the checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Protocol
from uuid import UUID

from domain.event import Proposed, Recorded, Retention, derived_id
from domain.events.log import LogSealed
from store.contract import Appended, Checkpoint, Selection
from store.envelope import Sink, Span
from store.heads import Head, Heads, Marks, head_of
from store.seal import (
    CHAIN_START,
    MARK_BYTES,
    ClassDigest,
    ClassMarks,
    SealKey,
    load_key,
    make_key,
    marks_digest,
)

CONSUMER = "seals"
STRETCH_POSITIONS_MAX = 100_000
"""Bounds the memory of marks, and what must be looked through to find a touched event."""
SEALS = Selection(types=frozenset({"LogSealed"}))

Propose = Callable[[str, LogSealed, UUID], Proposed]
"""Makes the event of a seal out of its stream, body and id, with the caller as its source."""
Point = Callable[[str], None]
"""Called with the name of each place at which a kill must do no harm."""


class SealingStopped(Exception):
    """The log is not what was sealed, and sealing on would hide it: `python -m run.verify`."""


class SealableLog(Protocol):
    """What the sealer needs of the store."""

    async def append(
        self, events: Sequence[Proposed], checkpoint: Checkpoint | None = None
    ) -> Appended: ...

    async def read(
        self, after: int, selection: Selection = ..., limit: int = ..., up_to: int | None = None
    ) -> list[Recorded]: ...

    async def head(self) -> int: ...


class SealableSource(Protocol):
    """What the sealer needs of the canonical bytes (store/envelope.py)."""

    async def stream(self, span: Span, sink: Sink) -> int: ...

    async def stretch(self, first: int, up_to: int) -> tuple[date, int]: ...


def both(first: Sink, second: Sink) -> Sink:
    """A sink that gives every piece to two."""

    def take(piece: bytes) -> None:
        first(piece)
        second(piece)

    return take


def no_point(_: str) -> None:
    """Live there is nothing to do at a crash point."""


async def key_for_sealing(log: SealableLog, folder: Path, path: Path) -> SealKey:
    """The key in the file, made now when nothing was ever sealed.

    Raises:
        KeyUnusable: it is missing although there are seals, or it is no key.
        OSError: it cannot be written.
    """
    is_first = not Heads(folder).exist and not await log.read(0, SEALS, 1)
    return make_key(path) if is_first else load_key(path)


class Sealer:
    """The chains of both classes and where they stand; one a log."""

    def __init__(
        self,
        log: SealableLog,
        source: SealableSource,
        folder: Path,
        key: SealKey,
        propose: Propose,
        point: Point = no_point,
    ) -> None:
        self._log = log
        self._source = source
        self._heads = Heads(folder)
        self._marks = Marks(folder)
        self._key = key
        self._propose = propose
        self._point = point
        self._last: Head | None = None
        self._is_resumed = False

    @property
    def last(self) -> Head | None:
        """The newest head; None before the first."""
        return self._last

    async def beat(self) -> int:
        """Seal all that is on the log now; returns the number of stretches sealed.

        Raises:
            SealingStopped: the log is not what was sealed.
            HeadsDamaged, ForeignKey: the heads are not what was written.
            CheckpointConflict: another sealer was faster; the next beat goes on behind it.
            OSError: the second place cannot be written; the next beat tries again.
        """
        if not self._is_resumed:
            await self._resume()
        up_to = await self._log.head()
        sealed = 0
        while (first := self._last.last + 1 if self._last else 1) <= up_to:
            # Whatever goes wrong in between, the log and the heads say where we are.
            self._is_resumed = False
            self._last = await self._seal(first, min(up_to, first + STRETCH_POSITIONS_MAX - 1))
            self._is_resumed = True
            sealed += 1
        return sealed

    async def _seal(self, first: int, up_to: int) -> Head:
        day, last = await self._source.stretch(first, up_to)
        marks = bytearray(MARK_BYTES * (last - first + 1))
        seals: list[LogSealed] = []
        seen = 0
        for retention in (Retention.MARKET, Retention.DESK):
            span = Span(retention, day, first, last)
            previous = self._last.of(retention).digest if self._last else CHAIN_START
            digest, class_marks = ClassDigest(span, previous), ClassMarks(retention)

            count = await self._source.stream(span, both(digest.take, class_marks.take))
            seen += count
            for position, mark in class_marks.end():
                at = MARK_BYTES * (position - first)
                marks[at : at + MARK_BYTES] = mark
            seals.append(_unsigned(span, count, digest.end(count), previous))
        if seen != last - first + 1:
            raise SealingStopped(
                f"positions {first} to {last} of the log must be {last - first + 1} events, "
                f"were {seen}"
            )
        self._point("digests made")
        self._marks.write(seals[0].day, first, bytes(marks))
        self._point("marks written")
        of_marks = marks_digest(bytes(marks))
        seals = [self._key.seal(s.model_copy(update={"marks_digest": of_marks})) for s in seals]
        position = await self._append(seals)
        self._point("seals appended")
        head = head_of(seals[0], seals[1], position)
        self._heads.append(head, self._key)
        self._point("head written")
        return head

    async def _append(self, seals: Sequence[LogSealed]) -> int:
        events = [
            self._propose(
                f"seal/{seal.retention_class}",
                seal,
                derived_id("seal", seal.retention_class, seal.from_position, seal.digest),
            )
            for seal in seals
        ]
        first, last = seals[0].from_position, seals[0].to_position
        appended = await self._log.append(events, Checkpoint(CONSUMER, first - 1, last))
        return appended.positions[-1]

    async def _resume(self) -> None:
        """Find out where the chains stand, and write the heads that a crash left out."""
        self._last = last = self._heads.last(self._key)
        after = 0
        if last is not None:
            end = await self._log.head()
            if end < last.position:
                raise SealingStopped(
                    f"the log must reach position {last.position}, as its head of {last.day} says, "
                    f"ended at {end}: its tail was cut, or an old backup is in its place"
                )
            # Its first seal may stand anywhere below; the second is at the head's position.
            found = await self._log.read(last.position - 1, SEALS, 1, last.position)
            if not found or _of_head(found[0], last) != last.desk.digest:
                raise SealingStopped(
                    f"position {last.position} of the log must be the seal that its head of "
                    f"{last.day} says, was not"
                )
            after = last.position
        while page := await self._log.read(after, SEALS):
            for market, desk in zip(page[::2], page[1::2], strict=False):
                self._adopt(market, desk)
            after = page[-1].position if len(page) % 2 == 0 else page[-1].position - 1
            if len(page) == 1:
                raise SealingStopped(f"the seal at position {page[0].position} must have its twin")
        self._is_resumed = True

    def _adopt(self, market: Recorded, desk: Recorded) -> None:
        """Write the head of two seals that are on the log without one."""
        previous = self._last.market.digest if self._last else CHAIN_START
        bodies = [e.body for e in (market, desk) if isinstance(e.body, LogSealed)]
        if not all(map(self._key.sealed, bodies)) or bodies[0].previous_digest != previous:
            raise SealingStopped(
                f"the seal at position {market.position} must go on from the last head and carry "
                "our signature, did not"
            )
        head = head_of(bodies[0], bodies[1], desk.position)
        self._heads.append(head, self._key)
        self._last = head


def _unsigned(span: Span, count: int, digest: str, previous: str) -> LogSealed:
    return LogSealed(
        retention_class=span.retention.value,
        day=span.day,
        from_position=span.first,
        to_position=span.last,
        count=count,
        digest=digest,
        previous_digest=previous,
        marks_digest="",
        key_id="",
        signature="",
    )


def _of_head(event: Recorded, head: Head) -> str | None:
    """Digest of the seal when it is of the head's stretch."""
    seal = event.body
    assert isinstance(seal, LogSealed)
    return seal.digest if seal.to_position == head.last else None
