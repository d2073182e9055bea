"""The real app on a real store, served by uvicorn on a loopback port."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import uvicorn
from argon2 import PasswordHasher
from redis.asyncio import Redis
from starlette.applications import Starlette

from api.app import create_app
from api.settings import ApiSettings
from domain.event import Body, Proposed, derived_id
from domain.events.positions import LegPosition, PositionChanged, PositionMarked, PositionOpened
from domain.events.signals import ExitPlan
from domain.instruments import (
    Direction,
    Leg,
    OptionContract,
    Right,
    Strategy,
    Structure,
    StructureKind,
)
from run.api import Server, open_pool, open_redis
from store.postgres import PostgresStore

PASSWORD = "correct horse battery"
# Cheap on purpose: what is tested is the way around the hash.
PASSWORD_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


@dataclass
class Api:
    """A running API with one client; `skip` moves its monotonic clock."""

    url: str
    client: httpx.AsyncClient
    store: PostgresStore
    app: Starlette
    dist: Path
    skipped: list[float]
    csrf: str = ""
    keys: list[str] = field(default_factory=list)

    def skip(self, seconds: float) -> None:
        self.skipped[0] += seconds

    async def login(self) -> None:
        body = {"name": "operator", "password": PASSWORD}
        answer = await self.client.post("/api/v1/login", json=body)
        assert answer.status_code == 200, answer.text
        self.csrf = answer.json()["csrf_token"]

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.client.get(f"/api/v1{path}", params=params)

    async def control(
        self, path: str, body: dict[str, Any] | None = None, key: str = ""
    ) -> httpx.Response:
        headers = {"X-CSRF": self.csrf, "Idempotency-Key": key or uuid4().hex}
        body = {"reason": "a test presses the button"} if body is None else body
        return await self.client.post(f"/api/v1{path}", json=body, headers=headers)

    async def append(
        self, body: Body, stream: str, key: object = 0, cause: Any = None, **given: Any
    ) -> Proposed:
        """Append one event as another process would."""
        identity = derived_id(stream, key)
        event = Proposed(
            stream=stream,
            event_id=identity,
            occurred_at=datetime.now(UTC),
            correlation_id=given.pop("correlation_id", None)
            or (cause.correlation_id if cause else identity),
            causation_id=cause.event_id if cause else None,
            worker=given.pop("worker", "trader"),
            build="test",
            body=body,
            **given,
        )
        await self.store.append([event])
        return event


@pytest.fixture
async def api_redis(request: pytest.FixtureRequest) -> AsyncIterator[Redis]:
    """A real one, unless the test names an address where there is none."""
    url = getattr(request, "param", None) or request.getfixturevalue("redis_url")
    client = open_redis(url)
    yield client
    await client.aclose()


@pytest.fixture
def control_wait_seconds() -> float:
    """How long the API waits for a decision. Short, since few tests have somebody who decides."""
    return 0.2


@pytest.fixture
async def api(
    store: PostgresStore,
    database_url: str,
    api_redis: Redis,
    tmp_path: Path,
    control_wait_seconds: float,
) -> AsyncIterator[Api]:
    skipped = [0.0]
    pool = await open_pool(database_url)
    settings = ApiSettings(
        operator_name="operator",
        operator_password_hash=PASSWORD_HASH,
        mode="sandbox",
        build="test",
        dist=tmp_path / "dist",
        archive=tmp_path / "archive",
        now=lambda: datetime.now(UTC),
        monotonic=lambda: time.monotonic() + skipped[0],
        random_bytes=secrets.token_bytes,
        control_wait_seconds_max=control_wait_seconds,
    )
    app = create_app(settings, store.showing_unreadable(), api_redis, pool)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_config=None, timeout_graceful_shutdown=1
    )
    server = Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.002)
    port = server.servers[0].sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        yield Api(url, client, store, app, settings.dist, skipped)
    server.should_exit = True
    await serving
    await pool.close()


AT = datetime(2026, 10, 6, 14, 0, tzinfo=UTC)
STRUCTURE = Structure(
    kind=StructureKind.LONG_OPTION,
    legs=(
        Leg(
            contract=OptionContract(
                con_id=11,
                symbol="SPY",
                expiry=date(2026, 10, 6),
                strike=Decimal("670"),
                right=Right.CALL,
            ),
            ratio=1,
        ),
    ),
)


def opened(position_id: str) -> PositionOpened:
    return PositionOpened(
        position_id=position_id,
        signal_id=f"signal-{position_id}",
        decision_id=f"decision-{position_id}",
        strategy=Strategy.ZERO_DTE,
        symbol="SPY",
        direction=Direction.BULLISH,
        structure=STRUCTURE,
        planned_units=3,
        exit_plan=ExitPlan(
            target_price=Decimal("3.10"),
            stop_price=Decimal("1.05"),
            time_stop_at=AT,
            forced_flat_at=AT,
        ),
        max_loss_per_unit_usd=Decimal("210.65"),
        risk_units=Decimal("0.25"),
        opened_at=AT,
    )


@pytest.fixture
def trade() -> Callable[[Api], Awaitable[PositionOpened]]:
    """A position of three units with a mark, appended as the trader would."""

    async def append(api: Api, position_id: str = "p-1") -> PositionOpened:
        body = opened(position_id)
        first = await api.append(body, f"position/{position_id}", 1)
        changed = PositionChanged(
            position_id=position_id,
            fill_id="f-1",
            legs=(LegPosition(con_id=11, quantity=3),),
            units=3,
            average_entry_price=Decimal("2.10"),
            average_exit_price=None,
            realised_pnl=Decimal("-1.95"),
            fees=Decimal("1.95"),
        )
        await api.append(changed, f"position/{position_id}", 2, first)
        mark = PositionMarked(
            position_id=position_id,
            symbol="SPY",
            mark="2.35",
            bid="2.34",
            ask="2.36",
            unrealised_pnl="75.00",
            underlying_price=671.25,
            quote_age_seconds=0.4,
            quality="OK",
        )
        await api.append(mark, f"marks/{position_id}")
        return body

    return append
