"""The socket side of the sandbox: upgrades, joins, and one bounded queue a reader.

A slow reader loses frames without a marker; a frame that is due is never waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

import msgspec
from aiohttp import WSMsgType, web

from adapters.market_model.contract import SimClock
from adapters.unusual_whales.sandbox.disturbed import rewritten
from adapters.unusual_whales.sandbox.habits import ALIAS, SILENT_JOINS, habitual_payload
from adapters.unusual_whales.sandbox.ledger import Ledger
from adapters.unusual_whales.sandbox.settings import Faults, UwSandboxSettings
from adapters.unusual_whales.sandbox.wire import zulu

GLOBAL_CHANNELS = frozenset(
    {
        "flow-alerts", "market_tide", "news", "trading_halts",
        "interval_flow", "contract_screener", "custom_alerts", "futures_trades",
    }
)  # fmt: skip
TICKER_CHANNELS = frozenset(
    {
        "gex", "gex_strike", "net_flow", "option_trades", "price",
        "gex_strike_expiry", "off_lit_trades", "lit_trades", "interpolated_iv",
        "iv_term_structure", "periscope", "futures",
    }
)  # fmt: skip
"""Joined with a ticker or, for the whole market, without."""
DRIPS_A_FRAME_MAX = 1_000
JOIN_LIMIT_TEXT = "Channel subscription limit of {} reached"


class _Join(msgspec.Struct):
    channel: str
    msg_type: str


_join = msgspec.json.Decoder(_Join)


class _Reader:
    """One connected client."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        request: web.Request,
        limit: int,
        ledger: Ledger,
        faults: Faults,
    ) -> None:
        self.socket = socket
        self._faults = faults
        self.request = request
        self.joined: set[str] = set()
        self.queue: deque[tuple[float, str, bytes]] = deque()
        """When it is due, the name joined, the payload; a text of no channel as it is."""
        self._ledger = ledger
        self.limit = limit
        self.ready = asyncio.Event()

    def put(self, due: float, text: bytes, channel: str = "") -> bool:
        """Queue a text, or the payload of a channel, for `due`; False when the queue is full and
        it is lost."""
        if len(self.queue) >= self.limit:
            return False
        self.queue.append((due, channel, text))
        self.ready.set()
        return True

    def put_first(self, text: bytes) -> None:
        """Queue an answer ahead of data that is held back."""
        self.queue.appendleft((0.0, "", text))
        self.ready.set()

    async def write(self) -> None:
        """Send what is queued, in order, each frame when it is due."""
        loop = asyncio.get_running_loop()
        while not self.socket.closed:
            await self.ready.wait()
            while self.queue:
                wait = self.queue[0][0] - loop.time()
                if wait > 0:
                    await asyncio.sleep(wait)
                _, channel, text = self.queue.popleft()
                if not channel:
                    await self.socket.send_frame(text, WSMsgType.TEXT)
                    continue
                if await self._send(b'["' + channel.encode() + b'",' + text + b"]"):
                    self._ledger.wrote(channel, text)
            self.ready.clear()

    async def _send(self, text: bytes) -> bool:
        """Whether all of the frame went out."""
        transport = self.request.transport
        if transport is not None and self._faults.cut_frames > 0:
            self._faults.cut_frames -= 1
            whole = _as_frame(text)
            transport.write(whole[: len(whole) // 2])
            transport.close()  # what was written goes out, unlike with abort
            return False
        if transport is not None and self._faults.drip_frames > 0:
            self._faults.drip_frames -= 1
            whole = _as_frame(text)
            piece = len(whole) // DRIPS_A_FRAME_MAX + 1
            for start in range(0, len(whole), piece):
                transport.write(whole[start : start + piece])
                await asyncio.sleep(0)
        else:
            await self.socket.send_frame(text, WSMsgType.TEXT)
        return True


def _as_frame(text: bytes) -> bytes:
    """A text frame of the socket's protocol, as a server writes it."""
    if len(text) < 126:
        return b"\x81" + bytes([len(text)]) + text
    if len(text) < 65_536:
        return b"\x81\x7e" + len(text).to_bytes(2, "big") + text
    return b"\x81\x7f" + len(text).to_bytes(8, "big") + text


class SocketHub:
    """All connected clients, and the handler of /socket."""

    def __init__(
        self,
        settings: UwSandboxSettings,
        faults: Faults,
        ledger: Ledger,
        clock: SimClock,
        count_refused_upgrade: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._faults = faults
        self._ledger = ledger
        self._clock = clock
        self._count_refused = count_refused_upgrade
        self._readers: set[_Reader] = set()
        self._held: list[_Reader] = []
        """Half open: they get and are asked nothing any more."""

    @property
    def readers(self) -> int:
        return len(self._readers)

    def joined(self) -> list[list[str]]:
        """Joined channels of each client."""
        return [sorted(reader.joined) for reader in self._readers]

    def _write(self, kind: str, **fields: str | int) -> None:
        self._ledger.write(kind, zulu(self._clock.now()), **fields)

    # -- handler -------------------------------------------------------------------------------

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """An upgrade on /socket, or the documentation path /api/socket."""
        refused = self._refusal(request)
        if refused is not None:
            return await self._refuse(request, *refused)
        if request.path == "/api/socket":
            if "upgrade" not in request.headers.get("Connection", "").lower():
                return web.json_response({"data": []})
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            _abort(request)
            return socket
        return await self._serve(request)

    def _refusal(self, request: web.Request) -> tuple[int, str, str] | None:
        if self._faults.refuse_upgrades:
            status = self._faults.refuse_upgrades.pop(0)
        elif request.query.get("token") != self._settings.token:
            status = 401
        elif self._faults.quota_spent:
            status = 429
        else:
            return None
        if status == 429:
            return 429, "daily_request_limit_hit", "The daily limit of requests was reached"
        return status, "authentication_required", "A valid token is required"

    async def _refuse(
        self, request: web.Request, status: int, code: str, message: str
    ) -> web.StreamResponse:
        """Chunked JSON, and a connection that stays open for a while after it."""
        self._write("upgrade_refused", status=status)
        self._count_refused()
        response = web.StreamResponse(status=status, headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(msgspec.json.encode({"code": code, "message": message}))
        with contextlib.suppress(ConnectionError):
            await asyncio.sleep(self._settings.refusal_hold_seconds)
            await response.write_eof()
        return response

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=True)
        await socket.prepare(request)
        limit = self._settings.reader_queue_messages_max
        reader = _Reader(socket, request, limit, self._ledger, self._faults)
        self._readers.add(reader)
        self._write("connected", clients=len(self._readers))
        writer = asyncio.create_task(reader.write(), name="uw-sandbox-writer")
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._receive(reader, str(message.data))
        finally:
            self._readers.discard(reader)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            self._write("disconnected", clients=len(self._readers))
        return socket

    def _receive(self, reader: _Reader, text: str) -> None:
        """Joins are answered; everything else is ignored, as the vendor does."""
        try:
            join = _join.decode(text)
        except msgspec.DecodeError:
            return
        if join.msg_type != "join":
            return
        if len(reader.joined) >= self._settings.joins_max and join.channel not in reader.joined:
            self._write("join_refused", channel=join.channel)
            if SILENT_JOINS in self._faults.habits:
                return
            reader.put_first(JOIN_LIMIT_TEXT.format(self._settings.joins_max).encode())
            return
        name = join.channel.partition(":")[0]
        known = join.channel in GLOBAL_CHANNELS or name in TICKER_CHANNELS
        if not known and not self._settings.acknowledges_unknown_channels:
            return
        reader.joined.add(join.channel)
        self._write("joined", channel=join.channel)
        answer = [join.channel, {"response": {}, "status": "ok"}]
        reader.put(0.0, msgspec.json.encode(answer))

    # -- pushing -------------------------------------------------------------------------------

    def wants(self, channel: str) -> bool:
        """Whether anybody joined the channel, by ticker or as a whole."""
        names = self._names(channel)
        return any(not names.isdisjoint(r.joined) for r in self._readers)

    def _names(self, channel: str) -> set[str]:
        """Under which a channel is joined."""
        names = {channel, channel.partition(":")[0]}
        if channel == "flow-alerts" and ALIAS in self._faults.habits:
            names.add(ALIAS)
        return names

    def push(self, channel: str, payload: bytes) -> None:
        """Send a payload to everybody who joined its channel, under the name they joined."""
        loop_time = asyncio.get_running_loop().time()
        if loop_time < self._faults.silent_until:
            return
        names = self._names(channel)
        if self._faults.habits:
            payload = habitual_payload(channel, payload, self._faults.habits)
        if self._faults.rewrites:
            payload = rewritten(channel, payload, self._faults.rewrites)
        copies = 1
        if self._faults.duplicate_frames > 0:
            self._faults.duplicate_frames -= 1
            copies = 2
        for reader in self._readers:
            for joined in names & reader.joined:
                for _ in range(copies):
                    self._put(reader, channel, loop_time, joined, payload)

    def _put(
        self, reader: _Reader, channel: str, loop_time: float, joined: str, payload: bytes
    ) -> None:
        if self._faults.reorder_frames > 0 and reader.queue:
            self._faults.reorder_frames -= 1
            newest = reader.queue.pop()
            reader.queue.append((newest[0], joined, payload))
            reader.queue.append(newest)
            self._ledger.sent[channel] += 1
        elif reader.put(loop_time + self._faults.delay_seconds, payload, joined):
            self._ledger.sent[channel] += 1
        else:
            self._ledger.dropped[channel] += 1

    async def push_raw(self, data: bytes, *, binary: bool) -> None:
        """Send bytes as they are to everybody: garbage on purpose. Text goes in queue order."""
        for reader in list(self._readers):
            if binary:
                await reader.socket.send_bytes(data)
            else:
                reader.put(0.0, data)

    async def disconnect(self, *, code: int | None) -> None:
        """End all connections: with a close frame of `code`, or without one."""
        self.drop_held()
        for reader in list(self._readers):
            if code is None:
                _abort(reader.request)
            else:
                await reader.socket.close(code=code)

    def hold(self) -> None:
        """Leave all connections half open."""
        for reader in self._readers:
            if reader.request.transport is not None:
                reader.request.transport.pause_reading()
            reader.queue.clear()
        self._held += self._readers
        self._readers.clear()

    def drop_held(self) -> None:
        """End those that are half open, without a close frame."""
        for reader in self._held:
            _abort(reader.request)
        self._held.clear()


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
