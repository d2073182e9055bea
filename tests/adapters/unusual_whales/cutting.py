"""Stands between a client and a vendor and cuts the line after a number of bytes."""

from __future__ import annotations

import asyncio
from contextlib import suppress

PIECE_BYTES = 65_536


class Cutter:
    """Passes everything on; the answers of the next connections end after `limits`, in bytes."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self.limits: list[int] = []
        self.passed = 0
        """Bytes of answers on the newest connection."""
        self.drips = False
        """Answers come a byte at a time."""
        self.is_held = False
        """Nothing is read from the client any more, nor anything said to it."""
        self.connections = 0
        self._lines: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}

    async def start(self) -> int:
        """Listen; the port to connect to."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        self._server.close()
        lines = dict(self._lines)
        for writers in lines.values():
            for writer in writers:
                writer.transport.abort()
        await asyncio.gather(*lines)
        await asyncio.sleep(0)  # what was aborted closes in the next turn of the loop

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        writers = self._lines[task] = [writer]
        self.connections += 1
        self.passed = 0
        limit = self.limits.pop(0) if self.limits else None
        try:
            answers, server = await asyncio.open_connection(*self._address)
            writers.append(server)
            asking = asyncio.create_task(self._pass_on(reader, server))
            with suppress(OSError):
                await self._answer(answers, writer, limit)
            for each in writers:
                each.transport.abort()
            await asking
        except OSError:
            writer.transport.abort()
        finally:
            del self._lines[task]

    async def _pass_on(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(PIECE_BYTES):
                if not self.is_held:
                    server.write(data)
                    await server.drain()

    async def _answer(
        self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None
    ) -> None:
        while data := await answers.read(PIECE_BYTES):
            if self.is_held:
                continue
            allowed = data if limit is None else data[: limit - self.passed]
            pieces = [allowed[n : n + 1] for n in range(len(allowed))] if self.drips else [allowed]
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                if self.drips:
                    await asyncio.sleep(0)
            self.passed += len(allowed)
            if limit is not None and self.passed >= limit:
                return
