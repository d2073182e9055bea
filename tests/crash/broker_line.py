"""Stands between the desk and its broker, passes everything on, and keeps what the desk sent.

The bytes are the oracle's: which frame left the desk at which time, however long the broker's
process was away or stood still.
"""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from datetime import UTC, datetime

from run.embedded import free_port
from tests.sim.broker import HOST
from tests.sim.clock import START
from tests.sim.wire import Frame, frames_in

_HELLO = b"API\0"
_PIECE_BYTES = 65_536


class BrokerLine:
    """Listens on `port` and passes on to the broker's."""

    def __init__(self, broker_port: int) -> None:
        self.port = free_port()
        self._broker_port = broker_port
        self._sent: list[list[tuple[float, bytes]]] = []
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, HOST, self.port)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for line in list(self._lines):
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)

    def frames(self) -> tuple[Frame, ...]:
        """All that the desk sent so far, by time."""
        found = [
            frame for number, sent in enumerate(self._sent) for frame in frames_in(number, sent)
        ]
        return tuple(sorted(found, key=lambda frame: frame.at))

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._lines.add(task)
        try:
            await self._pass_on(reader, writer)
        finally:
            self._lines.discard(task)
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, broker = await asyncio.open_connection(HOST, self._broker_port)
        except OSError:
            return  # nobody is there: the desk's end is closed
        sent: list[tuple[float, bytes]] = []
        self._sent.append(sent)
        ways = {
            asyncio.create_task(self._copy(reader, broker, sent)),
            asyncio.create_task(self._copy(answers, writer, None)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            broker.close()

    async def _copy(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        sent: list[tuple[float, bytes]] | None,
    ) -> None:
        """Until one end is gone. A frame counts from when its last byte is here."""
        rest = b""
        with suppress(ConnectionError):
            while piece := await source.read(_PIECE_BYTES):
                target.write(piece)
                if sent is not None:
                    rest = _keep(rest + piece, sent)
                await target.drain()


def _keep(data: bytes, sent: list[tuple[float, bytes]]) -> bytes:
    """Move the whole frames to `sent`; what is left of the next one."""
    at = (datetime.now(UTC) - START).total_seconds()
    data = data.removeprefix(_HELLO)
    while len(data) >= 4:
        (length,) = struct.unpack(">I", data[:4])
        if len(data) < 4 + length:
            break
        sent.append((at, data[: 4 + length]))
        data = data[4 + length :]
    return data
