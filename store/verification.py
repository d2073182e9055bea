"""Recomputes every seal and names the first position at which the log is not what was sealed.

Run by run/verify. The heads in the second place say what was sealed; the log, or the archive of a
day, must give the same digests, nothing may stand beside what was sealed, and the log must reach
as far as the heads do. Reads only; memory is bounded by one stretch. On a log that is written
meanwhile nothing is taken for damage: what is sealed does not change, and what is not sealed yet
is only looked through for holes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Protocol

from domain.event import Retention
from domain.events.log import LogSealed
from domain.events.system import POSITION_MAX
from store.envelope import Damaged, Sink, Span, Tail, Within, start_of
from store.heads import ClassSeal, Head, Heads, HeadsDamaged, Marks
from store.seal import CHAIN_START, MARK_BYTES, ClassDigest, ClassMarks, SealKey

_POSITION_MIN = -(2**63)
_DAY = timedelta(days=1)
Progress = Callable[[int, int], None]
"""Called with positions done and positions to do."""


class NothingSealed(Exception):
    """There are no heads to compare with; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The first position at which the log is not what was sealed, and what is wrong there."""

    position: int
    text: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at: stretches, events and the position up to which they were sealed."""

    stretches: int
    events: int
    sealed_to: int
    sealed_day: date
    not_sealed: int
    """Events behind the last seal: they are whole, but nothing proves them yet."""
    finding: Finding | None


class Source(Protocol):
    """Canonical bytes in one place."""

    async def stream(self, span: Span, sink: Sink) -> int: ...


class VerifiableLog(Protocol):
    """Canonical bytes of the log wherever they are, and the few questions beside them."""

    async def sources(self, span: Span) -> Sequence[Source]:
        """All places that hold events of the span: each must hold what was sealed.

        They raise Damaged for bytes that cannot be read as events.
        """
        ...

    def altered_files(self) -> Sequence[Finding]:
        """Files opened so far that are not byte for byte what was archived."""
        ...

    async def lowest(self, within: Within) -> int | None: ...

    async def tail(self, after: int, since: datetime) -> Tail: ...

    async def seal_at(self, position: int, since: datetime) -> LogSealed | None: ...


class Verification:
    """One run over a log."""

    def __init__(
        self,
        log: VerifiableLog,
        heads: Heads,
        marks: Marks,
        key: SealKey,
        on_progress: Progress = lambda _, __: None,
    ) -> None:
        self._log = log
        self._heads = heads
        self._marks = marks
        self._key = key
        self._on_progress = on_progress

    async def run(self, since: date = date.min, until: date = date.max) -> Verified:
        """Verify the days from `since` to `until` (UTC days of recorded_at), and the log's end.

        Raises:
            NothingSealed: no head is there.
            HeadsDamaged: none that could be compared with is as it was written.
            ForeignKey, OSError: the second place cannot be read.
        """
        days, last, damage = self._sealed_days(since)
        findings = [damage] if damage else []
        findings += await self._beside(days, is_all=(since, until) == (date.min, date.max))
        first_bad = min((found.position for found in findings), default=None)
        looked_at = await self._compare(since, until, first_bad, last)
        ended = await self._end(last)
        findings += [found for found in (looked_at.finding, ended.finding) if found]
        # Where an event is touched says more than that its file is.
        findings = findings or list(self._log.altered_files())
        return Verified(
            stretches=looked_at.stretches,
            events=looked_at.events,
            sealed_to=last.last,
            sealed_day=last.day,
            not_sealed=ended.events,
            finding=min(findings, key=lambda found: found.position, default=None),
        )

    def _sealed_days(self, since: date) -> tuple[list[_SealedDay], Head, Finding | None]:
        """Bounds of each sealed day, the last head, and what is wrong with the heads."""
        days: list[_SealedDay] = []
        last: Head | None = None
        try:
            for last in self._heads.read(self._key, since):
                if days and days[-1].day == last.day:
                    days[-1].last = last.last
                else:
                    days.append(_SealedDay(last.day, last.first, last.last))
            damage = None
        except HeadsDamaged as error:
            damage = Finding(error.after + 1, str(error))
        last = last or self._heads.last(self._key)
        if last is None:
            raise NothingSealed(
                "there are no heads of seals: nothing was sealed yet (the keeper does it every "
                "minute), or their folder is lost: put it back from its backup"
            )
        return days, last, damage

    async def _beside(self, days: Sequence[_SealedDay], *, is_all: bool) -> list[Finding]:
        """Events that stand where nothing was sealed: put in behind the seals' back."""
        places = [
            Within(day.day, day.day + _DAY, bounds)
            for day in days
            for bounds in ((_POSITION_MIN, day.first - 1), (day.last + 1, POSITION_MAX))
            if day is not days[-1] or bounds[1] != POSITION_MAX
        ]
        places += [
            Within(day.day + _DAY, later.day, (_POSITION_MIN, POSITION_MAX))
            for day, later in pairwise(days)
            if later.day > day.day + _DAY
        ]
        if is_all and days:
            places.append(Within(date.min, days[0].day, (_POSITION_MIN, POSITION_MAX)))
        if days:
            places.append(Within(days[-1].day + _DAY, date.max, (_POSITION_MIN, days[-1].last)))
        findings = []
        for place in places:
            try:
                position = await self._log.lowest(place)
            except Damaged as error:
                findings.append(Finding(error.position, str(error)))
            else:
                if position is not None:
                    text = "an event stands where none was sealed: it was put in or moved"
                    findings.append(Finding(position, text))
        return findings

    async def _compare(
        self, since: date, until: date, first_bad: int | None, end: Head
    ) -> _LookedAt:
        """Every stretch of the days up to the first finding."""
        stretches = events = 0
        try:
            before = self._heads.before(self._key, since)
            for head in self._heads.read(self._key, since):
                if head.day > until or (first_bad is not None and head.first > first_bad):
                    break
                # A second time, because a day may have moved to the archive under our hands.
                if not (await self._fits(head, before) or await self._fits(head, before)):
                    return _LookedAt(stretches, events, await self._locate(head))
                stretches += 1
                events += head.market.count + head.desk.count
                before = head
                self._on_progress(head.last, end.last)
        except HeadsDamaged:
            pass  # found already; what stands before it was looked at
        except Damaged as error:
            return _LookedAt(stretches, events, Finding(error.position, str(error)))
        return _LookedAt(stretches, events, None)

    async def _fits(self, head: Head, before: Head | None) -> bool:
        for retention in Retention:
            span = head.span(retention)
            digest = ClassDigest(span, before.of(retention).digest if before else CHAIN_START)
            for source in await self._log.sources(span):
                taken = digest.copy()
                count = await source.stream(span, taken.take)
                if ClassSeal(count, taken.end(count)) != head.of(retention):
                    return False
        return True

    async def _locate(self, head: Head) -> Finding:
        """The first touched event of a stretch whose digest does not fit."""
        marks = self._marks.read(head)
        for place in (0, -1):
            finding = _first_touched(head, marks, await self._marked(head, place))
            if finding is not None:
                return finding
        return Finding(
            head.first,
            f"one of the events from here to {head.last} was altered; which one cannot be told, "
            "because the marks of them are missing or altered too",
        )

    async def _marked(self, head: Head, place: int) -> dict[int, list[bytes]]:
        """Marks at each position of a stretch, out of the first or the last place of each class."""
        found: dict[int, list[bytes]] = {}
        for retention in Retention:
            span = head.span(retention)
            class_marks = ClassMarks(retention)
            await (await self._log.sources(span))[place].stream(span, class_marks.take)
            for position, mark in class_marks.end():
                found.setdefault(position, []).append(mark)
        return found

    async def _end(self, last: Head) -> _LookedAt:
        """Whether the log reaches as far as its heads, and is whole behind the last seal."""
        tail = await self._log.tail(last.last, start_of(last.day))
        finding = None
        if tail.end < last.position:
            # What was sealed is compared event by event: only that can say where a cut begins.
            end = max(tail.end, last.last)
            finding = Finding(
                end + 1,
                f"nothing is behind position {end}, but the head of {last.day} reaches "
                f"{last.position}: the log's tail was cut, or an old backup is in its place",
            )
        elif tail.broken_at is not None:
            finding = Finding(tail.broken_at, "no event or more than one stands here")
        else:
            seal = await self._log.seal_at(last.position, start_of(last.day))
            if seal is None or not self._key.sealed(seal) or seal.digest != last.desk.digest:
                finding = Finding(last.position, "the seal here is not the one of the last head")
        return _LookedAt(0, tail.count, finding)


def _first_touched(
    head: Head, sealed: bytes | None, found: dict[int, list[bytes]]
) -> Finding | None:
    for position in range(head.first, head.last + 1):
        there = found.get(position, [])
        at = MARK_BYTES * (position - head.first)
        if not there:
            return Finding(position, "the event is missing")
        if len(there) > 1:
            return Finding(position, f"{len(there)} events stand here, one was sealed")
        if sealed is not None and there[0] != sealed[at : at + MARK_BYTES]:
            return Finding(position, "the event is not what was sealed: it was altered")
    return None


@dataclass(slots=True)
class _SealedDay:
    day: date
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _LookedAt:
    stretches: int
    events: int
    finding: Finding | None
