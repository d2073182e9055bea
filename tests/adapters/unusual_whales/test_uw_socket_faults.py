"""The socket client on lines that break, drip, hang or are never answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from adapters.unusual_whales import Backoff, UwItem, UwMessage, UwRejected, UwSocket, UwSocketTiming
from tests.adapters.unusual_whales.cutting import Cutter
from tests.adapters.unusual_whales.test_uw_socket_wire import QUICK, Listener
from tests.run.feeds.vendor import Vendor, serving
from tests.waiting import Until

CHANNELS = ("price:SPY", "news")
PAYLOADS = [f'{{"close":"60{number}"}}'.encode() for number in range(3)]
FRAMES = [b'["price:SPY",' + payload + b"]" for payload in PAYLOADS]
SMALL_FRAME_HEAD = 2
"""Bytes of a frame of the socket's protocol before a short text."""
CUTS_AT_ONCE = 25


@asynccontextmanager
async def line(
    vendor: Vendor,
    timing: UwSocketTiming | None = None,
    *,
    cut_at: int | None = None,
    drips: bool = False,
) -> AsyncIterator[tuple[Cutter, UwSocket, Listener]]:
    """A vendor, a line that can be cut, and a client at its end that reads."""
    listener = Listener()
    async with serving(vendor) as server:
        assert server.host is not None and server.port is not None
        cutter = Cutter(server.host, server.port)
        cutter.limits = [] if cut_at is None else [cut_at]
        cutter.drips = drips
        url = f"ws://127.0.0.1:{await cutter.start()}/socket"
        try:
            async with UwSocket(
                url, "token", CHANNELS, listener, backoff=QUICK, timing=timing
            ) as socket:
                yield cutter, socket, listener
        finally:
            await cutter.stop()


class Repeating(Vendor):
    """Says the same to each connection."""

    async def send(self, *frames: bytes) -> None:
        self.frames = list(frames)
        await super().send(*frames)


async def _length(until: Until) -> tuple[int, int]:
    """Bytes of a whole exchange, and where in them its data begin."""
    async with line(Repeating(FRAMES, len(CHANNELS))) as (cutter, socket, _):
        await until(lambda: socket.queue_depth == len(FRAMES))
        whole = cutter.passed
    return whole, whole - sum(len(frame) + SMALL_FRAME_HEAD for frame in FRAMES)


async def _cut_at(offset: int, until: Until) -> list[UwItem]:
    async with line(Repeating(FRAMES, len(CHANNELS)), cut_at=offset) as (cutter, socket, _):
        await until(lambda: cutter.connections >= 2 and socket.queue_depth >= len(FRAMES))
        await until(lambda: _is_whole(socket))
        return await socket.take(100)


def _is_whole(socket: UwSocket) -> bool:
    newest = list(socket._queue)[-len(FRAMES) :]
    return [item.payload for item in newest if isinstance(item, UwMessage)] == PAYLOADS and len(
        {item.connection for item in newest}
    ) == 1


async def test_a_line_cut_at_any_byte_loses_and_invents_nothing(until: Until) -> None:
    """At every message boundary and inside every frame of acknowledgements and data: what came
    whole before the cut is kept, no part of a frame is, and the next connection brings all."""
    whole, data = await _length(until)
    acks = data - 2 * (SMALL_FRAME_HEAD + 40)
    offsets = [1, 60, *range(acks, whole)]
    ends = [data + sum(len(f) + SMALL_FRAME_HEAD for f in FRAMES[: n + 1]) for n in range(3)]
    for start in range(0, len(offsets), CUTS_AT_ONCE):
        cuts = offsets[start : start + CUTS_AT_ONCE]
        results = await asyncio.gather(*(_cut_at(cut, until) for cut in cuts))
        for cut, items in zip(cuts, results, strict=True):
            came = sum(end <= cut for end in ends)
            assert not [item for item in items if isinstance(item, UwRejected)], cut
            kept = [item.payload for item in items if isinstance(item, UwMessage)]
            assert kept == PAYLOADS[:came] + PAYLOADS, cut


async def test_frames_that_come_a_byte_at_a_time_are_whole(until: Until) -> None:
    async with line(Repeating(FRAMES, len(CHANNELS)), drips=True) as (_, socket, listener):
        await until(lambda: socket.queue_depth == len(FRAMES))
        items = await socket.take(10)
    assert [item.payload for item in items if isinstance(item, UwMessage)] == PAYLOADS
    assert listener.count("down") == 0


async def test_a_half_open_line_is_found_by_its_unanswered_ping(until: Until) -> None:
    """The peer reads nothing and says nothing, and the connection stands."""
    timing = UwSocketTiming(ping_seconds=0.1)
    async with line(Repeating(FRAMES, len(CHANNELS)), timing) as (cutter, socket, listener):
        await until(lambda: listener.count("ready") and socket.queue_depth == len(FRAMES))
        cutter.is_held = True
        await until(lambda: listener.count("down"))
        cutter.is_held = False
        await until(lambda: listener.count("ready") == 2)
    assert cutter.connections == 2


async def test_joins_without_an_answer_count_as_refused_after_a_while(until: Until) -> None:
    """The others are ready; an answer that comes late after all is taken."""
    vendor = Vendor([], len(CHANNELS), unanswered={"news"})
    async with line(vendor, UwSocketTiming(join_seconds_max=0.05)) as (_, socket, listener):
        await until(lambda: listener.count("ready"))
        assert listener.states[-1].reason == "refused: news"
        assert socket.refused_joins == {"news": "not answered within 0.05 s"}
        await vendor.send(b'["news",{"response":{},"status":"ok"}]')
        await until(lambda: not socket.refused_joins)
    assert [(join.channel, join.is_accepted) for join in listener.joins] == [
        ("price:SPY", True),
        ("news", False),
        ("news", True),
    ]


async def test_what_the_vendor_said_of_a_limit_is_the_reason_of_joins_it_does_not_answer(
    until: Until,
) -> None:
    """It comes in a frame of its own that names no channel."""
    vendor = Vendor([], 1, unanswered={"news"})
    vendor.frames = [b"Channel subscription limit of 50 reached"]
    async with line(vendor, UwSocketTiming(join_seconds_max=0.05)) as (_, socket, _):
        await until(lambda: socket.refused_joins)
        assert socket.refused_joins["news"] == (
            "not answered within 0.05 s; the vendor said: Channel subscription limit of 50 reached"
        )


@pytest.mark.parametrize("refuses", [True, False])
async def test_a_vendor_that_accepts_no_join_is_left_and_not_hurried_after(
    until: Until, refuses: bool
) -> None:
    names = set(CHANNELS)
    vendor = Vendor([], 2, refused=names) if refuses else Vendor([], 2, unanswered=names)
    async with line(vendor, UwSocketTiming(join_seconds_max=0.05)) as (_, _, listener):
        await until(lambda: listener.count("down"))
    down = next(state for state in listener.states if state.state == "down")
    assert down.reason.startswith("no join was accepted") and listener.count("ready") == 0


async def test_bytes_that_are_queued_are_bounded_too(until: Until) -> None:
    payload = msgspec.json.encode({"close": "6" * 1_000})
    vendor = Vendor([b'["price:SPY",' + payload + b"]"] * 20, len(CHANNELS))
    listener = Listener()
    async with serving(vendor) as server:
        url = str(server.make_url("/socket"))
        socket = UwSocket(url, "token", CHANNELS, listener, backoff=QUICK, queue_bytes_max=5_000)
        async with socket:
            await until(lambda: listener.count("down"))
            assert listener.states[-1].is_overrun and socket.queue_depth == 5
            assert len(await socket.take(100)) == 5
            await until(lambda: listener.count("ready") == 2)


async def test_a_connection_that_is_gone_refuses_nothing_and_takes_no_further_join(
    until: Until,
) -> None:
    """What was not answered on it is asked for anew on the next one."""
    vendor = Vendor([], len(CHANNELS), unanswered={"news"})
    listener = Listener()
    async with serving(vendor) as server:
        url = str(server.make_url("/socket"))
        slow = Backoff(first_seconds=60.0)
        async with UwSocket(url, "token", CHANNELS, listener, backoff=slow) as socket:
            await until(lambda: socket.missing_joins == {"news"})
            vendor.drop()
            await until(lambda: listener.count("down"))
            socket._end_joins(CHANNELS, listener.states[-1].connection)
            await socket.join("price:QQQ")
    assert [join.channel for join in listener.joins] == ["price:SPY"]
    assert vendor.joined == list(CHANNELS)
