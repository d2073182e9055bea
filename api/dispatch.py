"""From a request to a handler: permission, anti-forgery, bodies and queries, one shape of error.

`endpoint` turns a row of the route table (api/routes.py) into a Starlette endpoint. A control is
refused unless a session, its X-CSRF token, a JSON body and the page's own origin come together.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import asyncpg
import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from api.desk import Desk
from api.errors import (
    ApiError,
    answer,
    archive_unreadable,
    bad_field,
    clock_stepped,
    from_validation,
    log_unavailable,
    no_session,
)
from api.sessions import Session, csrf_is_right
from store.archived_days import ArchiveUnreadable
from store.errors import ClockStepped, IdConflict, StoreError
from store.patience import LOST

BODY_BYTES_MAX = 16 * 1_024
LOOPBACK = frozenset({"127.0.0.1", "::1"})
_KEY = re.compile(r"^[A-Za-z0-9._:-]{8,100}$")
_log = logging.getLogger("api")
M = TypeVar("M", bound=BaseModel)


class Permission(StrEnum):
    PUBLIC = "public"
    LOOPBACK = "loopback"
    """From this machine, or with a session."""
    SESSION = "session"
    CONTROL = "control"
    """A session, its X-CSRF token and an Idempotency-Key."""


@dataclass(slots=True)
class Call:
    """One request on its way through a handler."""

    request: Request
    desk: Desk
    session: Session | None
    query: BaseModel | None = None
    body: BaseModel | None = None
    is_form: bool = False
    idempotency_key: str = ""

    @property
    def who(self) -> str:
        assert self.session is not None, "the route table demands a session"
        return self.session.who

    @property
    def address(self) -> str:
        return self.request.client.host if self.request.client else "unknown"

    def queried(self, model: type[M]) -> M:
        assert isinstance(self.query, model)
        return self.query

    def sent(self, model: type[M]) -> M:
        assert isinstance(self.body, model)
        return self.body


Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class ApiRoute:
    """One row of the route table. `takes_form` also accepts a plain page's form."""

    method: str
    path: str
    summary: str
    permission: Permission
    handler: Handler
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    takes_form: bool = False
    answers: dict[int, str] = field(default_factory=lambda: {200: "Done."})


def json_answer(body: object, status: int = 200) -> Response:
    return Response(
        orjson.dumps(body, option=orjson.OPT_UTC_Z), status, media_type="application/json"
    )


def cookie_name(desk: Desk) -> str:
    return "__Host-ops" if desk.settings.https else "ops"


def endpoint(route: ApiRoute, desk: Desk) -> Callable[[Request], Awaitable[Response]]:
    """The Starlette endpoint of a route."""

    async def handle(request: Request) -> Response:
        try:
            call = await _admit(route, desk, request)
            return await route.handler(call)
        except ApiError as error:
            return answer(error, request.state.request_id)
        except IdConflict:
            return answer(
                ApiError(
                    409,
                    "key_used",
                    "Idempotency-Key must be new for another request, was used before",
                    "send again with a new key",
                    field="Idempotency-Key",
                ),
                request.state.request_id,
            )
        except ClockStepped as error:
            return answer(clock_stepped(str(error)), request.state.request_id)
        except ArchiveUnreadable as error:
            return answer(archive_unreadable(str(error)), request.state.request_id)
        except (StoreError, asyncpg.PostgresError, *LOST) as error:
            _log.error("the log is not available: %r", error)
            return answer(
                log_unavailable(f"the log must be reachable, was: {type(error).__name__}"),
                request.state.request_id,
            )

    return handle


async def _admit(route: ApiRoute, desk: Desk, request: Request) -> Call:
    is_control = route.permission is Permission.CONTROL
    if request.method not in ("GET", "HEAD"):
        _check_origin(request)
    token = request.cookies.get(cookie_name(desk), "")
    is_use = "x-background" not in request.headers
    call = Call(request, desk, desk.sessions.find(token, is_use=is_use))
    if route.permission is Permission.LOOPBACK:
        if call.session is None and call.address not in LOOPBACK:
            raise no_session()
    elif route.permission is not Permission.PUBLIC and call.session is None:
        raise no_session()
    if route.query is not None:
        call.query = _query(route.query, request)
    fields: dict[str, Any] = {}
    if route.body is not None:
        fields = await _fields(route, call)
    if is_control:
        _check_csrf(call, str(fields.pop("csrf", "")))
        call.idempotency_key = _key(call, str(fields.pop("key", "")))
    if route.body is not None:
        try:
            call.body = route.body.model_validate(fields)
        except ValidationError as error:
            raise from_validation(error) from None
    return call


def _check_origin(request: Request) -> None:
    """Refuse what another site made the browser send."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    # A page under no-referrer sends "null" with its own form; Sec-Fetch-Site tells the two apart.
    foreign = origin is not None and origin != own
    if origin == "null" and request.headers.get("sec-fetch-site") == "same-origin":
        foreign = False
    if site not in ("same-origin", "none") or foreign:
        raise ApiError(
            403,
            "foreign_origin",
            f"the request must come from {own}, was {origin or site}",
            "use the page of this desk",
        )


def _check_csrf(call: Call, from_form: str) -> None:
    assert call.session is not None
    given = from_form if call.is_form else call.request.headers.get("x-csrf", "")
    if not csrf_is_right(call.session, given):
        raise ApiError(
            403,
            "csrf",
            "X-CSRF must be the csrf_token of this session, was missing or another",
            "load the page again; the token comes with GET /api/v1/session",
            field="X-CSRF",
        )


def _key(call: Call, from_form: str) -> str:
    key = from_form if call.is_form else call.request.headers.get("idempotency-key", "")
    if not _KEY.match(key):
        raise bad_field("Idempotency-Key", "must be 8 to 100 letters, digits or . _ : -")
    return key


def _query(model: type[BaseModel], request: Request) -> BaseModel:
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in given:
            raise bad_field(name, "must be given once, was given twice")
        given[name] = value
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise from_validation(error) from None


async def _fields(route: ApiRoute, call: Call) -> dict[str, Any]:
    request = call.request
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    call.is_form = kind == "application/x-www-form-urlencoded" and route.takes_form
    if kind != "application/json" and not call.is_form:
        raise ApiError(
            415,
            "unsupported_media_type",
            f"Content-Type must be application/json, was {kind[:60] or 'missing'}",
            "send JSON",
            field="Content-Type",
        )
    text = bytearray()
    async for chunk in request.stream():
        text += chunk
        if len(text) > BODY_BYTES_MAX:
            raise ApiError(
                413, "too_large", f"body must be at most {BODY_BYTES_MAX} bytes", "send less"
            )
    if call.is_form:
        try:
            return dict(parse_qsl(text.decode(errors="replace"), max_num_fields=20))
        except ValueError:
            raise bad_field("body", "must have at most 20 fields") from None
    try:
        fields = orjson.loads(bytes(text))
    except orjson.JSONDecodeError as error:
        raise bad_field("body", f"must be JSON, was not: {error}") from None
    if not isinstance(fields, dict):
        raise bad_field("body", f"must be a JSON object, was {type(fields).__name__}")
    return fields
