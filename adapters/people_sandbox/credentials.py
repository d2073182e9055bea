"""The accounts that the people sandboxes know. They open nothing but the sandboxes.

run/ configures the clients with the same values when the mode is sandbox.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SandboxAccounts:
    """Tokens, names and places of the simulated vendors."""

    discord_token: str = "sandbox-discord-token"  # noqa: S105
    discord_channels: tuple[int, ...] = (1001, 1002, 1003)
    """Premium, basic, free."""
    telegram_token: str = "777:sandbox-telegram-token"  # noqa: S105
    telegram_operator_id: int = 9001
    """The operator's user id and, in a private chat, chat id."""
    telegram_chats: tuple[int, ...] = (9001,)
    x_consumer_key: str = "sandbox-consumer-key"
    x_consumer_secret: str = "sandbox-consumer-secret"  # noqa: S105
    x_access_token: str = "55-sandbox-access-token"  # noqa: S105
    x_access_token_secret: str = "sandbox-access-token-secret"  # noqa: S105
    x_user_id: str = "55"
    reddit_client_id: str = "sandbox-client-id"
    reddit_client_secret: str = "sandbox-client-secret"  # noqa: S105
    reddit_username: str = "striketape_desk"
    reddit_password: str = "sandbox-reddit-password"  # noqa: S105
    reddit_refresh_token: str = "sandbox-refresh-token"  # noqa: S105
    reddit_subreddits: tuple[str, ...] = ("striketape",)
    claude_api_key: str = "sandbox-claude-key"
