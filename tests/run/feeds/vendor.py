"""A small vendor on loopback: a socket that answers joins and sends what it is told to, and calls
that are answered with what they are told, else with an empty list."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import msgspec
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer


class Vendor:
    """`frames` are sent once, to the first connection whose joins are all answered.

    Joins of `refused` are answered with an error, those of `unanswered` not at all.
    """

    def __init__(
        self,
        frames: list[bytes],
        joins: int,
        refused: Collection[str] = (),
        unanswered: Collection[str] = (),
    ) -> None:
        self.frames = frames
        self.joins = joins
        self.refused = set(refused)
        self.unanswered = set(unanswered)
        self.connections = 0
        self.joined: list[str] = []
        """All joins asked for, over all connections."""
        self.calls: list[str] = []
        self._socket: web.WebSocketResponse | None = None
        self._request: web.Request | None = None

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connections += 1
        self._socket, self._request = socket, request
        left = self.joins
        async for message in socket:
            assert message.type is WSMsgType.TEXT
            channel = msgspec.json.decode(message.data)["channel"]
            self.joined.append(channel)
            left -= 1
            if channel not in self.unanswered:
                status = "error" if channel in self.refused else "ok"
                await socket.send_json([channel, {"response": {}, "status": status}])
            if left == 0:
                frames, self.frames = self.frames, []
                await self.send(*frames)
        return socket

    async def send(self, *frames: bytes) -> None:
        """Send frames on the newest connection."""
        assert self._socket is not None
        for frame in frames:
            await self._socket.send_str(frame.decode())

    def drop(self) -> None:
        """Cut the newest connection without a word."""
        assert self._request is not None and self._request.transport is not None
        self._request.transport.abort()

    async def call(self, request: web.Request) -> web.Response:
        self.calls.append(request.path_qs)
        return web.json_response({"data": []})


@asynccontextmanager
async def serving(vendor: Vendor) -> AsyncIterator[TestServer]:
    application = web.Application()
    application.router.add_get("/socket", vendor.socket)
    application.router.add_get("/api/{rest:.*}", vendor.call)
    async with TestServer(application) as server:
        yield server


class RestVendor:
    """Answers a path with what it is told to say, then with no rows; counts calls."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: Counter[str] = Counter()
        self.queries: list[str] = []
        self.headers = {"x-uw-token-req-limit": "40000", "x-uw-daily-req-count": "100"}
        self._says: dict[str, list[web.Response]] = {}

    def say(self, path: str, *responses: web.Response) -> None:
        """Answer the next calls of a path like this."""
        self._says.setdefault(path, []).extend(responses)

    async def answer(self, request: web.Request) -> web.Response:
        self.calls[request.path] += 1
        self.queries.append(request.path_qs)
        waiting = self._says.get(request.path)
        if waiting:
            return waiting.pop(0)
        return web.json_response({"data": []}, headers=self.headers)


@asynccontextmanager
async def serving_rest() -> AsyncIterator[RestVendor]:
    vendor = RestVendor()
    application = web.Application()
    application.router.add_get("/{path:.*}", vendor.answer)
    async with TestServer(application) as server:
        vendor.url = str(server.make_url(""))
        yield vendor
