"""The live stream: GET /stream, server-sent events with the log's position as their id.

A client that comes back names the last id it saw (Last-Event-ID) and misses nothing; one that is
too far behind is told so by a `gap` and reads its tables anew. Changed sections of health follow
once a second, a heartbeat every five. The stream ends when its session does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
from starlette.responses import Response, StreamingResponse

from api.control_models import StreamQuery
from api.desk import Desk
from api.dispatch import Call, cookie_name
from api.errors import ApiError, bad_field
from api.event_rows import from_recorded
from api.fold_state import Row
from api.subjects import envelopes
from domain.event import DeskEvent, Recorded
from store.contract import Selection

STREAMS_MAX = 16
PENDING_PAGES_MAX = 8
PAGE_EVENTS = 200
BEHIND_EVENTS_MAX = 20_000
HEALTH_SECONDS = 1.0
HEARTBEAT_SECONDS = 5.0


def _desk_types() -> frozenset[str]:
    found: set[str] = set()
    pending: list[type[DeskEvent]] = [DeskEvent]
    while pending:
        for child in pending.pop().__subclasses__():
            if child.__module__.startswith("domain.events."):
                found.add(child.__name__)
            pending.append(child)
    return frozenset(found)


class OpenStreams:
    """How many are open: each costs a subscription."""

    def __init__(self) -> None:
        self.count = 0


async def stream(call: Call) -> Response:
    """Desk events from here on, or from after the named position."""
    after = _after(call)
    head = await call.desk.store.head()
    open_streams: OpenStreams = call.request.app.state.open_streams
    if open_streams.count >= STREAMS_MAX:
        raise ApiError(
            429,
            "too_many_streams",
            f"open streams must be at most {STREAMS_MAX}, was more",
            "close other tabs",
        )
    token = call.request.cookies.get(cookie_name(call.desk), "")
    frames = _frames(call.desk, open_streams, token, after, head)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(frames, media_type="text/event-stream", headers=headers)


def _after(call: Call) -> int | None:
    given = call.request.headers.get("last-event-id")
    if given is None:
        return call.queried(StreamQuery).after
    if not given.isascii() or not given.isdecimal() or len(given) > 18:
        raise bad_field("Last-Event-ID", f"must be a position, was {given[:40]!r}")
    return int(given)


async def _frames(
    desk: Desk, open_streams: OpenStreams, token: str, after: int | None, head: int
) -> AsyncIterator[bytes]:
    pages: asyncio.Queue[tuple[list[Recorded], int]] = asyncio.Queue(PENDING_PAGES_MAX)
    start = head if after is None else min(after, head)
    yield b"retry: 1000\n\n"
    if head - start > BEHIND_EVENTS_MAX:
        yield _frame("gap", {"from": start, "to": head}, head)
        start = head
    else:
        yield _frame("hello", {"position": start, "head": head}, start)
    follower = asyncio.create_task(_follow(desk, start, pages), name="api.stream")
    open_streams.count += 1
    try:
        async for frame in _merged(desk, token, pages, follower):
            yield frame
    finally:
        open_streams.count -= 1
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)


async def _follow(desk: Desk, after: int, pages: asyncio.Queue[tuple[list[Recorded], int]]) -> None:
    """A slow reader is waited for: its memory is bounded, and nothing is lost."""
    wanted = Selection(types=_desk_types())
    async for events, scanned in desk.store.subscribe(after, wanted, PAGE_EVENTS):
        if events:
            await pages.put((events, scanned))


async def _merged(
    desk: Desk,
    token: str,
    pages: asyncio.Queue[tuple[list[Recorded], int]],
    follower: asyncio.Task[None],
) -> AsyncIterator[bytes]:
    known: Row = {}
    health_at = heartbeat_at = float("-inf")
    while not follower.done():
        now = desk.settings.monotonic()
        if desk.sessions.find(token, is_use=False) is None:
            yield _frame("session_ended", {})
            return
        if now - health_at >= HEALTH_SECONDS:
            health_at = now
            sections = await desk.health.read()
            changed = {k: v for k, v in sections.items() if known.get(k) != v}
            known = sections
            if changed:
                yield _frame("health", changed)
        if now - heartbeat_at >= HEARTBEAT_SECONDS:
            heartbeat_at = now
            yield _frame("heartbeat", {"now": desk.settings.now().isoformat()})
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                events, _ = await pages.get()
        except TimeoutError:
            continue
        for shown in await envelopes(desk.pages, [from_recorded(event) for event in events]):
            yield _frame("event", shown, shown["position"])


def _frame(name: str, data: object, position: int | None = None) -> bytes:
    identity = b"" if position is None else b"id: %d\n" % position
    return identity + b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"
