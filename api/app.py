"""The HTTP side of the desk: `create_app` puts route table, parts and page together.

Called by run/api.py and by the tests. No order leaves from here: controls append request events
and the stages decide.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.archived_log import ArchivedLog
from api.desk import Desk
from api.desk_tables import DeskTables
from api.dispatch import ApiRoute, endpoint
from api.errors import ApiError, answer
from api.headers import HEADERS, Headed
from api.health import HealthReader
from api.log_pages import LogPages
from api.operations import REQUEST_SECONDS, REQUESTS, describe
from api.passwords import Passwords, Throttle
from api.routes import ROUTES
from api.sessions import Sessions
from api.settings import ApiSettings
from api.static import Page
from api.stream import OpenStreams
from store.contract import EventStore
from store.reading import Pool

Endpoint = Callable[[Request], Awaitable[Response]]
_log = logging.getLogger("api")


def create_app(
    settings: ApiSettings, store: EventStore, redis: Redis, reader_pool: Pool
) -> Starlette:
    """The app. The caller owns store, redis and pool and closes them after it."""
    desk = _desk(settings, store, redis, reader_pool)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        # The tables are filled while the first person still logs in.
        filling = asyncio.create_task(desk.tables.fold(), name="api.fill")
        yield
        filling.cancel()
        await asyncio.gather(filling, return_exceptions=True)

    routes = [
        Route(route.path, _measured(route, endpoint(route, desk)), methods=[route.method])
        for route in ROUTES
    ]
    page = Page(settings.dist)
    routes.append(Route("/{path:path}", page.serve, methods=["GET"]))
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Headed, settings=settings)],
        exception_handlers={404: _unknown, 405: _wrong_method, Exception: _defect},
        lifespan=lifespan,
    )
    app.state.open_streams = OpenStreams()
    app.state.openapi = describe(ROUTES, settings.build)
    return app


def _desk(settings: ApiSettings, store: EventStore, redis: Redis, reader_pool: Pool) -> Desk:
    archived = ArchivedLog(reader_pool, settings.archive)
    pages = LogPages(reader_pool, archived, settings.monotonic)
    tables = DeskTables(store, pages, settings.now, settings.history_days)
    return Desk(
        settings=settings,
        store=store,
        redis=redis,
        pool=reader_pool,
        pages=pages,
        sessions=Sessions(
            settings.monotonic,
            settings.random_bytes,
            settings.session_idle_seconds_max,
            settings.session_seconds_max,
        ),
        passwords=Passwords(
            settings.operator_name, settings.operator_password_hash, settings.random_bytes
        ),
        throttle=Throttle(settings.monotonic),
        tables=tables,
        health=HealthReader(settings, reader_pool, redis, pages, tables, settings.monotonic),
    )


def _measured(route: ApiRoute, handle: Endpoint) -> Endpoint:
    async def measured(request: Request) -> Response:
        with REQUEST_SECONDS.labels(route.path).time():
            response = await handle(request)
        REQUESTS.labels(route.path, str(response.status_code)).inc()
        return response

    return measured


async def _unknown(request: Request, _: Exception) -> Response:
    return answer(
        ApiError(
            404,
            "not_found",
            "address must be in the route table, was not",
            "see /api/v1/openapi.json",
        ),
        request.state.request_id,
    )


async def _wrong_method(request: Request, _: Exception) -> Response:
    return answer(
        ApiError(
            405,
            "wrong_method",
            f"method must fit the address, was {request.method}",
            "see /api/v1/openapi.json",
        ),
        request.state.request_id,
    )


async def _defect(request: Request, error: Exception) -> Response:
    """The one place where anything is caught: the operator gets an id, the log gets the trace."""
    request_id: str = getattr(request.state, "request_id", "")
    _log.error("defect in request %s", request_id, exc_info=error)
    response = answer(
        ApiError(
            500,
            "defect",
            "the request must not fail, did",
            f"report request {request_id}; its trace is in the log of the api process",
        ),
        request_id,
    )
    response.headers.update(HEADERS)  # this answer is made outside of the layer that adds them
    return response
