"""Stands between a client and Postgres, reads what they say, and strikes at a chosen request.

A strike loses the request, loses the answer when the server has done and committed everything, or
cuts the client off while the server goes on. What the client asks is told apart by its SQL, so that
every statement of a run is a place at which the line can break.
"""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import urlsplit

_SSL_REQUEST = 80_877_103
_PIECE_BYTES = 65_536


class Loss(Enum):
    """What a strike takes away."""

    REQUEST = "request"
    """The server never sees it."""
    ANSWER = "answer"
    """The server has done it, and it is committed: the client never hears of it."""
    CLIENT = "client"
    """The server sees it and goes on with it; the client is cut off at once."""


@dataclass(slots=True)
class _Strike:
    loss: Loss
    visits_left: int
    among: str


@dataclass(slots=True, eq=False)
class _Line:
    """One connection of a client and its connection to the server."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    statements: dict[bytes, str] = field(default_factory=dict)
    sql: str = ""
    executes: bool = False
    swallows: bool = False
    """The answer under way is not passed on, and its end cuts the line."""

    def understand(self, kind: bytes, body: bytes) -> bool:
        """Take in one message of the client; True when it ends a request that does something."""
        if kind == b"Q":
            self.sql, self.executes = body.rstrip(b"\0").decode(), True
        elif kind == b"P":
            name, sql, _ = body.split(b"\0", 2)
            self.statements[name] = self.sql = sql.decode()
        elif kind == b"B":
            self.sql = self.statements.get(body.split(b"\0", 2)[1], "")
        elif kind == b"E":
            self.executes = True
        ends = kind == b"Q" or (kind == b"S" and self.executes)
        if ends:
            self.executes = False
        return ends

    def cut(self) -> None:
        self.client.close()
        self.server.close()


class Relay:
    """`dsn` goes through the relay to the database of `target`."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        assert parts.hostname is not None and parts.port is not None
        self._address = (parts.hostname, parts.port)
        self._user, self._database = parts.username, parts.path
        self.struck = asyncio.Event()
        self.abandoned_ended = asyncio.Event()
        """The server has closed the line whose client was cut off with Loss.CLIENT."""
        self.on_strike: Callable[[], None] | None = None
        self.is_down = False
        """New connections are refused while it is."""
        self.refused = 0
        self._strike: _Strike | None = None
        self._lines: set[_Line] = set()
        self._abandoned: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """Listen; the address to connect to."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return f"postgresql://{self._user}@127.0.0.1:{port}{self._database}"

    async def stop(self) -> None:
        self._server.close()
        self.cut_all()
        self.let_go()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def strike(self, loss: Loss, visit: int = 1, among: str = "") -> None:
        """Strike once, at the `visit`-th request from now on whose SQL fits a pattern."""
        self.struck.clear()
        self.abandoned_ended.clear()
        self._strike = _Strike(loss, visit, among)

    def stand_down(self) -> None:
        """Strike no more."""
        self._strike = None

    def cut_all(self) -> None:
        """Every line breaks, as when the client's process dies."""
        for line in list(self._lines):
            line.cut()

    def let_go(self) -> None:
        """Close what was kept open on the server's side after Loss.CLIENT."""
        for writer in self._abandoned:
            writer.close()
        self._abandoned.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.is_down:
            self.refused += 1
            writer.close()
            return
        try:
            answers, server = await asyncio.open_connection(*self._address)
        except OSError:
            writer.close()
            return
        line = _Line(writer, server)
        self._lines.add(line)
        back = asyncio.create_task(self._answers(answers, line))
        try:
            await _greet(reader, line)
            await self._requests(reader, line)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._lines.discard(line)
            line.client.close()
            if line.server not in self._abandoned:
                line.server.close()
                back.cancel()
            await asyncio.gather(back, return_exceptions=True)

    async def _requests(self, reader: asyncio.StreamReader, line: _Line) -> None:
        held = bytearray()
        while True:
            kind, body = await _message(reader)
            held += kind + struct.pack("!i", len(body) + 4) + body
            loss = self._loss(line.sql) if line.understand(kind, body) else None
            if kind not in b"QSHXdcf":
                continue
            if loss is Loss.REQUEST:
                return
            line.swallows = loss is Loss.ANSWER
            line.server.write(bytes(held))
            held.clear()
            await line.server.drain()
            if loss is Loss.CLIENT:
                self._abandoned.append(line.server)
                return

    def _loss(self, sql: str) -> Loss | None:
        strike = self._strike
        if strike is None or re.search(strike.among, sql) is None:
            return None
        strike.visits_left -= 1
        if strike.visits_left > 0:
            return None
        self._strike = None
        self.struck.set()
        if self.on_strike is not None:
            self.on_strike()
        return strike.loss

    async def _answers(self, reader: asyncio.StreamReader, line: _Line) -> None:
        frames = _Frames()
        try:
            while data := await reader.read(_PIECE_BYTES):
                kinds = list(frames.kinds(data))
                if line.swallows:
                    if b"Z" in kinds:
                        break
                    continue
                line.client.write(data)
                await line.client.drain()
        except OSError:
            pass
        if line.server in self._abandoned:
            self.abandoned_ended.set()
        line.cut()


class _Frames:
    """Finds the kinds of the server's messages in pieces of any size."""

    def __init__(self) -> None:
        self._skip = 0
        self._head = b""

    def kinds(self, data: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
                continue
            need = 5 - len(self._head)
            self._head += data[at : at + need]
            at += need
            if len(self._head) == 5:
                kind, length = struct.unpack("!ci", self._head)
                self._head, self._skip = b"", length - 4
                yield kind


async def _greet(reader: asyncio.StreamReader, line: _Line) -> None:
    """The messages without a kind with which a connection begins."""
    while True:
        head = await reader.readexactly(8)
        length, code = struct.unpack("!ii", head)
        if code == _SSL_REQUEST:
            line.client.write(b"N")
            continue
        line.server.write(head + await reader.readexactly(length - 8))
        await line.server.drain()
        return


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    kind, length = struct.unpack("!ci", head)
    return kind, await reader.readexactly(length - 4)
