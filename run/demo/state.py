"""What the demo keeps between runs: ports, secrets of its sandboxes, the day it is in.

In var/demo, readable by its owner alone. `make demo-reset` removes it with log and ledgers.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

from adapters.market_model.scenario import SCENARIOS, TREND_DAY
from adapters.people_sandbox.credentials import SandboxAccounts
from run.demo.recording import RESET, OtherSession, next_session, require_same
from run.embedded import free_port
from run.services import SERVICES

FILE = "state.json"
SESSION_OVER = "session-over"
"""A file beside the state: the next start goes on with the session after this one."""
PORT_NAMES = (
    "postgres", "valkey", "tws", "uw", "market_control", "discord", "telegram", "x", "reddit",
    "claude", "people_control", "api",
)  # fmt: skip
METRICS_PORTS = 2 * len(SERVICES)
ACCOUNT = "DU1234567"
UW_TOKEN = "00000000-0000-4000-8000-00000000d340"  # noqa: S105  opens the sandbox alone


@dataclass(slots=True)
class DemoState:
    """Ports of this checkout's demo, its publication key, and the session it is at."""

    seed: int
    session_date: str
    recording: str = ""
    scenario: str = TREND_DAY.name
    first_date: str = ""
    """The log's first session; the same command as then goes on from the log."""
    ports: dict[str, int] = field(default_factory=dict)
    publication_secret: str = ""
    verified: int = 0
    """Log position up to which every worker's decisions were run again and came out the same."""
    is_new: bool = False
    """Made by this run; not kept."""

    def __post_init__(self) -> None:
        self.first_date = self.first_date or self.session_date

    @property
    def day(self) -> date:
        return date.fromisoformat(self.session_date)

    def require_same(self, day: date | None, recording: str, *, is_over: bool) -> None:
        """Refuse another session or market than the log's.

        Raises:
            OtherSession: naming what the log is of and how to go on.
        """
        later = [next_session(self.day, self.recording)] if is_over else []
        days = (date.fromisoformat(self.first_date), self.day, *later)
        require_same(days, self.recording, day, recording)

    def go_on_with(self, scenario: str, *, is_over: bool) -> None:
        """Play another scenario from the next session on; nothing asked for keeps this one.

        Raises:
            OtherSession: the session that plays another one is not over.
        """
        if scenario not in ("", self.scenario) and not is_over:
            raise OtherSession(
                f"session {self.session_date} plays scenario {self.scenario} and is not over, "
                f"asked for was {scenario}; {RESET}"
            )
        self.scenario = scenario or self.scenario


def load(
    folder: Path, seed: int, day: date | None, recording: str, scenario: str = ""
) -> DemoState:
    """The kept state, or a new one; ports that are taken now are replaced. A scenario that is asked
    for begins with a session.

    Raises:
        OtherSession: the kept log is of another market or day.
    """
    path = folder / FILE
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists():
        state = DemoState(**json.loads(path.read_text()))
        is_over = (folder / SESSION_OVER).exists()
        state.require_same(day, recording, is_over=is_over)
        state.go_on_with(scenario, is_over=is_over)
    else:
        scenario = scenario or TREND_DAY.name
        first = day or SCENARIOS[scenario].session_date
        state = DemoState(seed, first.isoformat(), recording, scenario)
        state.publication_secret = secrets.token_hex(32)
        state.is_new = True
    for name in PORT_NAMES:
        if not _is_free(state.ports.get(name, 0)):
            state.ports[name] = free_port()
    others = {state.ports[name] for name in PORT_NAMES}
    if not _are_free(state.ports.get("metrics", 0), others):
        state.ports["metrics"] = next(p for _ in range(100) if _are_free(p := free_port(), others))
    save(folder, state)
    return state


def save(folder: Path, state: DemoState) -> None:
    path = folder / FILE
    partial = path.with_suffix(".new")
    kept = asdict(state)
    del kept["is_new"]
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(kept, file, indent=1)
    partial.rename(path)


def _are_free(first: int, others: Collection[int]) -> bool:
    """Whether the ports of the services' metrics are, and none of the others is among them."""
    wanted = range(first, first + METRICS_PORTS)
    return first > 0 and all(port not in others and _is_free(port) for port in wanted)


def _is_free(port: int) -> bool:
    if not 0 < port < 65_536:
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def environment(state: DemoState, database_url: str, redis_url: str, var: Path) -> dict[str, str]:
    """Settings of the services: every vendor address is a sandbox on loopback."""
    port, accounts = state.ports, SandboxAccounts()
    local = "http://127.0.0.1"
    tiers = zip(("PREMIUM", "BASIC", "FREE"), accounts.discord_channels, strict=True)
    settings = {
        "MODE": "sandbox",
        "VAR_DIR": str(var),
        "API_PORT": str(port["api"]),
        "IB_PORT": str(port["tws"]),
        "IB_ACCOUNT": ACCOUNT,
        "UW_REST_URL": f"{local}:{port['uw']}",
        "UW_SOCKET_URL": f"ws://127.0.0.1:{port['uw']}/socket",
        "UW_TOKEN": UW_TOKEN,
        "UW_LIMIT_FACTOR": "6",
        "DISCORD_URL": f"{local}:{port['discord']}/api/v10",
        "DISCORD_TOKEN": accounts.discord_token,
        **{f"DISCORD_CHANNEL_{tier}": str(channel) for tier, channel in tiers},
        "TELEGRAM_URL": f"{local}:{port['telegram']}/bot",
        "TELEGRAM_TOKEN": accounts.telegram_token,
        "TELEGRAM_CHAT_ID": str(accounts.telegram_chats[0]),
        "TELEGRAM_ALLOWED_USERS": f"[{accounts.telegram_operator_id}]",
        "X_URL": f"{local}:{port['x']}",
        "X_CONSUMER_KEY": accounts.x_consumer_key,
        "X_CONSUMER_SECRET": accounts.x_consumer_secret,
        "X_ACCESS_TOKEN": accounts.x_access_token,
        "X_ACCESS_TOKEN_SECRET": accounts.x_access_token_secret,
        "REDDIT_URL": f"{local}:{port['reddit']}",
        "REDDIT_OAUTH_URL": f"{local}:{port['reddit']}",
        "REDDIT_CLIENT_ID": accounts.reddit_client_id,
        "REDDIT_CLIENT_SECRET": accounts.reddit_client_secret,
        "REDDIT_USERNAME": accounts.reddit_username,
        "REDDIT_PASSWORD": accounts.reddit_password,
        "REDDIT_SUBREDDIT": accounts.reddit_subreddits[0],
        "CLAUDE_URL": f"{local}:{port['claude']}",
        "CLAUDE_API_KEY": accounts.claude_api_key,
        "PUBLICATION_SECRET": state.publication_secret,
    }
    prefixed = {f"STRIKETAPE_{name}": value for name, value in settings.items()}
    return {"DATABASE_URL": database_url, "REDIS_URL": redis_url, **prefixed}


def write_environment_file(folder: Path, values: dict[str, str]) -> Path:
    """The same settings for the tools: run.replay reads this file when .env is absent."""
    path = folder / "demo.env"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())
    return path
