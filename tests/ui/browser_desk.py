"""A desk for the browser: a seeded log, the API as its own process, the real risk stage."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from argon2 import PasswordHasher
from playwright.async_api import ConsoleMessage, Locator, Page

from domain.events.controls import AlertRaised
from domain.events.feed_health import (
    ChannelReport,
    FeedDriftSeen,
    FeedGapOpened,
    FeedStateChanged,
    IngestionReported,
)
from domain.events.forecasts import CalibrationBin, CalibrationUpdated, Scores
from domain.events.jobs import JobScheduled
from domain.events.positions import (
    ExitReason,
    LegPosition,
    PnlExplained,
    PositionChanged,
    PositionClosed,
    PositionMarked,
    PositionOpened,
)
from domain.events.publication import DeliveryScheduled
from domain.events.system import ClockStarted, JobFinished
from domain.parameters import PARAMETERS
from domain.risk.stage import RiskStage
from run.build import ROOT
from run.embedded import free_port
from run.feeds.start import write_missing_parameters
from run.worker import Recorder, Worker
from store.postgres import PostgresStore
from tests.api.conftest import opened
from tests.projections.story import with_fields

PASSWORD = "correct horse battery"
WAIT_SECONDS_MAX = 30.0
MARKET_OPENED_AT = datetime(2026, 10, 6, 14, 0, tzinfo=UTC)
_CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_CHROMIUM_OF_MACOS = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"


def find_chromium() -> str | None:
    """The machine's Chromium or Chrome; CHROMIUM names another."""
    candidates = [os.environ.get("CHROMIUM", ""), *_CHROMIUM_NAMES, _CHROMIUM_OF_MACOS]
    return next((found for name in candidates if name and (found := shutil.which(name))), None)


class BrowserDesk:
    """The log, the API on a port of its own, and the worker that decides about halts."""

    def __init__(self, store: PostgresStore, database_url: str, redis_url: str, cwd: Path) -> None:
        self.store = store
        self.url = f"http://127.0.0.1:{free_port()}"
        self.trader = Recorder(store, "seed", "test", "run-1")
        self._cwd = cwd
        self._api: asyncio.subprocess.Process | None = None
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("STRIKETAPE_")},
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "STRIKETAPE_API_PORT": self.url.rpartition(":")[2],
            "STRIKETAPE_OPERATOR_PASSWORD_HASH": PasswordHasher(
                time_cost=1, memory_cost=8, parallelism=1
            ).hash(PASSWORD),
        }

    async def seed(self) -> None:
        """A morning: a clock, feeds, an open and a closed position, an alert, a message."""
        clock = ClockStarted(
            base_market_time=MARKET_OPENED_AT, speed=1.0, session_date=MARKET_OPENED_AT.date()
        )
        await self.trader.record("clock", clock)
        await write_missing_parameters(self.store, self.trader, PARAMETERS)
        feed = FeedStateChanged(feed="uw.socket", state="ready", reason="", connection="1")
        await self.trader.record("feed/uw.socket", feed)
        await self._feed_findings()
        await self._open("p-1", Decimal("-1.95"))
        await self.mark("p-1", "2.35", "75.00")
        await self.trader.record("explained/p-1", explained("p-1"))
        await self._open("p-2", Decimal("-1.95"))
        await self.trader.record("position/p-2", closed("p-2", Decimal("118.05")))
        await self.trader.record("calibration/P2", distrusted())
        await self.alert("FEED_SLOW", "uw.socket was 4.2 s behind its own clock " * 4)
        await self.trader.record("outbox", with_fields(DeliveryScheduled, body="a post " * 80))

    async def _feed_findings(self) -> None:
        """What is wrong with the feed, a job of the keeper, and its report."""
        gap = FeedGapOpened(
            feed="uw.socket", since=MARKET_OPENED_AT, cause="silent", channel="interval_flow"
        )
        drift = FeedDriftSeen(
            feed="uw.socket",
            channel="news",
            kind="new_field",
            field="score",
            detail="float",
            sample_event_id="e-1",
        )
        for found in (gap, drift):
            await self.trader.record("feed/uw.socket", found)
        of_job = {"name": "ingestion", "session_date": MARKET_OPENED_AT.date()}
        done = {"outcome": "failed", "detail": "no room", "seconds": 1.0}
        await self.trader.record(
            "jobs/ingestion", JobFinished(due_at=MARKET_OPENED_AT, **of_job, **done)
        )
        tomorrow = JobScheduled(due_at=MARKET_OPENED_AT + timedelta(days=1), **of_job)
        await self.trader.record("jobs/ingestion", tomorrow)
        channel = with_fields(ChannelReport, messages=1_234, rejected=5, lost=0)
        report = IngestionReported(session_date=MARKET_OPENED_AT.date(), channels=(channel,))
        await self.trader.record("reports/ingestion", report)

    async def _open(self, position_id: str, realised: Decimal) -> None:
        body: PositionOpened = opened(position_id)
        appended = await self.trader.record(f"position/{position_id}", body)
        cause = await self.store.read(appended.positions[0] - 1, limit=1)
        changed = PositionChanged(
            position_id=position_id,
            fill_id=f"fill-{position_id}",
            legs=(LegPosition(con_id=11, quantity=3),),
            units=3,
            average_entry_price=Decimal("2.10"),
            average_exit_price=None,
            realised_pnl=realised,
            fees=Decimal("1.95"),
        )
        await self.trader.record(
            f"position/{position_id}",
            changed,
            causation_id=cause[0].event_id,
            correlation_id=cause[0].correlation_id,
        )

    async def mark(self, position_id: str, mark: str, unrealised: str) -> None:
        marked = PositionMarked(
            position_id=position_id,
            symbol="SPY",
            mark=mark,
            bid="2.34",
            ask="2.36",
            unrealised_pnl=unrealised,
            underlying_price=671.25,
            quote_age_seconds=0.4,
            quality="OK",
        )
        await self.trader.record(f"marks/{position_id}", marked)

    async def alert(self, code: str, text: str) -> None:
        raised = AlertRaised(alert_id=f"a-{code}", severity="warning", code=code, text=text)
        await self.trader.record(f"alert/{code}", raised)

    async def of_type(self, *types: str) -> list[Any]:
        from store.contract import Selection

        return list(await self.store.read(0, Selection(types=frozenset(types))))

    async def start_api(self) -> None:
        """Start run.api and wait until it answers."""
        self._api = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "run.api",
            cwd=self._cwd, env=self._environment,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        async with httpx.AsyncClient(base_url=self.url) as client:
            await until(lambda: self._answers(client), "the API answers")

    async def _answers(self, client: httpx.AsyncClient) -> bool:
        assert self._api is not None and self._api.returncode is None, "the API must run, ended"
        try:
            return (await client.get("/healthz")).status_code == 200
        except httpx.TransportError:
            return False

    async def kill_api(self) -> None:
        """As a crash does it."""
        if self._api is not None and self._api.returncode is None:
            self._api.kill()
            await self._api.wait()

    def risk_worker(self) -> Worker:
        """The stage that decides about halts, as the trader runs it."""
        return Worker("trader", [RiskStage()], self.store, "test")


def closed(position_id: str, realised: Decimal) -> PositionClosed:
    body = opened(position_id)
    return PositionClosed(
        position_id=position_id,
        signal_id=body.signal_id,
        strategy=body.strategy,
        symbol=body.symbol,
        reason=ExitReason.TARGET,
        units=3,
        entry_price=Decimal("2.10"),
        exit_price=Decimal("2.50"),
        realised_pnl=realised,
        fees=Decimal("3.90"),
        pnl_over_max_loss=Decimal("0.19"),
        opened_at=body.opened_at,
        closed_at=body.opened_at + timedelta(minutes=9),
    )


def explained(position_id: str) -> PnlExplained:
    return PnlExplained(
        position_id=position_id,
        delta_pnl=90.0,
        gamma_pnl=0.0,
        vega_pnl=-6.0,
        theta_pnl=-4.5,
        fees=1.95,
        residual=-2.55,
        total=75.0,
        is_final=False,
    )


def distrusted() -> CalibrationUpdated:
    """A direction forecast that holds entries back."""
    return with_fields(
        CalibrationUpdated,
        model="P2",
        symbol="ALL",
        bucket="0DTE",
        scheduled=True,
        kind="prob",
        count=120,
        n_eff=60.5,
        recent=Scores(count=90, skill=-0.06),
        bins=(CalibrationBin(p=0.55, rate=0.6, count=40, low=0.4, high=0.75),),
        coverage=(),
        b=0.52,
        gate="fail",
    )


class Viewer:
    """A page with what went wrong on it."""

    def __init__(self, page: Page, desk: BrowserDesk) -> None:
        self.page = page
        self.desk = desk
        self.problems: list[str] = []
        self.tolerated: list[str] = ["status of 401"]
        """The browser itself reports answers that are no success: here, no session yet."""
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type}: {message.text}")

    @property
    def complaints(self) -> list[str]:
        return [p for p in self.problems if not any(text in p for text in self.tolerated)]

    async def log_in(self, path: str = "/") -> None:
        await self.page.goto(self.desk.url + path)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Log in").click()
        await self.page.get_by_role("button", name="HALT", exact=True).wait_for()

    def panel(self, title: str) -> Locator:
        return self.page.get_by_role("region", name=title, exact=True)


async def until(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait for a condition; fails after WAIT_SECONDS_MAX."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not await holds():
        assert time.monotonic() < deadline, f"{what}: was not so within {WAIT_SECONDS_MAX} s"
        await asyncio.sleep(0.02)
