"""The five people vendors as the outbox uses them: one place that knows which client sends what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from adapters.claude.answers import DraftAnswer, DraftError
from adapters.claude.late_writer import LateWriter
from adapters.discord.sender import DiscordSender
from adapters.outcome import CannotTell, FindOutcome, NotSent, SendOutcome, Sent, delivery_marker
from adapters.reddit.poster import RedditAccount, RedditPoster, with_marker
from adapters.telegram.bot import TelegramBot
from adapters.telegram.buttons import button_data
from adapters.telegram.text import escaped
from adapters.x.poster import XKeys, XPoster
from domain.distribution.approvals import APPROVE, REJECT
from domain.events.approvals import ApprovalRequested
from domain.events.publication import DeliveryScheduled, Vendor
from run.config import Settings
from run.remedies import remedy

PROMPT_TRIES_MAX = 8
PROMPT_RETRY_SECONDS = 1.0
PROMPT_RETRY_SECONDS_MAX = 30.0


class Desks:
    """Routes deliveries, prompts and drafts to their clients."""

    def __init__(
        self,
        settings: Settings,
        discord: DiscordSender,
        telegram: TelegramBot,
        x: XPoster,
        reddit: RedditPoster,
        claude: LateWriter,
    ) -> None:
        self._secret = settings.publication_secret.get_secret_value().encode()
        self._chat_id = settings.telegram_chat_id
        self._subreddit = settings.reddit_subreddit
        self._channels = {
            "premium": settings.discord_channel_premium,
            "basic": settings.discord_channel_basic,
            "free": settings.discord_channel_free,
        }
        self._discord = discord
        self._telegram = telegram
        self._x = x
        self._reddit = reddit
        self._claude = claude
        self._prompts: dict[str, list[tuple[int, int, str]]] = {}

    async def send(self, scheduled: DeliveryScheduled, nonce: str, reply_to: str) -> SendOutcome:
        """One attempt at one delivery."""
        marker = delivery_marker(self._secret, scheduled.delivery_id)
        match scheduled.vendor:
            case Vendor.DISCORD:
                return await self._discord.send(
                    self._channels[scheduled.channel],
                    scheduled.title,
                    scheduled.body,
                    scheduled.fields,
                    nonce,
                    marker,
                    reply_to or None,
                )
            case Vendor.X:
                return await self._x.post(scheduled.body)
            case Vendor.REDDIT:
                text = with_marker(scheduled.body, marker)
                return await self._reddit.submit(self._subreddit, scheduled.title, text)
            case Vendor.TELEGRAM:
                html = f"<b>{escaped(scheduled.title)}</b>\n{escaped(scheduled.body)}"
                return await self._telegram.send(self._chat_id, html)

    async def find(self, scheduled: DeliveryScheduled, since: datetime) -> FindOutcome:
        """Ask the vendor what it has of a delivery whose outcome is unknown."""
        marker = delivery_marker(self._secret, scheduled.delivery_id)
        match scheduled.vendor:
            case Vendor.DISCORD:
                channel = self._channels[scheduled.channel]
                return await self._discord.find(channel, marker, since)
            case Vendor.X:
                return await self._x.find(scheduled.body, since)
            case Vendor.REDDIT:
                return await self._reddit.find(marker, since)
            case Vendor.TELEGRAM:
                return CannotTell("a bot cannot read back what it sent")

    async def prompt(self, request: ApprovalRequested) -> tuple[int, int] | str:
        """Ask for an approval: (chat, message), or why nobody could be asked. Repeats are
        harmless."""
        buttons = [
            (label, button_data(self._secret, verb, request.approval_id, request.revision))
            for label, verb in (("Approve", APPROVE), ("Reject", REJECT))
        ]
        html = (
            f"<b>{escaped(request.kind)}</b> for {escaped(', '.join(request.targets))}\n\n"
            f"{escaped(request.text)}"
        )
        wait, why = PROMPT_RETRY_SECONDS, ""
        for _ in range(PROMPT_TRIES_MAX):
            outcome = await self._telegram.send_approval(self._chat_id, html, buttons)
            if isinstance(outcome, Sent):
                message_id = int(outcome.remote_id)
                known = self._prompts.setdefault(request.approval_id, [])
                known.append((self._chat_id, message_id, html))
                return self._chat_id, message_id
            why = outcome.text if isinstance(outcome, NotSent) else outcome.reason
            if isinstance(outcome, NotSent) and outcome.permanent:
                return f"{why}: {remedy(Vendor.TELEGRAM, outcome.vendor_code)}"
            await asyncio.sleep(wait)
            wait = min(2 * wait, PROMPT_RETRY_SECONDS_MAX)
        return f"{PROMPT_TRIES_MAX} tries: {why}: look whether Telegram can be reached from here"

    async def close_prompts(self, approval_id: str, verdict: str) -> None:
        """Write the outcome under every prompt of an approval and take its buttons away."""
        for chat_id, message_id, html in self._prompts.pop(approval_id, []):
            await self._telegram.edit(chat_id, message_id, f"{html}\n\n<b>{escaped(verdict)}</b>")

    async def answer(self, callback_id: str, text: str) -> None:
        """Tell the presser; when that comes too late the decision stands all the same."""
        await self._telegram.answer(callback_id, text)

    async def draft(
        self, system: str, facts: str, schema: dict[str, object], tokens_max: int
    ) -> DraftAnswer | DraftError:
        return await self._claude.draft(system, facts, schema, tokens_max)


@asynccontextmanager
async def open_desks(settings: Settings) -> AsyncIterator[Desks]:
    """Clients for all five vendors; they log in with their first call and close at the end."""
    discord = DiscordSender(
        settings.discord_url, settings.discord_token.get_secret_value(), settings.mode
    )
    telegram = TelegramBot(
        settings.telegram_url, settings.telegram_token.get_secret_value(), settings.mode
    )
    x = XPoster(
        settings.x_url,
        XKeys(
            consumer_key=settings.x_consumer_key.get_secret_value(),
            consumer_secret=settings.x_consumer_secret.get_secret_value(),
            access_token=settings.x_access_token.get_secret_value(),
            access_token_secret=settings.x_access_token_secret.get_secret_value(),
        ),
        lambda: datetime.now(UTC),
    )
    reddit = RedditPoster(
        settings.reddit_url,
        settings.reddit_oauth_url,
        RedditAccount(
            client_id=settings.reddit_client_id.get_secret_value(),
            client_secret=settings.reddit_client_secret.get_secret_value(),
            username=settings.reddit_username,
            password=settings.reddit_password.get_secret_value(),
        ),
    )
    claude = LateWriter(
        settings.claude_url, settings.claude_api_key.get_secret_value(), settings.claude_model
    )
    try:
        yield Desks(settings, discord, telegram, x, reddit, claude)
    finally:
        for client in (discord, telegram, x, reddit, claude):
            await client.close()
