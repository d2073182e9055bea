"""`verify-decisions`: run the stages again on all that they consumed, compare every emission.

The state evolves with what is recorded, so that one difference does not cascade: each one listed
is a decision of its own that comes out otherwise, or an event that is missing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from domain.event import Recorded
from run.build import build_id
from run.config import Settings, load_settings
from run.deciders import forgery
from run.replay import builds
from run.replay.consumption import Place, Replayed, places
from run.replay.printing import Progress, print_json
from run.replay.question import CannotAnswer, parse_day, positions_of_day
from run.workers import WORKERS
from store.contract import PAGE_EVENTS_MAX, EventStore

DIFFERENCES_SHOWN_MAX = 20
PROCESSOR_TOLERANCE = 1e-9
"""Of floating point numbers that another processor than the recorded one computed."""
LOG = "log"
"""Stands in the place of a worker where the log itself is wrong: a position without an event or
with two, a decision by somebody who does not decide it."""

EXAMPLES = """examples:
  verify-decisions                     the whole log, all workers
  verify-decisions --day 2026-10-06    one day: what came before is folded, not compared
  verify-decisions --worker trader --after 12000 --json
  verify-decisions --other-processor   on another machine than the one that wrote the log

exit codes: 0 every decision comes out the same; 1 one does not (the first is named by position,
worker and what differs); 2 the question cannot be answered; 3 another build wrote the log, or
other settings decided."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--worker", choices=sorted(WORKERS), help="this one alone")
    parser.add_argument("--day", help="New York day, such as 2026-10-06")
    parser.add_argument(
        "--after", type=_position, default=0, help="compare behind this log position"
    )
    parser.add_argument(
        "--page",
        type=_page,
        default=PAGE_EVENTS_MAX,
        help=f"events read at a time, 1 to {PAGE_EVENTS_MAX}",
    )
    parser.add_argument(
        "--other-processor",
        action="store_true",
        help=f"numbers may differ by {PROCESSOR_TOLERANCE} of themselves",
    )
    builds.arguments(parser)


def _position(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a log position, was {text}")
    return int(text)


def _page(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= PAGE_EVENTS_MAX:
        raise argparse.ArgumentTypeError(f"must be from 1 to {PAGE_EVENTS_MAX}, was {text}")
    return int(text)


@dataclass(slots=True)
class Check:
    """One worker under verification: what it was given and what came out otherwise."""

    replayed: Replayed
    after: int
    tolerance: float = 0.0
    inputs: int = 0
    emissions: int = 0
    behind: int = 0
    """Inputs above the checkpoint, which the worker has not decided on yet."""
    differences: int = 0
    first: list[dict[str, Any]] = field(default_factory=list)
    _failed: bool = False
    _emitted: tuple[int, int] = (0, -1)
    """Input and ordinal of the worker's last emission so far, by log position."""

    def take(self, place: Place) -> list[str]:
        """Run one position again; what differs, as sentences."""
        found = self._compare(place)
        if place.others or (place.event and place.event.worker == self.replayed.name):
            found = [*found, *self._strays(place)]
        self.differences += len(found)
        if found and len(self.first) < DIFFERENCES_SHOWN_MAX:
            kind = "nothing" if place.event is None else place.event.type
            self.first.append({"position": place.position, "input": kind, "differences": found[:5]})
        return found

    def _compare(self, place: Place) -> list[str]:
        recorded = place.emitted.get(self.replayed.name, ())
        if place.position > self.replayed.checkpoint:
            self.behind += place.event is not None and self.replayed.wants(place.event)
            return []
        if self._failed:
            return []
        if self.replayed.passes_over(place.position):
            return self._told(place.position, recorded, "was decided on an input passed over since")
        if place.event is None or not self.replayed.takes(place.event):
            return self._without_input(place.position, recorded)
        try:
            if not self._is_asked(place.position, recorded):
                self.replayed.consumer.fold(place.event, recorded)
                return []
            self.inputs += 1
            self.emissions += len(recorded)
            return self.replayed.consumer.verify(place.event, recorded, self.tolerance)
        except Exception as error:
            # A stage that breaks on a damaged log is a finding; its state is worth nothing after.
            self._failed = True
            return [f"the stages fail on this input, nothing later is compared: {error!r}"]

    def _without_input(self, position: int, recorded: Sequence[Recorded]) -> list[str]:
        """Decisions whose input is not there: folded all the same, so that they stay the only
        difference."""
        for own in recorded:
            self.replayed.consumer.evolve(replace(own, position=position))
        return self._told(position, recorded, "is on the log, its input is not")

    def _told(self, position: int, recorded: Sequence[Recorded], what: str) -> list[str]:
        return [
            f"emission {own.ordinal} {own.type} {what}"
            for own in recorded
            if max(position, own.position) > self.after
        ]

    def _is_asked(self, position: int, recorded: Sequence[Recorded]) -> bool:
        """Whether an input is compared: it lies behind `after`, or one of its emissions does."""
        return max([position, *(own.position for own in recorded)]) > self.after

    def _strays(self, place: Place) -> Iterator[str]:
        """Emissions at this position that stand in no commit of the worker.

        A commit has the emissions of its inputs in their order, and the checkpoint with them. So
        an emission stands behind its input and behind those of all inputs before, and the
        checkpoint is not below its input. Whatever else is wrong about it is found at its input.
        """
        here = () if place.event is None else (place.event, *place.others)
        for own in here:
            if own.worker == self.replayed.name and own.input_position is not None:
                what = self._stray(own, own.input_position)
                if what is not None and own.position > self.after:
                    yield f"emission {own.ordinal} {own.type} of input {own.input_position} {what}"

    def _stray(self, own: Recorded, input_position: int) -> str | None:
        if not 1 <= input_position < own.position:
            return f"is at {own.position}, which is not behind its input"
        if input_position > self.replayed.checkpoint:
            return f"is above the checkpoint {self.replayed.checkpoint}"
        before, self._emitted = self._emitted, max(self._emitted, (input_position, own.ordinal))
        if self._emitted == before:
            return f"is at {own.position}, behind emission {before[1]} of input {before[0]}"
        return None

    def result(self) -> dict[str, Any]:
        return {
            "worker": self.replayed.name,
            "checkpoint": self.replayed.checkpoint,
            "inputs": self.inputs,
            "emissions": self.emissions,
            "behind": self.behind,
            "differences": self.differences,
            "first": self.first,
        }


async def verify(
    store: EventStore,
    names: Sequence[str],
    settings: Settings,
    *,
    after: int = 0,
    up_to: int | None = None,
    page: int = PAGE_EVENTS_MAX,
    tolerance: float = 0.0,
) -> dict[str, Any]:
    """Verify workers on the positions in (after, up_to]; up to the end of the log unless given.

    The answer has the number of differences, the first one (position, worker, what) or None, the
    positions that are missing, what somebody wrote who does not decide it, and a result for each
    worker.
    """
    # Before the checkpoints are read: what stands up to here was committed with one of them.
    last = await store.head() if up_to is None else up_to
    checks = [Check(await Replayed.of(store, name, settings), after, tolerance) for name in names]
    progress = Progress("verify", 0, last)
    first: dict[str, Any] | None = None
    missing: list[int] = []
    forged: list[dict[str, Any]] = []
    async for place in places(store, names, last, page):
        wrong = [] if place.position <= after else list(_of_the_log(place))
        if place.position > after and place.event is None:
            missing.append(place.position)
        else:
            forged += [{"position": place.position, "what": what} for what in wrong]
        found = [(LOG, what) for what in wrong]
        for check in checks:
            found += [(check.replayed.name, what) for what in check.take(place)]
        if found and first is None:
            worker, what = found[0]
            first = {"position": place.position, "worker": worker, "what": what}
        progress.at(place.position)
    progress.end()
    of_the_workers = sum(check.differences for check in checks)
    return {
        "build": build_id(),
        "tolerance": tolerance,
        "differences": len(missing) + len(forged) + of_the_workers,
        "first": first,
        "missing": missing[:DIFFERENCES_SHOWN_MAX],
        "forged": forged[:DIFFERENCES_SHOWN_MAX],
        "workers": [check.result() for check in checks],
    }


def _of_the_log(place: Place) -> Iterator[str]:
    """What is wrong at a position whatever the stages decide."""
    if place.event is None:
        yield "no event is recorded at this position"
        return
    for other in place.others:
        yield f"{place.event.type} and {other.type} are both recorded at this position"
    for event in (place.event, *place.others):
        if what := forgery(event):
            yield what


async def verify_worker(store: EventStore, name: str, settings: Settings) -> dict[str, Any]:
    """Run one worker's stages again over all it consumed and compare every emission."""
    found = await verify(store, [name], settings)
    result: dict[str, Any] = found["workers"][0]
    return result


async def run(store: EventStore, asked: argparse.Namespace) -> int:
    """Verify; exit 1 at a difference, 3 when the log is another build's."""
    names = [asked.worker] if asked.worker else list(WORKERS)
    after, up_to = asked.after, await store.head()
    if asked.day:
        after, up_to = await positions_of_day(store, parse_day(asked.day))
    settings = load_settings()
    code = await builds.refuse_other_runs(store, asked, names, settings, after, up_to)
    if code:
        return code
    tolerance = PROCESSOR_TOLERANCE if asked.other_processor else 0.0
    found = await verify(
        store, names, settings, after=after, up_to=up_to, page=asked.page, tolerance=tolerance
    )
    if not found["differences"] and not any(one["inputs"] for one in found["workers"]):
        raise CannotAnswer(
            f"{', '.join(names)} consumed no input in positions {after + 1} to {up_to}, so nothing "
            f"was compared; the log has positions 1 to {await store.head()}"
        )
    if asked.json:
        print_json(found)
    else:
        _print(found)
    return 1 if found["differences"] else 0


def _print(found: dict[str, Any]) -> None:
    first = found["first"]
    if first is not None:
        print(
            f"first difference: position {first['position']}, {first['worker']}: "
            f"{first['what'][:400]}"
        )
    if found["missing"]:
        print(f"positions without an event: {', '.join(map(str, found['missing']))}")
    for item in found["forged"]:
        print(f"position {item['position']}: {item['what']}")
    for result in found["workers"]:
        behind = f", {result['behind']} inputs not decided on yet" if result["behind"] else ""
        print(
            f"{result['worker']}: {result['inputs']} inputs, {result['emissions']} decisions "
            f"and numbers run again, {result['differences']} differences{behind}"
        )
        for item in result["first"]:
            print(f"  position {item['position']} {item['input']}:")
            for line in item["differences"]:
                print(f"    {line[:400]}")
