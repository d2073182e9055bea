"""Plays a recording back as Unusual Whales: the same frames at the same pace, the same answers.

A join starts the tape (pace.py). A channel that nobody joined is left
out, and joins are answered anew, so that a client may join other channels than the recorded one
did. A REST call is answered with what the vendor last said to it by that moment of the tape.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple
from urllib.parse import parse_qsl

import msgspec
from aiohttp import WSMsgType, web

from adapters.recording.pace import Pace
from adapters.recording.tape import REST, SOCKET, Heard

SHUTDOWN_SECONDS = 0.5
FRAMES_WAITING_MAX = 20_000
NO_ROUTE = b'{"error":"Route not found"}'
REFUSED = b'{"code":"authentication_required","message":"Log in first"}'
Key = tuple[str, tuple[tuple[str, str], ...]]


class _Join(msgspec.Struct):
    channel: str
    msg_type: str


_read_join = msgspec.json.Decoder(_Join).decode
_read_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _Answer(NamedTuple):
    at: datetime
    status: int
    packed: bytes


class _Client:
    """One connection. One that reads too slowly loses frames without a marker, as at the vendor."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._frames: asyncio.Queue[bytes] = asyncio.Queue(FRAMES_WAITING_MAX)
        self.joined: set[str] = set()

    def put(self, frame: bytes) -> None:
        with suppress(asyncio.QueueFull):
            self._frames.put_nowait(frame)

    async def write(self) -> None:
        while True:
            frame = await self._frames.get()
            await self._socket.send_frame(frame, WSMsgType.TEXT)


class UwPlayer:
    """Plays what `heard` has of Unusual Whales, in order of time."""

    def __init__(self, heard: Iterable[Heard], token: str, pace: Pace) -> None:
        self._heard, self._token, self._pace = heard, token, pace
        self._answers: dict[str, dict[Key, list[_Answer]]] = defaultdict(lambda: defaultdict(list))
        for record in heard:
            if record.source == REST:
                key = _key(record.name)
                answer = _Answer(record.at, record.status, zlib.compress(record.data, 1))
                self._answers[key[0]][key].append(answer)
        self._clients: set[_Client] = set()
        self._playing: asyncio.Task[None] | None = None
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> None:
        """Open the port.

        Raises:
            OSError: it is taken.
        """
        app = web.Application()
        app.router.add_get("/socket", self._serve)
        app.router.add_get("/api/{path:.*}", self._answer)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS, handler_cancellation=True
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self._playing = asyncio.create_task(self._play(), name="uw-player")

    async def stop(self) -> None:
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    # -- the socket ------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("token") != self._token:
            return web.Response(status=401, body=REFUSED, content_type="application/json")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        client = _Client(socket)
        self._clients.add(client)
        writing = asyncio.create_task(client.write(), name="uw-player-writer")
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    continue
                try:
                    join = _read_join(message.data)
                except msgspec.DecodeError:
                    continue
                answer = [join.channel, {"response": {}, "status": "ok"}]
                client.put(msgspec.json.encode(answer))
                client.joined.add(join.channel)
                self._pace.start()
        finally:
            self._clients.discard(client)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        return socket

    async def _play(self) -> None:
        for record in self._heard:
            if record.source != SOCKET or _is_answer(record.data):
                continue
            await self._pace.reach(record.at)
            channel = _channel(record.data)
            for client in self._clients:
                if channel is None or channel in client.joined:
                    client.put(record.data)
            await asyncio.sleep(0)  # clients are served also by a tape that is behind

    # -- REST ------------------------------------------------------------------------------------

    async def _answer(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {self._token}":
            return web.Response(status=401, body=REFUSED, content_type="application/json")
        found = self._find(request.path, request.query_string)
        if found is None:
            return web.Response(status=404, body=NO_ROUTE, content_type="application/json")
        status, body = found.status, zlib.decompress(found.packed)
        return web.Response(status=status, body=body, content_type="application/json")

    def _find(self, path: str, query: str) -> _Answer | None:
        """By path and query, else by path alone: times in queries are those of the day."""
        by_query = self._answers.get(path)
        if by_query is None:
            return None
        exact = by_query.get(_key(f"{path}?{query}"))
        answers = exact or sorted(
            (record for records in by_query.values() for record in records),
            key=lambda record: record.at,
        )
        moment = self._pace.moment()
        past = [record for record in answers if record.at <= moment]
        return past[-1] if past else answers[0]


def _key(name: str) -> Key:
    path, _, query = name.partition("?")
    return path, tuple(sorted(parse_qsl(query, keep_blank_values=True)))


def _channel(frame: bytes) -> str | None:
    """None for what is no frame of a channel: everybody hears it."""
    try:
        return msgspec.json.decode(_read_array(frame)[0], type=str)
    except (msgspec.DecodeError, IndexError, UnicodeDecodeError):
        return None


def _is_answer(frame: bytes) -> bool:
    """Whether it answers a join."""
    try:
        parts = _read_array(frame)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    if len(parts) != 2:
        return False
    payload = bytes(parts[1])
    return b'"status"' in payload and b'"response"' in payload
