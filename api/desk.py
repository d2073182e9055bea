"""What every route works with: the parts of one running API, put together by api/app.py."""

from __future__ import annotations

from dataclasses import dataclass

from redis.asyncio import Redis

from api.desk_tables import DeskTables
from api.health import HealthReader
from api.log_pages import LogPages
from api.passwords import Passwords, Throttle
from api.sessions import Sessions
from api.settings import ApiSettings
from store.contract import EventStore
from store.reading import Pool


@dataclass(frozen=True, slots=True)
class Desk:
    """Handles, not state of the desk: that is on the log."""

    settings: ApiSettings
    store: EventStore
    redis: Redis
    pool: Pool
    pages: LogPages
    sessions: Sessions
    passwords: Passwords
    throttle: Throttle
    tables: DeskTables
    health: HealthReader
