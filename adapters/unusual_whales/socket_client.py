"""The Unusual Whales socket as an async iterator of messages, reconnecting by itself.

One task reads and never waits for the consumer; what it read lies in a bounded queue. When that
is full the connection is given up on purpose, because a known gap can be filled and a silent loss
cannot. There is no replay: after each connection all channels are joined anew, and the caller
fills the gap over REST. The token is in the URL and therefore in no log and no error text.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, Self, TypeAlias

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

QUEUE_MESSAGES_MAX = 250_000
CHANNELS_MAX = 50
HANDSHAKE_SECONDS_MAX = 15.0
PING_SECONDS = 25.0
FRAME_BYTES_MAX = 8 * 1024 * 1024
REFUSED_RETRY_SECONDS = 60.0
"""Refused upgrades may count against the day quota: never hurry after one."""


@dataclass(frozen=True, slots=True)
class UwMessage:
    """One data frame: `payload` is element 1 of it, byte for byte."""

    channel: str
    payload: bytes
    connection: str
    sequence: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class UwRejected:
    """Bytes that are no data frame, with the reason."""

    reason: str
    raw: bytes
    connection: str
    sequence: int
    received_at: datetime


UwItem: TypeAlias = UwMessage | UwRejected


@dataclass(frozen=True, slots=True)
class UwSocketState:
    """connected: upgraded, joins sent; ready: all joins acknowledged; down: no connection."""

    state: Literal["connected", "ready", "down"]
    reason: str
    connection: str
    is_overrun: bool = False
    """The connection was given up because the queue was full."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits between connections: doubled from first to last, half to one and a half of it."""

    first_seconds: float = 1.0
    last_seconds: float = 60.0
    refused_seconds: float = REFUSED_RETRY_SECONDS

    def seconds(self, failures: int, chance: random.Random) -> float:
        wait = min(self.last_seconds, self.first_seconds * 2 ** min(failures, 16))
        return float(wait * (0.5 + chance.random()))


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _ignore(_: UwSocketState) -> None:
    return None


class _Refused(Exception):
    """The upgrade was answered with an HTTP status."""


class UwSocket:
    """`async with UwSocket(url, token, channels) as socket: async for item in socket: ...`"""

    def __init__(
        self,
        url: str,
        token: str,
        channels: Sequence[str],
        *,
        on_state: Callable[[UwSocketState], None] = _ignore,
        now: Callable[[], datetime] = _utc_now,
        backoff: Backoff | None = None,
        queue_messages_max: int = QUEUE_MESSAGES_MAX,
    ) -> None:
        """
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
        self._names = frozenset(channels)
        self._on_state = on_state
        self._now = now
        self._backoff = backoff or Backoff()
        self._queue_max = queue_messages_max
        self._queue: deque[UwItem] = deque()
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None
        self._connection = ""
        self._sequence = 0
        self._missing: set[str] = set()
        self._was_ready = self._is_overrun = False
        self._chance = random.Random()  # noqa: S311  jitter, no secret
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
        if len(self._queue) <= self._queue_max // 2:
            self._taken.set()
        return batch

    # -- the reader ----------------------------------------------------------------------------

    async def _run(self) -> None:
        failures = 0
        while True:
            self._was_ready = self._is_overrun = False
            wait = None
            try:
                reason = await self._connect_and_read()
            except _Refused as refused:
                reason, wait = str(refused), self._backoff.refused_seconds
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                # The text of a client error may hold the URL, and the URL holds the token.
                reason = f"connection failed: {type(error).__name__}"
            self._on_state(UwSocketState("down", reason, self._connection, self._is_overrun))
            failures = 0 if self._was_ready else failures + 1
            while len(self._queue) > self._queue_max // 2:
                self._taken.clear()
                await self._taken.wait()
            if wait is None:
                wait = self._backoff.seconds(failures, self._chance)
            await asyncio.sleep(wait)

    async def _connect_and_read(self) -> str:
        assert self._session is not None
        self._connection = secrets.token_hex(8)
        self._sequence = 0
        self._missing = set(self._channels)
        self.refused_joins = {}
        address = URL(self._url).update_query(token=self._token)
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS_MAX):
                socket = await self._session.ws_connect(
                    address,
                    heartbeat=PING_SECONDS,
                    max_msg_size=FRAME_BYTES_MAX,
                    decode_text=False,
                )
        except aiohttp.WSServerHandshakeError as error:
            raise _Refused(f"upgrade must be answered with 101, was {error.status}") from None
        try:
            self._on_state(UwSocketState("connected", "", self._connection))
            for channel in self._channels:
                join = msgspec.json.encode({"channel": channel, "msg_type": "join"})
                await socket.send_frame(join, aiohttp.WSMsgType.TEXT)
            return await self._read(socket)
        finally:
            await socket.close()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> str:
        while True:
            message = await socket.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                self._receive(message.data)
                if len(self._queue) >= self._queue_max:
                    self._is_overrun = True
                    return f"queue full at {self._queue_max} messages: reading stopped"
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
                self._put(
                    UwMessage(channel, payload, self._connection, self._sequence, self._now())
                )
            case JoinAnswer():
                self._joined(frame, raw)
            case UnreadableFrame(reason):
                self._sequence -= 1
                self._reject(reason, raw)

    def _joined(self, answer: JoinAnswer, raw: bytes) -> None:
        self._missing.discard(answer.channel)
        if not answer.is_accepted:
            self.refused_joins[answer.channel] = answer.detail
            self._sequence -= 1
            self._reject(f"join of {answer.channel} refused: {answer.detail}", raw)
        if not self._missing:
            refused = ", ".join(sorted(self.refused_joins))
            self._was_ready = True
            self._on_state(
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
        self._arrived.set()
