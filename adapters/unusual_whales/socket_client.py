"""The Unusual Whales socket as an async iterator of messages, reconnecting by itself.

One task reads and never waits for the consumer; what it read lies in a bounded queue. When that
is full the connection is given up on purpose, because a known gap can be filled and a silent loss
cannot. There is no replay: after each connection all channels are joined anew, and the caller
fills the gap over REST. The token is in the URL and therefore in no log and no error text.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import aiohttp
import msgspec
from yarl import URL

from adapters.unusual_whales.frame import (
    DataFrame,
    JoinAnswer,
    UnreadableFrame,
    read_frame,
    redact,
)
from adapters.unusual_whales.reconnects import Backoff, Reconnects
from adapters.unusual_whales.socket_contract import (
    UwItem,
    UwJoin,
    UwMessage,
    UwRejected,
    UwSocketListener,
    UwSocketState,
    UwSocketTiming,
)

QUEUE_MESSAGES_MAX = 250_000
QUEUE_BYTES_MAX = 256 * 1024 * 1024
CHANNELS_MAX = 50
HANDSHAKE_SECONDS_MAX = 15.0
CLOSE_SECONDS_MAX = 2.0
FRAME_BYTES_MAX = 8 * 1024 * 1024


def _utc_now() -> datetime:
    return datetime.now(UTC)


class _Refused(Exception):
    """The upgrade was answered with an HTTP status, or no join was accepted."""


class UwSocket:
    """`async with UwSocket(url, token, channels) as socket: async for item in socket: ...`"""

    def __init__(
        self,
        url: str,
        token: str,
        channels: Sequence[str],
        listener: UwSocketListener,
        *,
        now: Callable[[], datetime] = _utc_now,
        backoff: Backoff | None = None,
        timing: UwSocketTiming | None = None,
        queue_messages_max: int = QUEUE_MESSAGES_MAX,
        queue_bytes_max: int = QUEUE_BYTES_MAX,
        heard: Callable[[bytes], None] | None = None,
    ) -> None:
        """`heard` is told every text frame as it came, answers to joins too.

        Raises:
            ValueError: more channels than a connection carries, or one twice.
        """
        if len(channels) > CHANNELS_MAX or len(set(channels)) != len(channels):
            raise ValueError(
                f"channels must be at most {CHANNELS_MAX} and distinct, was {len(channels)}"
            )
        self._url = url
        self._token = token
        self._channels = tuple(channels)
        self._names = set(channels)
        self._listener = listener
        self._now = now
        self._reconnects = Reconnects(backoff or Backoff())
        self._timing = timing or UwSocketTiming()
        self._queue_max = queue_messages_max
        self._queue_bytes_max = queue_bytes_max
        self._heard = heard
        self._queue: deque[UwItem] = deque()
        self._queued_bytes = 0
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None
        self._connection = ""
        self._sequence = 0
        self._socket: aiohttp.ClientWebSocketResponse[bool] | None = None
        self._missing: set[str] = set()
        self._is_ready = self._is_overrun = False
        self._said = ""
        """The last text that was no frame while joins were unanswered."""
        self._end_reason: asyncio.Future[str] | None = None
        self.refused_joins: dict[str, str] = {}
        """Channels whose join was refused on this connection, with the reason."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        self._task = asyncio.create_task(self._run(), name="uw-socket")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection; what is queued can still be taken."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        self._arrived.set()

    @property
    def queue_depth(self) -> int:
        return len(self._queue)

    @property
    def missing_joins(self) -> frozenset[str]:
        """Channels joined on this connection whose join is not answered yet."""
        return frozenset(self._missing)

    async def __aiter__(self) -> AsyncIterator[UwItem]:
        while batch := await self.take(1):
            yield batch[0]

    async def take(self, limit: int) -> list[UwItem]:
        """At least one and at most `limit` messages, in order; empty once it is closed and drained.

        Raises:
            Exception: the reader met a defect; the connection is gone.
        """
        while not self._queue:
            if self._task is None or self._task.done():
                if self._task is not None and not self._task.cancelled():
                    self._task.result()
                return []
            self._arrived.clear()
            waiter = asyncio.ensure_future(self._arrived.wait())
            try:
                await asyncio.wait({waiter, self._task}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiter.cancel()
        batch = [self._queue.popleft() for _ in range(min(limit, len(self._queue)))]
        self._queued_bytes -= sum(map(_size, batch))
        if self._is_half_empty:
            self._taken.set()
        return batch

    @property
    def _is_half_empty(self) -> bool:
        return (
            len(self._queue) <= self._queue_max // 2
            and self._queued_bytes <= self._queue_bytes_max // 2
        )

    # -- what the caller may ask of a connection -----------------------------------------------

    async def join(self, channel: str) -> None:
        """Join one more channel on this connection, if there is one and it lives; not on the next.

        Raises:
            ValueError: the connection carries no more channels.
        """
        socket = self._socket
        if socket is None or socket.closed or channel in self._names:
            return
        if len(self._names) >= CHANNELS_MAX:
            raise ValueError(f"channels must be at most {CHANNELS_MAX}, {channel} is one more")
        self._names.add(channel)
        self._missing.add(channel)
        with suppress(aiohttp.ClientError, OSError):
            await self._send_joins(socket, (channel,))

    def give_up(self, reason: str) -> None:
        """End this connection and make another: it does not bring what it should."""
        if self._end_reason is not None and not self._end_reason.done():
            self._end_reason.set_result(reason)

    # -- the reader ----------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            self._is_overrun = False
            began = self._loop_time()
            is_refused = False
            try:
                reason = await self._connect_and_read()
            except _Refused as refused:
                reason, is_refused = str(refused), True
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                # The text of a client error may hold the URL, and the URL holds the token.
                reason = f"connection failed: {type(error).__name__}"
            self._socket = None
            self._listener.on_state(
                UwSocketState("down", reason, self._connection, self._is_overrun)
            )
            wait = self._reconnects.seconds(self._loop_time() - began, is_refused=is_refused)
            while not self._is_half_empty:
                self._taken.clear()
                await self._taken.wait()
            await asyncio.sleep(wait)

    @staticmethod
    def _loop_time() -> float:
        return asyncio.get_running_loop().time()

    async def _connect_and_read(self) -> str:
        assert self._session is not None
        self._connection = secrets.token_hex(8)
        self._sequence = 0
        self._names = set(self._channels)
        self._missing = set(self._channels)
        self._is_ready = False
        self.refused_joins = {}
        address = URL(self._url).update_query(token=self._token)
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS_MAX):
                socket = await self._session.ws_connect(
                    address,
                    heartbeat=self._timing.ping_seconds,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS_MAX),
                    max_msg_size=FRAME_BYTES_MAX,
                    decode_text=False,
                )
        except aiohttp.WSServerHandshakeError as error:
            raise _Refused(f"upgrade must be answered with 101, was {error.status}") from None
        try:
            return await self._join_and_read(socket)
        finally:
            await socket.close()

    async def _join_and_read(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> str:
        self._socket = socket
        self._listener.on_state(UwSocketState("connected", "", self._connection))
        await self._send_joins(socket, self._channels)
        ending = self._end_reason = asyncio.get_running_loop().create_future()
        reading = asyncio.create_task(self._read(socket), name="uw-socket-reader")
        try:
            await asyncio.wait({reading, ending}, return_when=asyncio.FIRST_COMPLETED)
            reason = reading.result() if reading.done() else ending.result()
        finally:
            ending.cancel()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        if self._is_refused:
            raise _Refused(reason)
        return reason

    @property
    def _is_refused(self) -> bool:
        return all(channel in self.refused_joins for channel in self._channels)

    async def _send_joins(
        self, socket: aiohttp.ClientWebSocketResponse[bool], channels: Sequence[str]
    ) -> None:
        for channel in channels:
            join = msgspec.json.encode({"channel": channel, "msg_type": "join"})
            await socket.send_frame(join, aiohttp.WSMsgType.TEXT)
        asyncio.get_running_loop().call_later(
            self._timing.join_seconds_max, self._end_joins, channels, self._connection
        )

    def _end_joins(self, channels: Sequence[str], connection: str) -> None:
        """Joins that are not answered by now, on a connection that lives, count as refused."""
        late = [channel for channel in channels if channel in self._missing]
        if connection != self._connection or self._socket is None or not late:
            return
        said = f"; the vendor said: {self._said}" if self._said else ""
        reason = f"not answered within {self._timing.join_seconds_max:g} s{said}"
        for channel in late:
            self._answered(channel, reason)

    async def _read(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> str:
        while True:
            message = await socket.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                if self._heard is not None:
                    self._heard(message.data)
                self._receive(message.data)
                if len(self._queue) >= self._queue_max:
                    self._is_overrun = True
                    return f"queue full at {self._queue_max} messages: reading stopped"
                if self._queued_bytes >= self._queue_bytes_max:
                    self._is_overrun = True
                    return f"queue full at {self._queued_bytes} bytes: reading stopped"
            elif message.type is aiohttp.WSMsgType.BINARY:
                self._reject("frame must be text, was binary", message.data)
            elif message.type is aiohttp.WSMsgType.ERROR:
                return f"connection lost: {type(message.data).__name__}"
            else:
                return f"connection ended with code {socket.close_code}"

    def _receive(self, raw: bytes) -> None:
        frame = read_frame(raw, self._token, self._names)
        self._sequence += 1
        match frame:
            case DataFrame(channel, payload):
                message = UwMessage(channel, payload, self._connection, self._sequence, self._now())
                self._put(message)
                self._listener.on_data(message)
            case JoinAnswer(channel, is_accepted, detail):
                if not is_accepted:
                    self._sequence -= 1
                    self._reject(f"join of {channel} refused: {detail}", raw)
                self._answered(channel, "" if is_accepted else detail or "refused")
            case UnreadableFrame(reason):
                self._sequence -= 1
                self._reject(reason, raw)
                if self._missing:
                    self._said = redact(raw.decode(errors="replace"), self._token)

    def _answered(self, channel: str, refusal: str) -> None:
        self._missing.discard(channel)
        if refusal:
            self.refused_joins[channel] = refusal
        else:
            self.refused_joins.pop(channel, None)
        self._listener.on_join(UwJoin(channel, not refusal, refusal, self._connection, self._now()))
        if self._is_refused:
            self.give_up(f"no join was accepted: {refusal}")
        elif not self._missing and not self._is_ready:
            self._is_ready = True
            refused = ", ".join(sorted(self.refused_joins))
            self._said = ""
            self._listener.on_state(
                UwSocketState("ready", f"refused: {refused}" if refused else "", self._connection)
            )

    def _reject(self, reason: str, raw: bytes) -> None:
        self._sequence += 1
        clean = raw.replace(self._token.encode(), b"***") if self._token else raw
        self._put(
            UwRejected(
                redact(reason, self._token), clean, self._connection, self._sequence, self._now()
            )
        )

    def _put(self, item: UwItem) -> None:
        self._queue.append(item)
        self._queued_bytes += _size(item)
        self._arrived.set()


def _size(item: UwItem) -> int:
    return len(item.payload if isinstance(item, UwMessage) else item.raw)
