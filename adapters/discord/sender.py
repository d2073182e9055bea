"""Sends deliveries to Discord channels and finds them again.

Used by run/outbox, one task a channel: a spent rate-limit bucket holds up the call that used its
last token. REST alone, no gateway. discord.py keeps its address in one place for the process, so
there is one sender a process.

What goes wrong is sorted by what the vendor can have done. The library itself repeats after 500,
502, 504 and 524 with the same nonce; when any of its tries may have been accepted, a later
refusal or refused connection does not make the outcome NotSent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace

import aiohttp
import discord
from discord.http import Route

from adapters.discord.message import carries, embed, footer, limit_broken
from adapters.outcome import (
    LOOK_BACK,
    CannotTell,
    FindOutcome,
    Found,
    NotFound,
    NotSent,
    SendOutcome,
    Sent,
    Unknown,
    VendorUnavailable,
)
from adapters.redaction import hide_in_logs, redacted

HISTORY_MESSAGES_MAX = 1_000
RATE_LIMIT_SECONDS_MAX = 30.0
_LATER = frozenset({40004, 20016, 20028, 20029, 40062})
_REPLY_NEEDS_HISTORY = 160002
_TWIN_DELETED = 10008
_UNREADABLE = (TypeError, KeyError, ValueError, AttributeError)


@dataclass(slots=True)
class _Tries:
    """What became of the library's own tries inside one call."""

    maybe_accepted: str = ""


_tries: ContextVar[_Tries | None] = ContextVar("discord_tries", default=None)


async def _on_end(
    _: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestEndParams
) -> None:
    tries = _tries.get()
    if tries is not None and params.response.status >= 500:
        tries.maybe_accepted = f"an earlier try was answered {params.response.status}"


async def _on_exception(
    _: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestExceptionParams
) -> None:
    tries = _tries.get()
    if tries is not None and not isinstance(params.exception, aiohttp.ClientConnectorError):
        tries.maybe_accepted = f"an earlier try ended in {type(params.exception).__name__}"


def _trace() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(_on_end)
    trace.on_request_exception.append(_on_exception)
    return trace


class DiscordSender:
    """`base_url` is the API root, such as https://discord.com/api/v10; every message says `mode`.

    Every call ends within `timeout_seconds`. `login` may be left to the first call.
    """

    def __init__(
        self, base_url: str, token: str, mode: str, *, timeout_seconds: float = 15.0
    ) -> None:
        Route.BASE = base_url.rstrip("/")
        self._token = token
        self._mode = mode
        self._timeout_seconds = timeout_seconds
        self._client: discord.Client | None = None
        self._login_lock = asyncio.Lock()
        self._refused: VendorUnavailable | None = None
        hide_in_logs(("discord.http", "discord.client"), (token,))

    async def login(self) -> None:
        """Check the token and learn who we are; a no-op when that has happened.

        A refused token is not shown to the vendor again.

        Raises:
            VendorUnavailable: nothing was sent; permanent when the token is refused.
        """
        async with self._login_lock:
            if self._refused is not None:
                raise self._refused
            if self._client is not None:
                return
            client = discord.Client(
                intents=discord.Intents(guilds=True),
                max_ratelimit_timeout=RATE_LIMIT_SECONDS_MAX,
                http_trace=_trace(),
            )
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    await client.login(self._token)
            except BaseException as error:
                await client.close()
                raise self._unavailable(error) from None
            self._client = client

    def _token_refused(self) -> VendorUnavailable:
        """From now on nothing is asked: ten thousand 401s in ten minutes ban the address."""
        text = "the token must be valid, was refused"
        self._refused = VendorUnavailable("401", text, permanent=True)
        return self._refused

    def _unavailable(self, error: BaseException) -> BaseException:
        """What a failed log-in raises; a cancellation stays one."""
        if isinstance(error, discord.LoginFailure):
            return self._token_refused()
        if isinstance(error, discord.RateLimited):
            text = "rate limited at log-in"
            return VendorUnavailable("429", text, retry_after_seconds=error.retry_after)
        if isinstance(error, discord.HTTPException):
            wait = _retry_after(error) if error.status == 429 else None
            text = self._text(error)
            return VendorUnavailable(str(error.status), text, retry_after_seconds=wait)
        if isinstance(error, (TimeoutError, OSError, aiohttp.ClientError, *_UNREADABLE)):
            return VendorUnavailable("login", f"{type(error).__name__}: {self._text(error)}")
        return error

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def send(
        self,
        channel_id: int,
        title: str,
        body: str,
        fields: Mapping[str, str],
        nonce: str,
        marker: str,
        reply_to_message_id: str | None = None,
    ) -> SendOutcome:
        """Post one embed; `nonce` must be the same for each attempt of one delivery.

        A reply whose target is gone becomes a plain message.
        """
        signed = footer(marker, self._mode)
        broken = limit_broken(title, body, fields, nonce, signed)
        if broken:
            return NotSent(permanent=True, vendor_code="LIMIT", text=broken)
        made = embed(title, body, fields, signed)
        outcome = await self._attempt(channel_id, made, nonce, reply_to_message_id)
        if isinstance(outcome, NotSent) and outcome.vendor_code == str(_REPLY_NEEDS_HISTORY):
            return await self._attempt(channel_id, made, nonce, None)
        return outcome

    async def _attempt(
        self, channel_id: int, made: discord.Embed, nonce: str, reply_to: str | None
    ) -> SendOutcome:
        try:
            await self.login()
        except VendorUnavailable as error:
            return error.as_not_sent()
        tries = _Tries()
        mark = _tries.set(tries)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                sent = await self._create(channel_id, made, nonce, reply_to)
        except TimeoutError:
            return Unknown(f"no answer within {self._timeout_seconds:g} s")
        except (discord.DiscordException, aiohttp.ClientError, OSError, *_UNREADABLE) as error:
            return self._sorted(error, tries)
        finally:
            _tries.reset(mark)
        return Sent(remote_id=str(sent.id), remote_at=sent.created_at)

    async def _create(
        self, channel_id: int, made: discord.Embed, nonce: str, reply_to: str | None
    ) -> discord.Message:
        channel = self._channel(channel_id)
        nobody = discord.AllowedMentions.none()
        if reply_to is None:
            return await channel.send(embed=made, nonce=nonce, allowed_mentions=nobody)
        reference = discord.MessageReference(
            message_id=int(reply_to), channel_id=channel_id, fail_if_not_exists=False
        )
        return await channel.send(
            embed=made, nonce=nonce, allowed_mentions=nobody, reference=reference
        )

    def _channel(self, channel_id: int) -> discord.PartialMessageable:
        assert self._client is not None, "log-in comes before every call"
        return self._client.get_partial_messageable(channel_id)

    def _sorted(self, error: Exception, tries: _Tries) -> SendOutcome:
        """The bin of a failure."""
        text = self._text(error)
        name = type(error).__name__
        if isinstance(error, discord.RateLimited):
            refusal = NotSent(False, "429", "rate limited", error.retry_after)
        elif isinstance(error, discord.DiscordServerError):
            return Unknown(f"answered {error.status}: {text}")
        elif isinstance(error, discord.HTTPException) and 400 <= error.status < 500:
            refusal = self._refusal(error, text)
        elif isinstance(error, aiohttp.ClientConnectorError):
            refusal = NotSent(False, "connect", f"{name}: {text}")
        else:
            return Unknown(f"{name}: {text}")
        if tries.maybe_accepted:
            return Unknown(f"{tries.maybe_accepted}, then {refusal.vendor_code}: {refusal.text}")
        return refusal

    def _refusal(self, error: discord.HTTPException, text: str) -> NotSent:
        if error.status == 429:
            return NotSent(False, "429", text, _retry_after(error))
        if error.status == 401:
            return self._token_refused().as_not_sent()
        code = str(error.code or error.status)
        if error.code == _TWIN_DELETED:
            text = "it was sent before and has been removed by someone"
        return NotSent(permanent=error.code not in _LATER, vendor_code=code, text=text)

    def _text(self, error: BaseException) -> str:
        return redacted(str(error), (self._token,))

    async def find(self, channel_id: int, marker: str, since: datetime) -> FindOutcome:
        """Search the channel back to two minutes before `since`, the start of the attempt.

        Absence is proven only when the same listing shows some message: a bot that may not read
        history is given an empty list, which looks as if nothing had been sent.
        """
        try:
            await self.login()
            async with asyncio.timeout(self._timeout_seconds):
                return await self._search(channel_id, marker, since - LOOK_BACK)
        except TimeoutError:
            return CannotTell(f"no answer within {self._timeout_seconds:g} s")
        except VendorUnavailable as error:
            return CannotTell(str(error))
        except (discord.DiscordException, aiohttp.ClientError, OSError, *_UNREADABLE) as error:
            return CannotTell(f"{type(error).__name__}: {self._text(error)}")

    async def _search(self, channel_id: int, marker: str, after: datetime) -> FindOutcome:
        """Newest first, to the first message that is older than `after`."""
        channel = self._channel(channel_id)
        assert self._client is not None and self._client.user is not None
        hits: list[discord.Message] = []
        seen, oldest_seen = 0, 0
        async for message in channel.history(limit=HISTORY_MESSAGES_MAX):
            seen, oldest_seen = seen + 1, message.id
            if message.created_at < after:
                break
            if message.author.id == self._client.user.id and _carries(message, marker):
                hits.append(message)
        else:
            if seen >= HISTORY_MESSAGES_MAX and not hits:
                return CannotTell(f"more than {HISTORY_MESSAGES_MAX} messages since {after}")
        if hits:
            first = hits[-1]
            return Found(str(first.id), first.created_at, duplicates=len(hits) - 1)
        if not seen:
            return CannotTell("the channel lists no message at all: empty, or hidden from us")
        return NotFound(
            f"{seen} messages back to {oldest_seen} were listed for the time since "
            f"{after.isoformat()}, none carries the marker {marker}"
        )


def _carries(message: discord.Message, marker: str) -> bool:
    return any(carries(made.footer.text, marker) for made in message.embeds)


def _retry_after(error: discord.HTTPException) -> float | None:
    """The stated wait of a 429, seconds."""
    stated = error.response.headers.get("Retry-After")
    try:
        return float(stated) if stated is not None else None
    except ValueError:
        return None
