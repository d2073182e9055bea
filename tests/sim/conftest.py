"""One log for all lives of a test process, on a loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from store.postgres import PostgresStore


@dataclass(frozen=True, slots=True)
class SimLog:
    """The store, and the loop on which it works."""

    store: PostgresStore
    loop: asyncio.AbstractEventLoop


class _StoreLoop(asyncio.SelectorEventLoop):
    """Looks at its timers and asks the system only when there is nothing else to do: most of its
    turns have work, and each look cost as much as the work."""

    def _run_once(self) -> None:
        ready = self._ready  # type: ignore[attr-defined]
        if not ready:
            super()._run_once()  # type: ignore[misc]
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()


@pytest.fixture
def sim_log(owner_connection: psycopg.Connection[Any]) -> Iterator[SimLog]:
    about = owner_connection.info
    url = f"postgresql://{about.user}@{about.host}:{about.port}/{about.dbname}"
    loop = _StoreLoop()
    store = loop.run_until_complete(PostgresStore.open(url, application_name="sim"))
    yield SimLog(store, loop)
    loop.run_until_complete(store.close())
    loop.close()
