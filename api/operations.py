"""For machines: liveness, Prometheus, and the OpenAPI description made from the route table."""

from __future__ import annotations

import re
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from pydantic import BaseModel
from starlette.responses import Response

from api.dispatch import ApiRoute, Call, Permission, json_answer

REQUESTS = Counter("striketape_api_requests_total", "Requests answered", ["route", "status"])
REQUEST_SECONDS = Histogram(
    "striketape_api_request_seconds",
    "Time to the answer of a request",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
_PARAMETER = re.compile(r"{(\w+)}")
_ERROR = {
    "type": "object",
    "required": ["error", "detail", "remedy", "request_id"],
    "properties": {
        "error": {"type": "string"},
        "detail": {"type": "string"},
        "remedy": {"type": "string"},
        "request_id": {"type": "string"},
        "field": {"type": "string", "description": "what a bad request got wrong"},
    },
}


async def healthz(call: Call) -> Response:
    """The process answers, and of which desk it is; how the desk is says /api/v1/health."""
    return json_answer({"status": "ok", "mode": call.desk.settings.mode})


async def metrics(_: Call) -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def openapi(call: Call) -> Response:
    return json_answer(call.request.app.state.openapi)


def describe(routes: tuple[ApiRoute, ...], build: str) -> dict[str, Any]:
    """OpenAPI 3.1 of the route table; x-permission is what the permission test reads too."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Striketape", "version": build},
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR},
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "ops"},
                "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRF"},
            },
        },
    }


def _operation(route: ApiRoute) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": f"{route.handler.__module__.rpartition('.')[2]}_{route.handler.__name__}",
        "x-permission": route.permission.value,
        "parameters": _parameters(route),
        "responses": {
            **{str(status): {"description": text} for status, text in route.answers.items()},
            "default": {
                "description": "What went wrong and what to do about it.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
    }
    if route.permission in (Permission.SESSION, Permission.LOOPBACK):
        operation["security"] = [{"session": []}]
    elif route.permission is Permission.CONTROL:
        operation["security"] = [{"session": [], "csrf": []}]
    if route.body is not None:
        schema = route.body.model_json_schema()
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    return operation


def _parameters(route: ApiRoute) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(route.path)
    ]
    if route.query is not None:
        found.extend(_query_parameters(route.query))
    if route.permission is Permission.CONTROL:
        found.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": True,
                "schema": {"type": "string", "minLength": 8, "maxLength": 100},
            }
        )
    return found


def _query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema()
    return [
        {"name": name, "in": "query", "required": False, "schema": about}
        for name, about in schema.get("properties", {}).items()
    ]
