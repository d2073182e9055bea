"""One log for all lives of a test process, on a loop of its own."""

from __future__ import annotations

import asyncio
import selectors
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


class _Eager(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Asks the system only when there is nothing else to do: most turns of the store's loop have
    work, and each look cost as much as the work."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return []
        return super().select(timeout)


@pytest.fixture
def sim_log(owner_connection: psycopg.Connection[Any]) -> Iterator[SimLog]:
    about = owner_connection.info
    url = f"postgresql://{about.user}@{about.host}:{about.port}/{about.dbname}"
    loop = asyncio.SelectorEventLoop(_Eager())
    store = loop.run_until_complete(PostgresStore.open(url, application_name="sim"))
    yield SimLog(store, loop)
    loop.run_until_complete(store.close())
    loop.close()
