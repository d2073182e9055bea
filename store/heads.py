"""The second place: heads of the seal chains and marks of the events, outside the database.

    <folder>/heads/2026-11-28.jsonl   a line for each sealed stretch: JSON, a space, its signature
    <folder>/marks/2026-11-28.marks   four bytes an event, by position from the day's first

Whoever changes the database cannot make these lines, because the key is in neither place. Written
by store/sealer.py alone, only at the end, each line on the disk before the next stretch begins.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

import msgspec

from domain.event import Retention
from domain.events.log import LogSealed
from store.durable import make_folder, write_at
from store.envelope import Span
from store.seal import MARK_BYTES, SealKey, marks_digest

_LINE_BYTES_MAX = 4_096
_MARKS_HEADER = b"stmarks1"
_MARKS_OFFSET = len(_MARKS_HEADER) + 8


class HeadsDamaged(Exception):
    """A line of the heads is not what was written; `after` is the last position known good."""

    def __init__(self, after: int, text: str) -> None:
        super().__init__(text)
        self.after = after


class ForeignKey(Exception):
    """The heads were signed with another key than the one given."""


class ClassSeal(msgspec.Struct, frozen=True):
    """One class of a sealed stretch."""

    count: int
    digest: str


class Head(msgspec.Struct, frozen=True):
    """A sealed stretch: the bounds it has in both classes, and the LogSealed events of it."""

    day: date
    first: int
    last: int
    position: int
    """Of the second of its LogSealed events: the log cannot be shorter."""
    market: ClassSeal
    desk: ClassSeal
    marks: str
    key: str

    def of(self, retention: Retention) -> ClassSeal:
        return self.market if retention is Retention.MARKET else self.desk

    def span(self, retention: Retention) -> Span:
        return Span(retention, self.day, self.first, self.last)


def head_of(market: LogSealed, desk: LogSealed, position: int) -> Head:
    """The head that two LogSealed events of one append make."""
    return Head(
        day=market.day,
        first=market.from_position,
        last=market.to_position,
        position=position,
        market=ClassSeal(market.count, market.digest),
        desk=ClassSeal(desk.count, desk.digest),
        marks=market.marks_digest,
        key=market.key_id,
    )


class Heads:
    """The file of heads of each day."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "heads"

    def read(self, key: SealKey, since: date = date.min) -> Iterator[Head]:
        """All heads of the days from `since` on, in order, each checked.

        What follows the last line end was never confirmed and is left out.

        Raises:
            ForeignKey: the first line is another key's.
            HeadsDamaged: a line was altered, removed or moved.
            OSError: the folder cannot be read.
        """
        before = self.before(key, since)
        for path in self._files():
            if date.fromisoformat(path.stem) < since:
                continue
            with open(path, "rb") as file:
                for number, line in enumerate(file, start=1):
                    if not line.endswith(b"\n"):
                        break
                    head = _head(line, key, f"line {number} of {path.name}", before)
                    if before is None and since == date.min and head.first != 1:
                        raise HeadsDamaged(0, f"the heads must begin at 1, were at {head.first}")
                    yield head
                    before = head

    def before(self, key: SealKey, day: date) -> Head | None:
        """The last head of the days before. Raises what `read` raises."""
        for path in reversed(self._files()):
            if date.fromisoformat(path.stem) < day:
                lines = path.read_bytes().split(b"\n")[:-1]
                if lines:
                    return _last_head(lines, key, path.name)
        return None

    def last(self, key: SealKey) -> Head | None:
        """The newest head; None when there is none. Raises what `read` raises."""
        return self.before(key, date.max)

    @property
    def days(self) -> list[date]:
        """The days with heads."""
        return [date.fromisoformat(path.stem) for path in self._files()]

    @property
    def exist(self) -> bool:
        """Whether a head was ever written here."""
        return bool(self._files())

    def append(self, head: Head, key: SealKey) -> None:
        """Write a head behind the others; what a crash left of a line is overwritten.

        Raises:
            OSError: such as a full disk; the head then counts as not written.
        """
        make_folder(self._folder)
        path = self._folder / f"{head.day.isoformat()}.jsonl"
        size = _confirmed_size(path)
        text = msgspec.json.encode(head)
        write_at(path, size, text + b" " + key.sign(text).encode() + b"\n")

    def _files(self) -> list[Path]:
        """Those of days. Another file is nobody's: a day's heads under a false name are missed as
        removed ones are, by the seals that follow."""
        return [
            path for path in sorted(self._folder.glob("????-??-??.jsonl")) if _is_day(path.stem)
        ]


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _confirmed_size(path: Path) -> int:
    """Bytes up to the last line end; what is behind it is cut off."""
    if not path.exists():
        return 0
    begin = max(0, path.stat().st_size - _LINE_BYTES_MAX)
    with open(path, "rb") as file:
        file.seek(begin)
        size = begin + file.read().rfind(b"\n") + 1
    os.truncate(path, size)
    return size


def _last_head(lines: list[bytes], key: SealKey, name: str) -> Head:
    try:
        return _head(lines[-1], key, f"the last line of {name}")
    except HeadsDamaged as error:
        good = 0
        with suppress(HeadsDamaged, ForeignKey):
            for line in lines[:-1]:
                good = _head(line, key, name).last
        raise HeadsDamaged(good, str(error)) from None


def _head(line: bytes, key: SealKey, place: str, before: Head | None = None) -> Head:
    text, _, signature = line.rstrip(b"\n").rpartition(b" ")
    after = before.last if before else 0
    try:
        head = msgspec.json.decode(text, type=Head)
    except msgspec.MsgspecError:
        raise HeadsDamaged(after, f"{place} of the heads is no head") from None
    if head.key != key.id and before is None:
        raise ForeignKey(
            f"the heads were signed with key {head.key}, the key given is {key.id}: "
            "name the file of that key in STRIKETAPE_SEAL_KEY_FILE"
        )
    if not key.signed(text, signature.decode(errors="replace")):
        raise HeadsDamaged(after, f"{place} of the heads was altered: its signature is not ours")
    if before is not None and head.first != before.last + 1:
        raise HeadsDamaged(
            after, f"{place} of the heads must begin at position {after + 1}, was {head.first}"
        )
    return head


class Marks:
    """The file of marks of each day."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "marks"

    def write(self, day: date, first: int, marks: bytes) -> None:
        """Put down the marks of the positions from `first` on. The same twice does no harm.

        Raises:
            OSError: such as a full disk; what was written before stays.
        """
        make_folder(self._folder)
        path = self._path(day)
        begin = self._day_first(path)
        if begin is None:
            begin = first
            write_at(path, 0, _MARKS_HEADER + first.to_bytes(8, "big"))
        write_at(path, _MARKS_OFFSET + MARK_BYTES * (first - begin), marks)

    def read(self, head: Head) -> bytes | None:
        """The marks of a sealed stretch; None when they are not those that were sealed."""
        path = self._path(head.day)
        try:
            begin = self._day_first(path)
            if begin is None or begin > head.first:
                return None
            with open(path, "rb") as file:
                file.seek(_MARKS_OFFSET + MARK_BYTES * (head.first - begin))
                marks = file.read(MARK_BYTES * (head.last - head.first + 1))
        except OSError:
            return None
        return marks if marks_digest(marks) == head.marks else None

    def _path(self, day: date) -> Path:
        return self._folder / f"{day.isoformat()}.marks"

    def _day_first(self, path: Path) -> int | None:
        """First position of a day's file; None when there is none, or half a header."""
        if not path.exists():
            return None
        with open(path, "rb") as file:
            header = file.read(_MARKS_OFFSET)
        if len(header) < _MARKS_OFFSET or not header.startswith(_MARKS_HEADER):
            return None
        return int.from_bytes(header[len(_MARKS_HEADER) :], "big")
