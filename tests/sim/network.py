"""TCP in virtual time: bytes take time, keep their order, and may be cut at any byte.

Behind loop.create_connection and create_server, so that ib_async and the sandbox's streams speak
over it as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.sim.loop import VirtualLoop

LATENCY_SECONDS = (0.0002, 0.02)
Factory = Callable[[], asyncio.Protocol]


class _Socket:
    """What the product asks of the socket beneath."""

    def __init__(self, port: int) -> None:
        self._port = port

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", self._port

    def setsockopt(self, *_: object) -> None:
        """Keepalive means nothing here."""


class VirtualTransport(asyncio.Transport):
    """One end of a connection. Its callbacks run in the context of whoever opened it."""

    def __init__(self, network: Network, port: int, context: Context) -> None:
        super().__init__()
        self.protocol: asyncio.Protocol
        self.peer: VirtualTransport
        self.is_open = True
        self.is_dead = False
        """Its process died: nothing is delivered here any more."""
        self.is_stalled = False
        """The network takes bytes and delivers none: half open."""
        self.sent: list[tuple[float, bytes]] = []
        self._under_way: list[bytes] = []
        self._arrives_at = 0.0
        self._network = network
        self._context = context
        self._port = port

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "socket":
            return _Socket(self._port)
        return ("127.0.0.1", self._port) if name == "peername" else default

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self.protocol = protocol

    def is_closing(self) -> bool:
        return not self.is_open

    def is_reading(self) -> bool:
        return self.is_open

    def pause_reading(self) -> None:
        """Readers here are never behind."""

    def resume_reading(self) -> None:
        """Readers here are never behind."""

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """The close that follows says it."""

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.is_open:
            return
        chunk = bytes(data)
        self.sent.append((self._network.loop.time(), chunk))
        self._under_way.append(chunk)
        self._later(self._deliver)

    def _later(self, callback: Callable[[], None]) -> None:
        loop = self._network.loop
        arrives_at = max(self._arrives_at, loop.time() + self._network.latency())
        self._arrives_at = arrives_at
        loop.call_at(arrives_at, callback, context=self.peer._context)

    def _deliver(self) -> None:
        if not self._under_way or self.is_stalled:
            return
        data = self._under_way.pop(0)
        if self.peer.is_open and not self.peer.is_dead:
            self.peer.protocol.data_received(data)

    def close(self) -> None:
        """What was written still arrives; then the peer hears of the end."""
        if not self.is_open:
            return
        self.is_open = False
        self._lose(None)
        self._later(lambda: self.peer.ended(None))

    def abort(self) -> None:
        """What is under way is lost."""
        if not self.is_open:
            return
        self.is_open = False
        self._under_way.clear()
        self._lose(None)
        self._later(lambda: self.peer.ended(ConnectionResetError("reset by peer")))

    def ended(self, error: Exception | None) -> None:
        if not self.is_open:
            return
        self.is_open = False
        self._lose(error)

    def _lose(self, error: Exception | None) -> None:
        if not self.is_dead:
            self._network.loop.call_soon(self._lost, error, context=self._context)

    def _lost(self, error: Exception | None) -> None:
        if self.is_dead:
            return
        if error is None:
            self.protocol.eof_received()
        self.protocol.connection_lost(error)

    # What the world does to it.

    def die(self, kept_bytes: int, told_after_seconds: float) -> None:
        """The process behind this end is gone: the peer gets the first bytes of what was under
        way, and then the reset: at once, or late when its machine went with it."""
        self.is_dead, self.is_open = True, False
        under_way = b"".join(self._under_way)
        self._under_way = [under_way[:kept_bytes]] if kept_bytes else []
        if self._under_way:
            self._later(self._deliver)
        self._arrives_at = max(self._arrives_at, self._network.loop.time() + told_after_seconds)
        self._later(lambda: self.peer.ended(ConnectionResetError("reset by peer")))

    def cut(self, kept_bytes: int) -> None:
        """The network between the two is gone; both hear of it, in their time."""
        under_way = b"".join(self._under_way)
        self._under_way = [under_way[:kept_bytes]] if kept_bytes else []
        if self._under_way:
            self._later(self._deliver)
        self._later(lambda: self.peer.ended(ConnectionResetError("cut")))

    @property
    def bytes_under_way(self) -> int:
        return sum(map(len, self._under_way))


class VirtualServer(asyncio.AbstractServer):
    """Listens until it is closed."""

    def __init__(self, network: Network, port: int) -> None:
        self._network = network
        self._port = port

    @property
    def sockets(self) -> tuple[_Socket, ...]:
        return (_Socket(self._port),)

    def close(self) -> None:
        self._network.servers.pop(self._port, None)

    async def wait_closed(self) -> None:
        """Closed at once."""


class Network:
    """Who listens, and every connection that was made."""

    def __init__(self, loop: VirtualLoop, random: Random) -> None:
        self.loop = loop
        self.servers: dict[int, tuple[Factory, Context]] = {}
        self.connections: list[tuple[VirtualTransport, VirtualTransport]] = []
        """Client's end and server's end of each."""
        self.is_down = False
        """Nobody can connect."""
        self._random = random

    def latency(self) -> float:
        return self._random.uniform(*LATENCY_SECONDS)

    def listen(self, factory: Factory, port: int) -> VirtualServer:
        self.servers[port] = (factory, copy_context())
        return VirtualServer(self, port)

    async def connect(
        self, factory: Factory, port: int
    ) -> tuple[VirtualTransport, asyncio.Protocol]:
        await asyncio.sleep(self.latency())
        if self.is_down or port not in self.servers:
            raise ConnectionRefusedError(111, "nobody listens")
        serve, context = self.servers[port]
        client = VirtualTransport(self, port, copy_context())
        server = VirtualTransport(self, port, context)
        client.peer, server.peer = server, client
        client.protocol = factory()
        server.protocol = context.run(serve)
        self.connections.append((client, server))
        context.run(server.protocol.connection_made, server)
        client.protocol.connection_made(client)
        return client, client.protocol
