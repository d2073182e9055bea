"""The one shape of an error: {error, detail, remedy, request_id} and, for a bad request, field.

Raised anywhere below a route; turned into an answer by api/dispatch.py. Texts never hold a secret.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from pydantic import ValidationError
from starlette.responses import Response

ACCEPT_CLOCK = (
    "compare the database's time with a clock you trust, then: "
    'python -m run.accept_clock --why "…"'
)


class ApiError(Exception):
    """An answer other than success, with what to do about it."""

    def __init__(
        self,
        status: int,
        error: str,
        detail: str,
        remedy: str,
        *,
        field: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.error = error
        self.detail = detail
        self.remedy = remedy
        self.field = field
        self.headers = dict(headers or {})


def bad_field(field: str, detail: str) -> ApiError:
    """A request that names something wrong."""
    return ApiError(
        400,
        "bad_request",
        f"{field}: {detail}",
        f"correct {field} and send again; /api/v1/openapi.json describes every field",
        field=field,
    )


def from_validation(error: ValidationError) -> ApiError:
    """The first thing that a model found wrong, by field."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    return bad_field(".".join(str(part) for part in first["loc"]) or "body", first["msg"])


def no_session() -> ApiError:
    return ApiError(401, "no_session", "a session is needed, was none", "log in")


def not_found(what: str, detail: str) -> ApiError:
    return ApiError(404, "not_found", detail, f"check the {what}; it may be mistyped")


def log_unavailable(detail: str) -> ApiError:
    return ApiError(
        503,
        "log_unavailable",
        detail,
        "look at Postgres and at its disk; an emergency halt works by the halt file as well",
    )


def archive_unreadable(detail: str) -> ApiError:
    return ApiError(503, "archive_unreadable", detail, "docs/log-integrity.md, Archive")


def clock_stepped(detail: str) -> ApiError:
    """The log takes nothing until somebody accepts the database's time."""
    return ApiError(503, "clock_stepped", detail, f"no order leaves meanwhile; {ACCEPT_CLOCK}")


def answer(error: ApiError, request_id: str) -> Response:
    """The error as JSON."""
    body = {
        "error": error.error,
        "detail": error.detail,
        "remedy": error.remedy,
        "request_id": request_id,
    }
    if error.field:
        body["field"] = error.field
    return Response(
        orjson.dumps(body),
        status_code=error.status,
        media_type="application/json",
        headers=error.headers,
    )
