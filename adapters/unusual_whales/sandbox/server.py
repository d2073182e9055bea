"""The Unusual Whales sandbox: one loopback port for socket and REST, fed by the market task.

run/sandbox_market starts it, hands it the market's updates after each step, and mounts its control
routes on the control port.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
from aiohttp import web

from adapters.market_model.contract import MarketUpdate, SimClock
from adapters.market_model.market import SimulatedMarket
from adapters.unusual_whales.sandbox.control import answer, inject, read_fault
from adapters.unusual_whales.sandbox.feed import FeedWriter
from adapters.unusual_whales.sandbox.further_feed import FurtherFeed
from adapters.unusual_whales.sandbox.habits import check_habits
from adapters.unusual_whales.sandbox.ledger import Ledger
from adapters.unusual_whales.sandbox.rest_ask import Routes
from adapters.unusual_whales.sandbox.rest_bodies import RestBodies
from adapters.unusual_whales.sandbox.rest_chain_bodies import ChainBodies
from adapters.unusual_whales.sandbox.rest_market_bodies import MarketBodies
from adapters.unusual_whales.sandbox.rest_routes import RestServer
from adapters.unusual_whales.sandbox.rest_series_bodies import SeriesBodies
from adapters.unusual_whales.sandbox.rest_volume_bodies import VolumeBodies
from adapters.unusual_whales.sandbox.settings import Faults, UwSandboxSettings
from adapters.unusual_whales.sandbox.sockets import SocketHub
from adapters.unusual_whales.sandbox.wire import Row, zulu

SHUTDOWN_SECONDS = 0.5


class _Allowance:
    """Messages that may still go out: refilled by real time, at most one second's worth."""

    def __init__(self, a_second: int, seconds: Callable[[], float]) -> None:
        self._a_second = float(a_second)
        self._seconds = seconds
        self._left = float(a_second)
        self._at = seconds()

    def take(self) -> bool:
        now = self._seconds()
        self._left = min(self._a_second, self._left + (now - self._at) * self._a_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class UwSandbox:
    """A local Unusual Whales. `start`, `on_updates` after each market step, `stop`."""

    def __init__(
        self,
        market: SimulatedMarket,
        clock: SimClock,
        state_dir: Path,
        settings: UwSandboxSettings | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings or UwSandboxSettings()
        self.faults = Faults(habits=set(check_habits(self.settings.habits)))
        self._market = market
        self._clock = clock
        self.ledger = Ledger(state_dir, self.settings.token)
        self.feed = FeedWriter(market, self.faults.habits)
        self.rest = RestServer(
            market,
            Routes(
                route
                for bodies in (
                    RestBodies(market, self.feed),
                    ChainBodies(market),
                    VolumeBodies(market),
                    SeriesBodies(market),
                    MarketBodies(market, self.feed),
                )
                for route in bodies.routes()
            ),
            self.settings,
            self.faults,
            self.ledger,
            clock,
            seconds,
        )
        self.hub = SocketHub(self.settings, self.faults, self.ledger, clock, self.rest.limits.count)
        self._further = FurtherFeed(market, self.settings.rates, self.hub.wants)
        self._allowance = _Allowance(self.settings.trade_messages_a_second_max, seconds)
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; the port, which was chosen by the system when 0 was asked for."""
        app = web.Application()
        app.router.add_get("/socket", self.hub.handle)
        app.router.add_get("/api/socket", self.hub.handle)
        app.router.add_route("*", "/{path:.*}", self.rest.handle)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS, handler_cancellation=True
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        bound: int = self._runner.addresses[0][1]
        self.ledger.write("started", zulu(self._clock.now()), port=bound)
        return bound

    def on_updates(self, updates: Iterable[MarketUpdate]) -> None:
        """Push what the market just did. Must be called in the server's event loop."""
        happened = list(updates)
        frames = self.feed.frames(happened, self._clock.thinned)
        frames += self._further.frames(happened, self._clock.thinned)
        for channel, payload in frames:
            if not self.hub.wants(channel):
                continue
            if self._market.is_out("uw", channel.partition(":")[2]):
                continue
            if channel.startswith("option_trades:") and not self._allowance.take():
                self.ledger.thinned[channel] += 1
                continue
            self.hub.push(channel, msgspec.json.encode(payload))

    async def stop(self) -> None:
        """Close all connections and the port."""
        if self._runner is not None:
            await self.hub.disconnect(code=1001)
            await self._runner.cleanup()
            self._runner = None
        self.ledger.close()

    # -- control plane ---------------------------------------------------------------------------

    def state(self) -> Row:
        """Clients, joins, counters: what GET /_sim/uw/state answers."""
        return {
            "market_time": zulu(self._market.now()),
            "clients": self.hub.readers,
            "joined": self.hub.joined(),
            "sent": dict(self.ledger.sent),
            "dropped": dict(self.ledger.dropped),
            "written": {
                channel: {"messages": written.messages, "digest": written.digest()}
                for channel, written in self.ledger.written.items()
            },
            "thinned": dict(self.ledger.thinned),
            "calls": self.rest.limits.used_today,
            "calls_cap": self.rest.limits.cap,
            "ledger": str(self.ledger.path),
        }

    def add_control_routes(self, app: web.Application) -> None:
        """Mount /_sim/uw/... on the control plane's application."""

        async def faults(request: web.Request) -> web.Response:
            try:
                wanted = read_fault(await request.read())
            except msgspec.DecodeError as error:
                return answer({"error": f"body must be a fault: {error}"}, status=400)
            refused = await inject(wanted, self.faults, self.hub)
            if refused:
                return answer({"error": refused}, status=400)
            self.ledger.write("fault", zulu(self._clock.now()), fault=wanted.kind)
            return answer({"done": wanted.kind})

        async def state(_: web.Request) -> web.Response:
            return answer(self.state())

        app.router.add_post("/_sim/uw/faults", faults)
        app.router.add_get("/_sim/uw/state", state)
