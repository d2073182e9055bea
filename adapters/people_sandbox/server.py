"""The HTTP side that all five sandboxes share: read a request, meet a fault, answer.

A vendor's sandbox derives from `VendorSandbox` and says how a request is answered and how an
entry changes its state; everything that can go wrong on the way is played here. Requests are
never logged: they carry tokens.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl

from aiohttp import web

from adapters.people_sandbox.clock import SandboxClock
from adapters.people_sandbox.credentials import SandboxAccounts
from adapters.people_sandbox.faults import BEFORE, Fault, FaultTable
from adapters.people_sandbox.ledger import Entry, Json, Ledger

HALF_OPEN_SECONDS_MAX = 600.0
NOT_UNDERSTOOD_MAX = 200
_HTML = b"<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as bytes; the content type is written exactly as it stands here."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def json_reply(
    payload: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Reply:
    """JSON with no charset behind the content type, which discord.py insists on."""
    return Reply(status, json.dumps(payload, ensure_ascii=False).encode(), headers=headers or {})


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A request as it came in, with the fault of the vendor's own kind that it meets."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    fault: Fault | None = None

    def meets(self, kind: str) -> bool:
        return self.fault is not None and self.fault.kind == kind

    def json(self) -> Json:
        """The body as a JSON object. Raises ValueError."""
        parsed = json.loads(self.body)
        if not isinstance(parsed, dict):
            raise ValueError(f"a body must be a JSON object, was {type(parsed).__name__}")
        return parsed

    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    def argument(self, name: str, default: str = "") -> str:
        return dict(self.query).get(name, default)


@dataclass(frozen=True, slots=True)
class World:
    """What the five sandboxes have in common."""

    clock: SandboxClock
    ledger: Ledger
    faults: FaultTable
    accounts: SandboxAccounts
    seed: int


class VendorSandbox(ABC):
    """One vendor. `settings` are numbers that POST /_sim/settings may change."""

    vendor: str
    settings: dict[str, float]

    def __init__(self, world: World) -> None:
        self.world = world
        self.not_understood: list[str] = []
        self.settings = {}
        self.clear()
        for entry in world.ledger.entries:
            if entry.vendor == self.vendor:
                self.apply(entry)

    @abstractmethod
    async def answer(self, request: WireRequest) -> Reply:
        """The vendor's answer; what it accepts is recorded before it returns."""

    @abstractmethod
    def apply(self, entry: Entry) -> None:
        """Fold one entry of this vendor into its state."""

    @abstractmethod
    def clear(self) -> None:
        """Forget all state."""

    @abstractmethod
    def state(self) -> Json:
        """State for GET /_sim/state, without secrets."""

    @abstractmethod
    def too_many(self, fault: Fault) -> Reply:
        """This vendor's 429."""

    def record(
        self,
        kind: str,
        content: Json,
        *,
        is_effect: bool = True,
        channel: str = "",
        remote_id: str = "",
        state: Json | None = None,
    ) -> Entry:
        """Write down and fold: the only way in which state changes."""
        entry = self.world.ledger.append(
            self.vendor,
            kind,
            content,
            is_effect=is_effect,
            channel=channel,
            remote_id=remote_id,
            state=state,
        )
        self.apply(entry)
        return entry

    def puzzled(self, request: WireRequest, why: str) -> None:
        """Note a request that this sandbox does not understand; tests fail on it."""
        if len(self.not_understood) < NOT_UNDERSTOOD_MAX:
            self.not_understood.append(f"{request.method} {self.shown_path(request.path)}: {why}")

    def shown_path(self, path: str) -> str:
        """A path as it may be shown; a vendor with secrets in its paths hides them."""
        return path


def application(sandbox: VendorSandbox) -> web.Application:
    """An aiohttp application that serves one vendor."""

    async def serve(request: web.Request) -> web.StreamResponse:
        wire = WireRequest(
            method=request.method,
            path=request.path,
            query=tuple((name, value) for name, value in request.query.items()),
            headers=request.headers,
            body=await request.read(),
        )
        shown = sandbox.shown_path(wire.path)
        fault = sandbox.world.faults.take(sandbox.vendor, wire.method, shown)
        if fault is not None and fault.kind in BEFORE and fault.kind != "delay_before":
            return await _refuse(sandbox, request, fault)
        if fault is not None and fault.kind == "delay_before":
            await asyncio.sleep(fault.number("seconds", 1.0))
        reply = await sandbox.answer(replace(wire, fault=fault))
        if fault is not None:
            return await _spoil(request, reply, fault)
        return _response(reply)

    app = web.Application(client_max_size=32 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", serve)
    return app


def _response(reply: Reply) -> web.Response:
    headers = {**reply.headers, "Content-Type": reply.content_type}
    return web.Response(status=reply.status, body=reply.body, headers=headers)


def _cut(request: web.Request, *, reset: bool = False) -> web.Response:
    """Close the connection without an answer; what is returned is never written."""
    transport = request.transport
    if transport is not None:
        if reset:
            connection = transport.get_extra_info("socket")
            # Linger of zero seconds makes closing send a reset instead of an orderly end.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def _refuse(sandbox: VendorSandbox, request: web.Request, fault: Fault) -> web.StreamResponse:
    if fault.kind in ("drop_before", "reset"):
        return _cut(request, reset=fault.kind == "reset")
    if fault.kind == "half_open":
        await asyncio.sleep(fault.number("seconds", HALF_OPEN_SECONDS_MAX))
        return _cut(request)
    if fault.kind == "html_error":
        status = int(fault.number("status", 502))
        return _response(Reply(status, _HTML, "text/html; charset=UTF-8"))
    if fault.kind == "429":
        return _response(sandbox.too_many(fault))
    body = fault.action.get("body", {})
    encoded = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    kind = fault.text("content_type", "application/json")
    headers = {str(k): str(v) for k, v in dict(fault.action.get("headers", {})).items()}
    return _response(Reply(int(fault.number("status", 500)), encoded, kind, headers))


async def _spoil(request: web.Request, reply: Reply, fault: Fault) -> web.StreamResponse:
    if fault.kind == "delay_after_commit":
        await asyncio.sleep(fault.number("seconds", 1.0))
        return _response(reply)
    if fault.kind == "commit_then_drop":
        return _cut(request)
    if fault.kind == "commit_then_500":
        status = int(fault.number("status", 500))
        return _response(Reply(status, b'{"message":"internal server error"}'))
    if fault.kind == "truncate_body":
        return _response(replace(reply, body=reply.body[: len(reply.body) // 2]))
    if fault.kind == "wrong_content_type":
        return _response(replace(reply, content_type="text/html; charset=utf-8"))
    return _response(reply)
