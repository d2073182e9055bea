"""The control plane of the people sandboxes, on a port of its own.

Scripted operators press buttons here, tests set faults and read the ledger, and run/ tells it the
market time. Nothing here is part of any vendor's wire.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from aiohttp import web

from adapters.people_sandbox.faults import FaultError
from adapters.people_sandbox.ledger import Json
from adapters.people_sandbox.server import VendorSandbox, World
from adapters.telegram.sandbox.server import PressError, TelegramSandbox


def _bad(why: str, status: int = 400) -> web.Response:
    return web.json_response({"error": why}, status=status)


class ControlPlane:
    """Handlers of /_sim/..., see run/sandbox_people.py --help."""

    def __init__(self, world: World, sandboxes: Mapping[str, VendorSandbox]) -> None:
        self._world = world
        self._sandboxes = sandboxes

    def application(self) -> web.Application:
        app = web.Application(middlewares=[_errors_as_json])
        app.add_routes(
            [
                web.post("/_sim/clock", self._clock),
                web.post("/_sim/faults", self._add_faults),
                web.get("/_sim/faults", self._show_faults),
                web.delete("/_sim/faults", self._clear_faults),
                web.post("/_sim/settings", self._settings),
                web.get("/_sim/ledger", self._ledger),
                web.get("/_sim/state", self._state),
                web.post("/_sim/telegram/press", self._press),
                web.post("/_sim/telegram/message", self._message),
                web.post("/_sim/reset", self._reset),
            ]
        )
        return app

    @property
    def _telegram(self) -> TelegramSandbox:
        sandbox = self._sandboxes["telegram"]
        assert isinstance(sandbox, TelegramSandbox)
        return sandbox

    async def _clock(self, request: web.Request) -> web.Response:
        """{base_market_time, base_real_epoch, speed} and/or {advance_s}."""
        given: Json = await request.json()
        if "base_market_time" in given:
            base = datetime.fromisoformat(given["base_market_time"])
            if base.tzinfo is None:
                raise ValueError("base_market_time must have a time zone, was naive")
            real = float(given.get("base_real_epoch", self._world.clock.real()))
            self._world.clock.set_market(base, real, float(given.get("speed", 1)))
        self._world.clock.advance(float(given.get("advance_s", 0)))
        return web.json_response(self._world.clock.shown())

    async def _add_faults(self, request: web.Request) -> web.Response:
        """One fault or a list: {match: {...}, action: {...}}."""
        given = await request.json()
        added = [self._world.faults.add(one) for one in (given if _is_list(given) else [given])]
        return web.json_response({"added": added})

    async def _show_faults(self, request: web.Request) -> web.Response:
        return web.json_response(self._world.faults.shown())

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self._world.faults.clear()
        return web.json_response({"faults": []})

    async def _settings(self, request: web.Request) -> web.Response:
        """{vendor: {setting: number}}."""
        given: dict[str, dict[str, float]] = await request.json()
        for vendor, changes in given.items():
            known = self._sandboxes[vendor].settings
            unknown = set(changes) - set(known)
            if unknown:
                raise ValueError(f"settings of {vendor} must be in {sorted(known)}, was {unknown}")
            known.update({name: float(value) for name, value in changes.items()})
        shown = {name: sandbox.settings for name, sandbox in self._sandboxes.items()}
        return web.json_response(shown)

    async def _ledger(self, request: web.Request) -> web.Response:
        """?vendor= and ?after=<sequence>."""
        after = int(request.query.get("after", "0"))
        return web.json_response(
            self._world.ledger.effects(request.query.get("vendor") or None, after)
        )

    async def _state(self, request: web.Request) -> web.Response:
        body: Json = {name: sandbox.state() for name, sandbox in self._sandboxes.items()}
        body["clock"] = self._world.clock.shown()
        body["faults"] = self._world.faults.shown()
        body["not_understood"] = [
            f"{name}: {line}"
            for name, sandbox in self._sandboxes.items()
            for line in sandbox.not_understood
        ]
        return web.json_response(body)

    async def _press(self, request: web.Request) -> web.Response:
        """{message_id | newest: true, button | verb, user_id}."""
        given: Json = await request.json()
        button = str(given.get("button") or given.get("verb") or "")
        user = int(given.get("user_id", self._world.accounts.telegram_operator_id))
        message = None if given.get("newest") else given.get("message_id")
        return web.json_response(self._telegram.press(message, button, user))

    async def _message(self, request: web.Request) -> web.Response:
        """{text, user_id, reply_to_message_id}."""
        given: Json = await request.json()
        user = int(given.get("user_id", self._world.accounts.telegram_operator_id))
        reply_to = given.get("reply_to_message_id")
        return web.json_response(self._telegram.write(str(given["text"]), user, reply_to))

    async def _reset(self, request: web.Request) -> web.Response:
        self._world.ledger.clear()
        self._world.faults.clear()
        for sandbox in self._sandboxes.values():
            sandbox.clear()
            sandbox.not_understood.clear()
        return web.json_response({"reset": True})


def _is_list(given: object) -> bool:
    return isinstance(given, list)


@web.middleware
async def _errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except PressError as error:
        return _bad(str(error), 409)
    except FaultError as error:
        return _bad(str(error))
    except KeyError as error:
        return _bad(f"the body must name a known {error.args[0]}")
    except (ValueError, TypeError) as error:
        return _bad(f"the body must be understood, was not: {error}")
