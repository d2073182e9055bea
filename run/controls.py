"""Pause or resume a feed, flush a cache, or say how they are, from the command line.

    python -m run.controls status
    python -m run.controls pause uw.socket --why "vendor repeats yesterday"
    python -m run.controls resume uw.socket --why "vendor is right again"
    python -m run.controls flush hot --why "a view looks wrong"

Each is a request on the log, with who and why; run/feeds answers for feeds, run/projector for
caches. A paused feed writes nothing and is a gap; a flushed cache is built anew from the log.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from api.decision import FEED, FLUSH
from domain.event import DeskEvent
from domain.events.controls import (
    CacheFlushed,
    CacheFlushRequested,
    FeedPauseRequested,
    FeedResumeRequested,
)
from domain.events.feed_health import FeedGapClosed, FeedGapOpened, FeedStateChanged
from run.command_line import command_line
from run.config import Settings, SettingsError, load_settings
from run.feeds.states import FEEDS
from run.halt import Outcome, add_arguments, ask, whoever
from run.tails import pages_backwards
from store.contract import EventStore
from store.errors import StoreError
from store.postgres import PostgresStore

STREAM = "control/cli"
ROUTE = "cli"
CACHES = ("hot",)
LOOK_BACK = timedelta(days=7)
STATUS_SECONDS_MAX = 30.0
EXITS = {
    0: "done: the feed is paused or resumed, the cache is built anew, the status is printed",
    1: "the log cannot be written or read: nothing is asked",
    2: "a setting or an argument is missing, unknown or wrong; the message names it",
    3: "refused with a reason, or asked and not answered in time: the request stays on the log",
}
EXAMPLES = """
  python -m run.controls status --json
  python -m run.controls pause ib.data --why "broker sends nonsense"
  python -m run.controls flush hot --why "a view looks wrong" --who ann"""


@dataclass(frozen=True, slots=True)
class FeedStatus:
    feed: str
    state: str
    reason: str
    since: datetime | None
    """When it began to be so; None when the feed has never said how it is."""
    gaps_open: int


@dataclass(frozen=True, slots=True)
class CacheStatus:
    cache: str
    flushed_at: datetime | None
    entries: int
    """Keys that the last flush dropped."""


async def feed_status(store: EventStore, feed: str) -> FeedStatus:
    """How a feed is by its newest state, and how many gaps of the last week are open."""
    newest: tuple[FeedStateChanged, datetime] | None = None
    closed: set[str] = set()
    opened: set[str] = set()
    async for page in pages_backwards(store, f"feed/{feed}"):
        for event in reversed(page):
            match event.body:
                case FeedStateChanged() as body if body.feed == feed and newest is None:
                    newest = (body, event.recorded_at)
                case FeedGapClosed() as body:
                    closed.add(body.gap_id)
                case FeedGapOpened() as body if body.gap_id not in closed:
                    opened.add(body.gap_id)
                case _:
                    pass
        if newest is not None and page[0].recorded_at < datetime.now(UTC) - LOOK_BACK:
            break
    if newest is None:
        return FeedStatus(feed, "unknown", "it has never said how it is", None, len(opened))
    body, since = newest
    return FeedStatus(feed, body.state, body.reason, since, len(opened))


async def cache_status(store: EventStore, cache: str) -> CacheStatus:
    async for page in pages_backwards(store, f"cache/{cache}"):
        for event in reversed(page):
            if isinstance(event.body, CacheFlushed):
                return CacheStatus(cache, event.recorded_at, event.body.entries)
    return CacheStatus(cache, None, 0)


async def status(settings: Settings) -> tuple[list[FeedStatus], list[CacheStatus]]:
    """Of all feeds and caches, from the log alone."""
    async with asyncio.timeout(STATUS_SECONDS_MAX):
        async with await PostgresStore.open(
            settings.database_url, application_name="cli", archive_folder=settings.archive
        ) as store:
            feeds = [await feed_status(store, feed) for feed in FEEDS]
            return feeds, [await cache_status(store, cache) for cache in CACHES]


def show(feeds: Sequence[FeedStatus], caches: Sequence[CacheStatus], *, as_json: bool) -> None:
    if as_json:
        found = {
            "feeds": [asdict(feed) for feed in feeds],
            "caches": [asdict(cache) for cache in caches],
        }
        print(json.dumps(found, default=datetime.isoformat))
        return
    for feed in feeds:
        since = f" since {feed.since:%Y-%m-%d %H:%M:%S} UTC" if feed.since else ""
        gaps = f", {feed.gaps_open} gaps open" if feed.gaps_open else ""
        reason = f": {feed.reason}" if feed.reason else ""
        print(f"{feed.feed:<12} {feed.state}{since}{gaps}{reason}")
    for cache in caches:
        at = f"{cache.flushed_at:%Y-%m-%d %H:%M:%S} UTC" if cache.flushed_at else "never"
        print(f"cache {cache.cache:<6} last flushed: {at}")


def request(command: str, target: str, who: str, why: str) -> tuple[DeskEvent, frozenset[str]]:
    """The request of a command, and the types of the events that answer it."""
    match command:
        case "pause":
            return FeedPauseRequested(feed=target, who=who, route=ROUTE, reason=why), FEED
        case "resume":
            return FeedResumeRequested(feed=target, who=who, route=ROUTE, reason=why), FEED
        case _:
            return CacheFlushRequested(cache=target, who=who, route=ROUTE, reason=why), FLUSH


def carry_out(
    settings: Settings, command: str, target: str, who: str, why: str, wait_seconds: float
) -> Outcome:
    """Ask, and wait for the answer."""
    body, deciders = request(command, target, who, why)
    event_id, now = uuid4(), datetime.now(UTC)
    try:
        return asyncio.run(ask(settings, STREAM, body, event_id, now, deciders, wait_seconds))
    except (StoreError, OSError) as error:
        told = f"the log cannot be written: {error or type(error).__name__}"
        return Outcome("failed", event_id, reason=told)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = command_line("run.controls", __doc__, exits=EXITS, examples=EXAMPLES)
    commands = root.add_subparsers(required=True, dest="command", metavar="COMMAND")
    told = commands.add_parser("status", help="how the feeds and caches are")
    told.add_argument("--json", action="store_true", help="print one JSON object")
    for name, targets, about in (
        ("pause", FEEDS, "stop taking in what a feed brings"),
        ("resume", FEEDS, "take it in again"),
        ("flush", CACHES, "drop a cache and build it anew from the log"),
    ):
        sub = commands.add_parser(name, help=about)
        sub.add_argument("target", choices=targets, metavar="NAME", help=", ".join(targets))
        add_arguments(sub)
    return root


def main(argv: Sequence[str] | None = None) -> int:
    given = parser().parse_args(argv)
    try:
        settings = load_settings()
    except SettingsError as error:
        print(f"controls: {error}", file=sys.stderr)
        return 2
    if given.command == "status":
        return _status(settings, as_json=given.json)
    who = whoever(given.who)
    outcome = carry_out(settings, given.command, given.target, who, given.why, given.wait)
    word = "asked, not answered yet" if outcome.state == "requested" else outcome.state
    outcome.print(f"{settings.mode}: {given.command} {given.target} {word}", as_json=given.json)
    return {"accepted": 0, "failed": 1}.get(outcome.state, 3)


def _status(settings: Settings, *, as_json: bool) -> int:
    try:
        feeds, caches = asyncio.run(status(settings))
    except (StoreError, OSError) as error:
        print(f"controls: the log cannot be read: {error or 'no answer in time'}", file=sys.stderr)
        return 1
    show(feeds, caches, as_json=as_json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
