"""The real app on a real store, served by uvicorn on a loopback port."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
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
from run.api import Server, open_pool
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
async def api(
    store: PostgresStore, database_url: str, redis: Redis, tmp_path: Path
) -> AsyncIterator[Api]:
    skipped = [0.0]
    pool = await open_pool(database_url)
    settings = ApiSettings(
        operator_name="operator",
        operator_password_hash=PASSWORD_HASH,
        mode="sandbox",
        build="test",
        dist=tmp_path / "dist",
        now=lambda: datetime.now(UTC),
        monotonic=lambda: time.monotonic() + skipped[0],
        random_bytes=secrets.token_bytes,
        control_wait_seconds_max=0.2,
    )
    app = create_app(settings, store, redis, pool)
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
