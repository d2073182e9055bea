"""Plays a recording back as TWS: the same messages in the same packets at the same pace.

The feed's half alone: lines, bars, books, contracts, history. There is no account, and a client
that places orders is refused. A subscription starts the tape (pace.py); one that comes later than
on the tape is told what the line had come to. Calls are answered with what TWS had last said.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from adapters.interactive_brokers.sandbox.contracts import tws_time
from adapters.interactive_brokers.sandbox.wire import (
    SERVER_VERSION,
    FieldValue,
    frame,
    read_payload,
)
from adapters.recording.pace import Pace
from adapters.recording.tape import Heard
from adapters.recording.tws_tape import (
    BARS,
    BOOKS,
    CALLS,
    CANCELS,
    CHAINS,
    DETAILS,
    ERROR,
    HISTORY,
    STREAMS,
    Answers,
    Key,
    Message,
    asked,
    packets,
)
from domain.analytics.depth_book import ASK, BID, INSERT, DepthBook

CLIENTS_MAX = 32
WRITE_BUFFER_BYTES_MAX = 16_000_000
CURRENT_TIME, MARKET_DATA_TYPE, START = b"49", b"59", b"71"
ACCOUNT = "DU0000000"
NOT_RECORDED = {
    DETAILS: (200, "No security definition has been found for the request"),
    HISTORY: (162, "Historical Market Data Service error message:HMDS query returned no data"),
}


@dataclass(slots=True)
class _LineState:
    """What a client must hear that subscribes now."""

    last: dict[tuple[bytes, ...], Message] = field(default_factory=dict)
    """The newest message of each kind."""
    book: DepthBook = field(default_factory=DepthBook)

    def take(self, message: Message, at: float) -> None:
        fields = message.fields
        match fields[0]:
            case b"12" | b"13":
                self._depth(fields, at)
            case b"4" if fields[3:4] == (b"317",):
                self.book.clear()
            case b"1" | b"2" | b"45" | b"46" | b"4":
                self.last[fields[0], *fields[3:4]] = message
            case b"21":
                self.last[fields[0], *fields[2:3]] = message
            case b"50":
                pass  # a bar that is over is no news
            case _:
                self.last[fields[:1]] = message

    def _depth(self, fields: tuple[bytes, ...], at: float) -> None:
        maker, rest = (fields[4], fields[5:]) if fields[0] == b"13" else (b"", fields[4:])
        try:
            position, operation, side = int(fields[3]), int(rest[0]), int(rest[1])
            tick = (position, maker.decode(), operation, side, float(rest[2]), float(rest[3]))
        except (ValueError, IndexError):
            return
        self.book.apply([tick], at)

    def frames(self, request: bytes) -> list[bytes]:
        number = request.decode()
        sides = ((ASK, self.book.asks), (BID, self.book.bids))
        return [message.bytes_for(request) for message in self.last.values()] + [
            frame(13, 1, number, at, level.maker, INSERT, side, level.price, level.size, 1)
            for side, levels in sides
            for at, level in enumerate(levels)
        ]


class _Client:
    """One connection: what it subscribed to, and where it writes."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.requests: dict[Key, set[bytes]] = defaultdict(set)

    def write(self, data: bytes) -> None:
        if data and not self.writer.is_closing():
            self.writer.write(data)
            if self.writer.transport.get_write_buffer_size() > WRITE_BUFFER_BYTES_MAX:
                self.writer.transport.abort()  # a reader this slow is dropped, as by TWS

    def send(self, *fields: FieldValue) -> None:
        self.write(frame(*fields))

    def hear(self, messages: Iterable[Message]) -> None:
        """A packet, of which it gets what it subscribed to."""
        found = []
        for message in messages:
            requests = (b"",) if message.key is None else self.requests.get(message.key, ())
            found += [message.bytes_for(request) for request in requests]
        self.write(b"".join(found))

    def cancel(self, number: bytes, kind: bytes) -> None:
        for key, requests in self.requests.items():
            if key[0] == kind:
                requests.discard(number)


class TwsPlayer:
    """Plays what `heard` has of TWS, in order of time."""

    def __init__(self, heard: Iterable[Heard], pace: Pace) -> None:
        self._heard = heard
        self._answers = Answers(heard)
        self._pace = pace
        self._lines: dict[Key, _LineState] = defaultdict(_LineState)
        self._clients: set[_Client] = set()
        self._server: asyncio.Server | None = None
        self._playing: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> None:
        """Open the port.

        Raises:
            OSError: it is taken.
        """
        self._server = await asyncio.start_server(self._serve, host, port)
        self._playing = asyncio.create_task(self._play(), name="tws-player")

    async def stop(self) -> None:
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)
        if self._server is not None:
            self._server.close()
            for client in list(self._clients):
                client.writer.transport.abort()
            await self._server.wait_closed()

    async def _play(self) -> None:
        for at, messages in packets(self._heard):
            await self._pace.reach(at)
            for message in messages:
                if message.key is not None:
                    self._lines[message.key].take(message, at.timestamp())
            for client in self._clients:
                client.hear(messages)
            await asyncio.sleep(0)  # clients are served also by a tape that is behind

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = _Client(writer)
        try:
            if len(self._clients) < CLIENTS_MAX and await self._greet(reader, client):
                self._clients.add(client)
                while True:
                    self._take(client, await read_payload(reader))
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            pass
        finally:
            self._clients.discard(client)
            writer.close()

    async def _greet(self, reader: asyncio.StreamReader, client: _Client) -> bool:
        if await reader.readexactly(4) != b"API\0":
            return False
        await read_payload(reader)
        client.send(SERVER_VERSION, tws_time(self._pace.moment()))
        if not (await read_payload(reader)).startswith(START + b"\0"):
            return False
        client.send(15, 1, ACCOUNT)
        client.send(9, 1, 1)
        return True

    def _take(self, client: _Client, payload: bytes) -> None:
        kind = payload.split(b"\0", 1)[0]
        if kind == CURRENT_TIME:
            client.send(49, 1, int(self._pace.moment().timestamp()))
        elif kind in CANCELS or kind in STREAMS or kind in CALLS:
            request = asked(payload)
            if request is not None:
                self._asked(client, *request)
        elif kind != MARKET_DATA_TYPE:
            client.send(4, 2, -1, 321, "Error validating request: a recording has no such data", "")

    def _asked(self, client: _Client, number: bytes, key: Key) -> None:
        if key[0] in CANCELS:
            client.cancel(number, {b"11": BOOKS, b"51": BARS}.get(key[0], b"1"))
        elif key[0] in STREAMS:
            self._pace.start()
            client.requests[key].add(number)
            client.write(b"".join(self._lines[key].frames(number)))
        elif answer := self._answers.to(key, self._pace.moment()):
            client.write(b"".join(message.bytes_for(number) for message in answer))
        elif key[0] == CHAINS:
            client.send(76, number.decode())
        else:
            client.send(int(ERROR), 2, number.decode(), *NOT_RECORDED[key[0]], "")
