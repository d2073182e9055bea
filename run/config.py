"""Settings of every process, read once from the environment and .env, checked in full.

Variables carry the prefix STRIKETAPE_, but for DATABASE_URL and REDIS_URL. Secrets are SecretStr:
they are never printed. An unknown STRIKETAPE_ variable is refused, because a misspelt limit that
is silently ignored is worse than a start that fails.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.payloads.unusual_whales.channel_table import CHANNELS
from run.address import POSTGRES, REDIS, place

PREFIX = "STRIKETAPE_"
FILES = (Path(".env"), Path("var/demo/demo.env"))
"""Where settings are read from: the first that exists. The demo writes its own for the tools."""
FILE_VARIABLE = "ENV_FILE"
"""Names another file, which then must exist: the demo keeps a real .env out of its services."""


class Settings(BaseSettings):
    """One field a setting; `.env.example` lists them with a sentence each."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file_encoding="utf-8",
        # A name that is left empty in a copy of .env.example is not set.
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    database_url: str = Field(validation_alias="DATABASE_URL")
    redis_url: str = Field(validation_alias="REDIS_URL")
    mode: Literal["sandbox", "paper", "live"] = "sandbox"
    var_dir: Path = Path("var")

    api_host: str = "127.0.0.1"
    api_port: int = 8080
    operator_name: str = "operator"
    operator_password_hash: SecretStr = SecretStr("")
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    """0 serves no metrics; run/all gives each service a port of its own."""

    ib_host: str = "127.0.0.1"
    ib_port: int = 7497
    ib_trader_client_id: int = 1
    ib_data_client_id: int = 2
    ib_account: str = ""

    basket: tuple[str, ...] = (
        "AAPL", "AMZN", "AVGO", "GOOGL", "JPM", "LLY", "META", "MSFT", "NVDA", "XOM",
    )  # fmt: skip
    """Large members whose closing auction is watched, one broker line each."""

    seal_every_s: float = Field(60.0, gt=0)
    """Real seconds between two seals of the log; each UTC day is sealed at its end as well."""
    seal_key_file: str = ""
    """64 hex digits for the owner alone; without it VAR_DIR/seal.key, made by the first run."""
    seal_folder: str = ""
    """The second place, best on another disk or machine; without it VAR_DIR/seals."""

    archive_folder: str = ""
    """Where archived days go, and are read from; without it VAR_DIR/archive."""
    archive_market_after_days: int = Field(7, ge=1)
    """Hot window of market events: whole UTC days before today that stay in Postgres."""
    archive_desk_after_days: int = Field(731, ge=1)
    owner_database_url: SecretStr = SecretStr("")
    """The log as the owner of its tables, who alone may drop an archived day; without it
    DATABASE_URL, which in the demo is the owner."""

    uw_rest_url: str = "https://api.unusualwhales.com"
    uw_socket_url: str = "wss://api.unusualwhales.com/socket"
    uw_token: SecretStr = SecretStr("")
    uw_limit_factor: float = 1.0
    """Multiplies the 120 calls a minute; the sandbox allows 120 x SPEED."""
    record_feeds: bool = False
    """Whether the feeds keep what they hear of both vendors in VAR_DIR/recordings."""
    uw_channels_off: tuple[str, ...] = ()
    """Channels of the socket that are not joined although they are useful."""
    uw_channels_on: tuple[str, ...] = ()
    """Channels that are joined only on request, such as lit_trades:SPY."""

    discord_url: str = "https://discord.com/api/v10"
    discord_token: SecretStr = SecretStr("")
    discord_channel_premium: int = 0
    discord_channel_basic: int = 0
    discord_channel_free: int = 0

    telegram_url: str = "https://api.telegram.org/bot"
    telegram_token: SecretStr = SecretStr("")
    telegram_chat_id: int = 0
    telegram_allowed_users: tuple[int, ...] = ()

    x_url: str = "https://api.twitter.com"
    x_consumer_key: SecretStr = SecretStr("")
    x_consumer_secret: SecretStr = SecretStr("")
    x_access_token: SecretStr = SecretStr("")
    x_access_token_secret: SecretStr = SecretStr("")

    reddit_url: str = "https://www.reddit.com"
    reddit_oauth_url: str = "https://oauth.reddit.com"
    reddit_client_id: SecretStr = SecretStr("")
    reddit_client_secret: SecretStr = SecretStr("")
    reddit_username: str = ""
    reddit_password: SecretStr = SecretStr("")
    reddit_subreddit: str = ""

    claude_url: str = "https://api.anthropic.com"
    claude_api_key: SecretStr = SecretStr("")
    claude_model: str = "claude-haiku-5-5"

    publication_secret: SecretStr = SecretStr("")
    """Key of public ids, delivery markers and button signatures."""

    @field_validator("uw_channels_off", "uw_channels_on")
    @classmethod
    def _known_channels(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(names) - CHANNELS.keys())
        if unknown:
            raise ValueError(f"must be channels of docs/feeds.md, were {', '.join(unknown)}")
        return names

    @property
    def seal_key(self) -> Path:
        """The file of the key that signs seals."""
        return Path(self.seal_key_file or self.var_dir / "seal.key")

    @property
    def seals(self) -> Path:
        """The folder of heads and marks."""
        return Path(self.seal_folder or self.var_dir / "seals")

    @property
    def archive(self) -> Path:
        """The folder of archived days."""
        return Path(self.archive_folder or self.var_dir / "archive")


class SettingsError(Exception):
    """A setting is missing, unknown or wrong; the text names it and never shows a value."""


REMEDY = "set it in .env or the environment; .env.example says what each setting is for"


def variable(name: str) -> str:
    """The environment variable of a field."""
    alias = Settings.model_fields[name].validation_alias
    return str(alias) if alias else f"{PREFIX}{name}".upper()


def require(settings: Settings, names: Iterable[str]) -> None:
    """Refuse to go on without these.

    Raises:
        SettingsError: naming every one that is empty.
    """
    empty = []
    for name in names:
        value = getattr(settings, name)
        if not (value.get_secret_value() if isinstance(value, SecretStr) else value):
            empty.append(f"{variable(name)} must be set, was empty")
    if empty:
        raise SettingsError(f"settings: {'; '.join(empty)}; {REMEDY}")


def settings_file() -> Path | None:
    """The file that settings are read from; None when there is none.

    Raises:
        SettingsError: ENV_FILE names a file that is not there.
    """
    named = os.environ.get(FILE_VARIABLE, "")
    if not named:
        return next((path for path in FILES if path.exists()), None)
    if not Path(named).is_file():
        raise SettingsError(f"{FILE_VARIABLE} must name a file of settings, was {named}")
    return Path(named)


def without_demo() -> str:
    """What to add when the log cannot be reached: a demo's ends with the demo."""
    if "DATABASE_URL" in os.environ or settings_file() != FILES[1]:
        return ""
    return "; the demo's log can be asked while `make demo` or `make demo-review` runs"


def load_settings() -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: naming every setting that is missing, unknown or malformed.
    """
    file = settings_file()
    given = {*os.environ, *(dotenv_values(file) if file else ())}
    known = {variable(name) for name in Settings.model_fields}
    unknown = sorted(
        name for name in given if name.startswith(PREFIX) and name.upper() not in known
    )
    if unknown:
        raise SettingsError(f"unknown settings: {', '.join(unknown)}; .env.example has them all")
    try:
        settings = Settings(_env_file=file)
    except ValidationError as error:
        # The input stays out of it: it may be a secret.
        lines = [
            _complaint(str(item["loc"][0]), item["type"], item["msg"])
            for item in error.errors(include_input=False, include_url=False)
        ]
        raise SettingsError(f"settings: {'; '.join(lines)}; {REMEDY}") from None
    check_address("database_url", settings.database_url)
    check_address("redis_url", settings.redis_url)
    check_address("owner_database_url", settings.owner_database_url.get_secret_value())
    return settings


_SCHEMES: Mapping[str, tuple[str, ...]] = {
    "database_url": POSTGRES,
    "redis_url": REDIS,
    "owner_database_url": POSTGRES,
}


def check_address(name: str, address: str) -> None:
    """Refuse an address that no client can read, or that two would read differently.

    Raises:
        SettingsError: naming the setting, and never showing any of the address.
    """
    try:
        if address:
            place(address, _SCHEMES[name])
    except ValueError as error:
        raise SettingsError(f"settings: {variable(name)} {error}; {REMEDY}") from None


def _complaint(name: str, kind: str, message: str) -> str:
    shown = variable(name) if name in Settings.model_fields else name
    return f"{shown} must be set, was not" if kind == "missing" else f"{shown}: {message}"


def shown(settings: Settings) -> dict[str, str]:
    """The settings as an event or a log may show them: no secret, and of an address no more than
    host, port and database."""
    result: dict[str, str] = {}
    for name, value in settings:
        if isinstance(value, SecretStr):
            result[name] = "set" if value.get_secret_value() else "not set"
        elif name in _SCHEMES:
            result[name] = _place(name, value)
        else:
            result[name] = str(value)
    return result


def _place(name: str, address: str) -> str:
    try:
        return place(address, _SCHEMES[name])
    except ValueError:
        return "not an address"
