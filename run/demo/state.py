"""What the demo keeps between runs: ports, secrets of its sandboxes, the day it is in.

In var/demo, readable by its owner alone. `make demo-reset` removes it with log and ledgers.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

from run.embedded import free_port

FIRST_SESSION = date(2026, 10, 6)
PORT_NAMES = (
    "postgres", "valkey", "tws", "uw", "market_control", "discord", "telegram", "x", "reddit",
    "claude", "people_control", "api",
)  # fmt: skip
OPERATOR_USER_ID = 900_001
CHAT_ID = 910_001
CHANNELS = {"premium": 1_001, "basic": 1_002, "free": 1_003}
ACCOUNT = "DU1234567"


@dataclass(slots=True)
class DemoState:
    """Ports and secrets of this checkout's demo, and the session it is at."""

    seed: int
    session_date: str
    recording: str = ""
    ports: dict[str, int] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def day(self) -> date:
        return date.fromisoformat(self.session_date)


def _new_secrets() -> dict[str, str]:
    return {
        "uw": secrets.token_hex(16),
        "discord": f"demo.{secrets.token_urlsafe(24)}",
        "telegram": f"{secrets.randbelow(10**9)}:{secrets.token_urlsafe(24)}",
        "x_consumer_key": secrets.token_hex(12),
        "x_consumer_secret": secrets.token_hex(24),
        "x_access_token": secrets.token_hex(12),
        "x_access_token_secret": secrets.token_hex(24),
        "reddit_client_id": secrets.token_hex(8),
        "reddit_client_secret": secrets.token_hex(16),
        "reddit_password": secrets.token_hex(16),
        "claude": f"sk-demo-{secrets.token_hex(16)}",
        "publication": secrets.token_hex(32),
    }


def load(folder: Path, seed: int, day: date | None, recording: str) -> DemoState:
    """The kept state, or a new one; ports that are taken now are replaced."""
    path = folder / "state.json"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists():
        state = DemoState(**json.loads(path.read_text()))
    else:
        state = DemoState(seed, (day or FIRST_SESSION).isoformat(), recording)
        state.secrets = _new_secrets()
    for name in PORT_NAMES:
        if not _is_free(state.ports.get(name, 0)):
            state.ports[name] = free_port()
    save(folder, state)
    return state


def save(folder: Path, state: DemoState) -> None:
    path = folder / "state.json"
    partial = path.with_suffix(".new")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(state), file, indent=1)
    partial.rename(path)


def _is_free(port: int) -> bool:
    import socket

    if port == 0:
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
    port, secret = state.ports, state.secrets
    local = "http://127.0.0.1"
    settings = {
        "MODE": "sandbox",
        "VAR_DIR": str(var),
        "API_PORT": str(port["api"]),
        "IB_PORT": str(port["tws"]),
        "IB_ACCOUNT": ACCOUNT,
        "UW_REST_URL": f"{local}:{port['uw']}",
        "UW_SOCKET_URL": f"ws://127.0.0.1:{port['uw']}/socket",
        "UW_TOKEN": secret["uw"],
        "UW_LIMIT_FACTOR": "10",
        "DISCORD_URL": f"{local}:{port['discord']}/api/v10",
        "DISCORD_TOKEN": secret["discord"],
        **{f"DISCORD_CHANNEL_{tier.upper()}": str(c) for tier, c in CHANNELS.items()},
        "TELEGRAM_URL": f"{local}:{port['telegram']}/bot",
        "TELEGRAM_TOKEN": secret["telegram"],
        "TELEGRAM_CHAT_ID": str(CHAT_ID),
        "TELEGRAM_ALLOWED_USERS": f"[{OPERATOR_USER_ID}]",
        "X_URL": f"{local}:{port['x']}",
        "X_CONSUMER_KEY": secret["x_consumer_key"],
        "X_CONSUMER_SECRET": secret["x_consumer_secret"],
        "X_ACCESS_TOKEN": secret["x_access_token"],
        "X_ACCESS_TOKEN_SECRET": secret["x_access_token_secret"],
        "REDDIT_URL": f"{local}:{port['reddit']}",
        "REDDIT_OAUTH_URL": f"{local}:{port['reddit']}",
        "REDDIT_CLIENT_ID": secret["reddit_client_id"],
        "REDDIT_CLIENT_SECRET": secret["reddit_client_secret"],
        "REDDIT_USERNAME": "striketape_demo",
        "REDDIT_PASSWORD": secret["reddit_password"],
        "REDDIT_SUBREDDIT": "striketape_demo",
        "CLAUDE_URL": f"{local}:{port['claude']}",
        "CLAUDE_API_KEY": secret["claude"],
        "PUBLICATION_SECRET": secret["publication"],
    }
    prefixed = {f"STRIKETAPE_{name}": value for name, value in settings.items()}
    return {"DATABASE_URL": database_url, "REDIS_URL": redis_url, **prefixed}


def write_environment_file(folder: Path, values: dict[str, str]) -> Path:
    """The same settings for the tools: run.replay reads this file when .env is absent."""
    path = folder / "demo.env"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())
    return path
