"""The sandbox's control plane: POST /_sim/uw/faults and GET /_sim/uw/state, on a port of its own.

A fault is a JSON object with `kind` and what that kind needs:

    disconnect   code (optional): end all sockets, without a close frame when there is no code
    garbage      text, binary (optional): send these bytes to every client
    delay        seconds: hold data frames and REST answers back from now on (0 ends it)
    silence      seconds: lose all data frames for that long
    duplicate    count: send the next frames twice
    reorder      count: swap the next frames with the one before
    rewrite      fault, count: change the next payloads by one of disturbed.REWRITES: `yesterday`
                 (all times a day earlier), `odd_headline` (HTML, bidirectional and zero-width
                 signs), `no_underlying` (an empty underlying_price)
    cut          count: end the connection inside the next frame, without a close frame
    drip         count: send the next frames a byte at a time (long ones in 1,000 pieces)
    half_open    read nothing more from the clients that are there and say nothing, not even a pong
    refuse       status, count (optional): refuse the next upgrades
    rest         fault, count (optional): one of rest_routes.REST_FAULTS, for the next calls
    quota        spent: the day quota is used up, or not; until 20:00 New York, market time
    restate      spent: changes of open interest are restated, or not
    habit        fault, spent: one of habits.HABITS is on, or not
    frame        channel, payload: push a frame of our own, such as a trading halt
    clear        ends all of the above but habits
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

import msgspec
from aiohttp import web

from adapters.unusual_whales.sandbox.disturbed import REWRITES
from adapters.unusual_whales.sandbox.habits import HABITS
from adapters.unusual_whales.sandbox.rest_routes import REST_FAULTS
from adapters.unusual_whales.sandbox.settings import Faults
from adapters.unusual_whales.sandbox.sockets import SocketHub


class FaultRequest(msgspec.Struct):
    """The body of POST /_sim/uw/faults; see the module."""

    kind: str
    code: int | None = None
    text: str = ""
    binary: bool = False
    seconds: float = 0.0
    count: int = 1
    status: int = 401
    fault: str = ""
    spent: bool = True
    channel: str = ""
    payload: msgspec.Raw = msgspec.Raw(b"{}")


_request = msgspec.json.Decoder(FaultRequest)


async def inject(request: FaultRequest, faults: Faults, hub: SocketHub) -> str:
    """Do what was asked; the reason why not, empty when done."""
    match request.kind:
        case "disconnect":
            await hub.disconnect(code=request.code)
        case "garbage":
            await hub.push_raw(request.text.encode(), binary=request.binary)
        case "delay":
            faults.delay_seconds = request.seconds
        case "silence":
            faults.silent_until = asyncio.get_running_loop().time() + request.seconds
        case "duplicate":
            faults.duplicate_frames += request.count
        case "reorder":
            faults.reorder_frames += request.count
        case "rewrite" if request.fault in REWRITES:
            faults.rewrites[request.fault] = faults.rewrites.get(request.fault, 0) + request.count
        case "cut":
            faults.cut_frames += request.count
        case "drip":
            faults.drip_frames += request.count
        case "half_open":
            hub.hold()
        case "refuse":
            faults.refuse_upgrades += [request.status] * request.count
        case "rest" if request.fault in REST_FAULTS:
            faults.rest += [request.fault] * request.count
        case "quota":
            faults.quota_spent = request.spent
        case "restate":
            faults.restates_interest = request.spent
        case "habit" if request.fault in HABITS:
            (faults.habits.add if request.spent else faults.habits.discard)(request.fault)
        case "frame" if request.channel:
            hub.push(request.channel, bytes(request.payload))
        case "clear":
            hub.drop_held()
            fresh = Faults(habits=faults.habits)
            for name in asdict(fresh):
                setattr(faults, name, getattr(fresh, name))
        case _:
            return f"fault must be one of those documented, was {request.kind} {request.fault}"
    return ""


def read_fault(body: bytes) -> FaultRequest:
    """
    Raises:
        msgspec.DecodeError, msgspec.ValidationError: the body is no fault.
    """
    return _request.decode(body)


def answer(value: Any, status: int = 200) -> web.Response:
    """A JSON answer of the control plane."""
    return web.Response(
        status=status, body=msgspec.json.encode(value), content_type="application/json"
    )
