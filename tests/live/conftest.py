"""One look at each vendor for all tests of a run, only when `make live-check` asks for it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from run.config import Settings, SettingsError, load_settings, settings_file, variable
from tests.live.facts import Fact, ReportFile, Verdict, summary
from tests.live.interactive_brokers import IbMaterial, look_at_broker
from tests.live.unusual_whales import UwMaterial, ask_rest, hear_socket

SECONDS_VARIABLE = "LIVE_CHECK_SECONDS"
"""How long to listen to a socket and to lines; without it nothing is asked of anybody."""
FOLDER = "live-check"
_summaries: list[str] = []


class Found:
    """Verdicts of this run, written to the report at its end."""

    def __init__(self) -> None:
        self.verdicts: list[tuple[Fact[Any], Verdict]] = []
        self.calls = 0


def _settings() -> Settings:
    """
    Raises:
        SettingsError: there is a file of settings, and it is wrong.
    """
    try:
        return load_settings()
    except SettingsError as problem:
        if settings_file() is not None:
            raise
        pytest.skip(f"no .env: {problem}")


@pytest.fixture(scope="session")
def seconds() -> float:
    text = os.environ.get(SECONDS_VARIABLE, "")
    if not text:
        pytest.skip(f"run by make live-check, which sets {SECONDS_VARIABLE}")
    return float(text)


@pytest.fixture(scope="session")
def live(seconds: float) -> Settings:
    return _settings()


def _need(settings: Settings, name: str, value: str) -> None:
    if not value:
        pytest.skip(f"{variable(name)} is not set")


@pytest.fixture(scope="session")
def found(live: Settings) -> Iterator[Found]:
    made = Found()
    yield made
    if made.verdicts:
        secrets = (live.uw_token.get_secret_value(), live.ib_account)
        file = ReportFile(live.var_dir / FOLDER, datetime.now(UTC), secrets)
        _summaries.append(f"{summary(file.write(made.verdicts, made.calls))}{_where(file.path)}")


def _where(path: Path) -> str:
    return f"written to {path}"


@pytest.fixture(scope="session")
def unusual_whales(live: Settings, seconds: float, found: Found) -> UwMaterial:
    token = live.uw_token.get_secret_value()
    _need(live, "uw_token", token)
    material = UwMaterial()

    async def look() -> None:
        await asyncio.gather(
            hear_socket(live.uw_socket_url, token, seconds, material.heard),
            ask_rest(live.uw_rest_url, token, material),
        )

    asyncio.run(look())
    found.calls = material.calls
    return material


@pytest.fixture(scope="session")
def interactive_brokers(live: Settings, seconds: float, found: Found) -> IbMaterial:
    _need(live, "ib_account", live.ib_account)
    material = IbMaterial()
    asyncio.run(look_at_broker(live.ib_host, live.ib_port, live.ib_account, seconds, material))
    return material


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if SECONDS_VARIABLE in os.environ:
        for text in _summaries or ["no fact was looked at: each test says above what it lacks"]:
            terminalreporter.write_line(text)
