"""The market sandboxes as a process: one market model, Unusual Whales, TWS, and a control plane.

Started by the demo, by the staging run and by tests that need it out of process. One task moves
the model about 20 times a real second and hands what happened to both servers. The market stands
still until the control plane sets the clock. Runs until SIGTERM or SIGINT.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import msgspec
import uvloop
from aiohttp import web

from adapters.interactive_brokers.sandbox import TwsSandbox
from adapters.market_model.clock import SandboxClock
from adapters.market_model.lean import RecordingMissing
from adapters.market_model.market import SimulatedMarket
from adapters.market_model.recorded import RecordedMarket
from adapters.market_model.scenario import DEFAULT_SEED, SCENARIOS
from adapters.market_model.seeded import SeededMarket
from adapters.market_model.session_plan import xnys_plan
from adapters.recording import Day, Pace, TwsPlayer, UwPlayer
from adapters.unusual_whales.sandbox import UwSandbox, UwSandboxSettings
from adapters.unusual_whales.sandbox.habits import check_habits
from adapters.unusual_whales.sandbox.settings import (
    DEFAULT_TOKEN,
    REALISTIC_ORDERS_PER_SECOND,
    REALISTIC_RATES,
    REALISTIC_TRADE_MESSAGES_A_SECOND_MAX,
)
from run.command_line import command_line

HOST = "127.0.0.1"
STEP_SECONDS = 0.05
STEP_MARKET_SECONDS_MAX = 30.0
"""A longer step is cut, so that a series with one row a minute never skips one."""
CATCH_UP_MARKET_SECONDS = 300.0
RESUME_SECONDS_MAX = 120.0
"""A process that was away longer than this stands still until its clock is set again."""

_EXITS = {
    0: "it was asked to stop (SIGTERM, SIGINT) and has stopped",
    1: "a port or the day cannot be had; the message names it",
    2: "an argument is unknown or wrong",
}
_EXAMPLES = """
  (ports as given, here the defaults)
  python -m run.sandbox_market --state-dir var/sandbox
  python -m run.sandbox_market --seed 7 --scenario quiet_day --session-date 2026-11-24
  python -m run.sandbox_market --recording ~/lean --day 2013-10-08
  python -m run.sandbox_market --replay var/recordings/2026-10-06 --replay-speed 10

  let the day go from 09:55 New York time at ten times real time
    curl -d "{\\"base_market_time\\":\\"2026-10-06T13:55:00Z\\",\\"base_real_epoch\\":$(date +%s),
             \\"speed\\":10,\\"thinned\\":false}" 127.0.0.1:9303/_sim/clock
  how far it is, who is connected, what was sent
    curl 127.0.0.1:9303/_sim/state;  curl 127.0.0.1:9303/_sim/uw/state
  what the broker's ledger holds
    curl 127.0.0.1:9303/_sim/tws/ledger
  misbehave
    curl -d '{"kind":"disconnect"}' 127.0.0.1:9303/_sim/uw/faults
    curl -d '{"kind":"rest","fault":"bad_gateway","count":3}' 127.0.0.1:9303/_sim/uw/faults
    curl -d '{"name":"reject_next_orders","value":1}' 127.0.0.1:9303/_sim/tws/faults

faults of Unusual Whales: adapters/unusual_whales/sandbox/control.py, habits beside it
faults of TWS: adapters/interactive_brokers/sandbox/faults.py
scenarios and their knobs: docs/market-model.md
"""


class ClockRequest(msgspec.Struct):
    """Body of POST /_sim/clock: market = base_market_time + (now - base_real_epoch) x speed."""

    base_market_time: datetime
    base_real_epoch: float
    speed: float
    thinned: bool = False


class TwsFaultRequest(msgspec.Struct):
    """Body of POST /_sim/tws/faults; an empty name clears all switches."""

    name: str = ""
    value: bool | int | float | str = True


@dataclass(slots=True)
class Progress:
    """How the stepping task does."""

    steps: int = 0
    updates: int = 0
    slowest_step_seconds: float = 0.0


class ClockFile:
    """The clock on disk, with a sign of life: a restarted process goes on where the day is."""

    def __init__(self, folder: Path, session: date) -> None:
        self._path = folder / "clock.json"
        self._session = session.isoformat()

    def write(self, request: ClockRequest) -> None:
        data = msgspec.json.encode({"session": self._session, "clock": request})
        temporary = self._path.with_suffix(".tmp")
        temporary.write_bytes(data)
        temporary.replace(self._path)

    def touch(self) -> None:
        if self._path.exists():
            os.utime(self._path)

    def read(self, now: float) -> ClockRequest | None:
        """The clock of the same session, None when the process was away too long."""
        try:
            age = now - self._path.stat().st_mtime
            saved = msgspec.json.decode(self._path.read_bytes())
            if saved["session"] != self._session or age > RESUME_SECONDS_MAX:
                return None
            return msgspec.convert(saved["clock"], ClockRequest)
        except (OSError, KeyError, TypeError, msgspec.DecodeError):
            return None


class MarketSandbox:
    """The model, its clock and the two servers. `start`, then `run` as a task, then `stop`."""

    def __init__(
        self, market: SimulatedMarket, state_dir: Path, uw_settings: UwSandboxSettings
    ) -> None:
        state_dir.mkdir(parents=True, exist_ok=True)
        self.market = market
        self.clock = SandboxClock(market.open_at - timedelta(minutes=15))
        self.progress = Progress()
        self._clock_file = ClockFile(state_dir, market.session_date)
        saved = self._clock_file.read(time.time())
        if saved is not None:
            self._set(saved)
        self.unusual_whales = UwSandbox(market, self.clock, state_dir, uw_settings)
        self.tws = TwsSandbox(market, self.clock, state_dir / "tws")
        self._control: web.AppRunner | None = None

    async def start(self, uw_port: int, tws_port: int, control_port: int) -> None:
        """Open the three ports.

        Raises:
            OSError: a port is taken.
        """
        await self.unusual_whales.start(HOST, uw_port)
        await self.tws.start(HOST, tws_port)
        app = web.Application()
        app.router.add_post("/_sim/clock", self._set_clock)
        app.router.add_get("/_sim/state", self._state)
        app.router.add_post("/_sim/tws/faults", self._tws_faults)
        app.router.add_get("/_sim/tws/ledger", self._tws_ledger)
        self.unusual_whales.add_control_routes(app)
        self._control = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._control.setup()
        await web.TCPSite(self._control, HOST, control_port).start()

    async def stop(self) -> None:
        if self._control is not None:
            await self._control.cleanup()
        await self.unusual_whales.stop()
        await self.tws.stop()

    # -- time ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Move the market after its clock, for ever."""
        touched = 0.0
        while True:
            began = time.monotonic()
            await self.step()
            took = time.monotonic() - began
            self.progress.slowest_step_seconds = max(self.progress.slowest_step_seconds, took)
            if began - touched > 1.0:
                touched = began
                self._clock_file.touch()
            await asyncio.sleep(max(0.0, STEP_SECONDS - took))

    async def step(self) -> None:
        """Bring the market to the clock's time, in pieces the servers can take."""
        target = self.clock.now()
        if self._behind(target) > CATCH_UP_MARKET_SECONDS and self.progress.steps == 0:
            # A start in the middle of the day: totals must be there, nobody needs the past pushed.
            self.market.advance(target - timedelta(seconds=1), thin=True)
        while (behind := self._behind(target)) > 0:
            piece = min(behind, STEP_MARKET_SECONDS_MAX)
            before = self.market.now()
            updates = self.market.advance(before + timedelta(seconds=piece), self.clock.thinned)
            self.unusual_whales.on_updates(updates)
            self.tws.on_updates(updates)
            self.progress.steps += 1
            self.progress.updates += len(updates)
            if self.market.now() == before:
                return
            await asyncio.sleep(0)

    def _behind(self, target: datetime) -> float:
        return (target - self.market.now()).total_seconds()

    def _set(self, request: ClockRequest) -> None:
        self.clock.set(
            request.base_market_time, request.base_real_epoch, request.speed, request.thinned
        )

    # -- control plane ---------------------------------------------------------------------------

    async def _set_clock(self, request: web.Request) -> web.Response:
        try:
            wanted = msgspec.json.decode(await request.read(), type=ClockRequest)
            self._set(wanted)
        except (msgspec.DecodeError, ValueError) as error:
            return _json({"error": f"body must be a clock: {error}"}, status=400)
        self._clock_file.write(wanted)
        return _json({"market_time": self.clock.now()})

    async def _state(self, _: web.Request) -> web.Response:
        market, clock = self.market, self.clock
        return _json(
            {
                "session_date": market.session_date,
                "open_at": market.open_at,
                "close_at": market.close_at,
                "scenario": market.scenario.name,
                "market_time": market.now(),
                "clock_time": clock.now(),
                "speed": clock.speed,
                "thinned": clock.thinned,
                "lag_market_seconds": max(0.0, self._behind(clock.now())),
                "last": {symbol: market.last(symbol)[0] for symbol in market.symbols},
                "tws_clients": self.tws.connected_clients(),
                "unusual_whales_clients": self.unusual_whales.hub.readers,
                **asdict(self.progress),
            }
        )

    async def _tws_faults(self, request: web.Request) -> web.Response:
        try:
            wanted = msgspec.json.decode(await request.read(), type=TwsFaultRequest)
            if wanted.name:
                self.tws.faults.set(wanted.name, wanted.value)
            else:
                self.tws.faults.clear()
        except (msgspec.DecodeError, LookupError, ValueError) as error:
            return _json({"error": f"body must be a fault: {error}"}, status=400)
        return _json({"done": wanted.name or "clear"})

    async def _tws_ledger(self, _: web.Request) -> web.Response:
        return _json(self.tws.ledger())


def _json(value: object, status: int = 200) -> web.Response:
    body = msgspec.json.encode(value, enc_hook=str)
    return web.Response(status=status, body=body, content_type="application/json")


def make_market(options: argparse.Namespace) -> SimulatedMarket:
    """The market that the arguments ask for.

    Raises:
        RecordingMissing: the folder lacks the day.
        ValueError: no session on that day.
    """
    if options.recording is not None:
        day = options.day or options.session_date or SCENARIOS[options.scenario].session_date
        return RecordedMarket(options.recording, day, xnys_plan(day), options.seed)
    scenario = SCENARIOS[options.scenario]
    day = options.session_date or scenario.session_date
    if options.realistic_rates:
        scenario = replace(scenario, trades_per_second=REALISTIC_ORDERS_PER_SECOND)
    scenario = replace(scenario, burst_times=options.bursts)
    return SeededMarket(options.seed, day, xnys_plan(day), scenario)


def uw_settings(options: argparse.Namespace) -> UwSandboxSettings:
    """What the arguments make of Unusual Whales."""
    habits = check_habits([name for name in options.uw_habits.split(",") if name])
    settings = UwSandboxSettings(token=options.uw_token, habits=habits)
    if not options.realistic_rates:
        return settings
    return replace(
        settings,
        rates=REALISTIC_RATES,
        trade_messages_a_second_max=REALISTIC_TRADE_MESSAGES_A_SECOND_MAX,
    )


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = command_line(
        "run.sandbox_market", __doc__, reads=None, exits=_EXITS, examples=_EXAMPLES
    )
    add = parser.add_argument
    add("--seed", type=int, default=DEFAULT_SEED, help=f"default {DEFAULT_SEED}")
    names = sorted(SCENARIOS)
    told = f"default trend_day; one of {', '.join(names)}"
    add("--scenario", choices=names, metavar="NAME", default="trend_day", help=told)
    add("--session-date", type=date.fromisoformat, default=None, help="default the scenario's")
    add("--recording", type=Path, default=None, help="folder in LEAN's layout")
    add("--day", type=date.fromisoformat, default=None, help="recorded day")
    add("--replay", type=Path, default=None, help="play a day's folder of recordings instead")
    add("--replay-speed", type=float, default=1.0, help="default 1")
    add("--uw-port", type=int, default=9301, help="default 9301")
    add("--tws-port", type=int, default=9302, help="default 9302")
    add("--control-port", type=int, default=9303, help="default 9303")
    add(
        "--realistic-rates",
        action="store_true",
        help="as many Unusual Whales messages as the vendor sends; another day than without",
    )
    add("--bursts", type=float, default=1.0, help="factor on option trades at 09:30 and 15:59")
    add("--uw-habits", default="", help="of habits.py, separated by commas; default none")
    add("--uw-token", default=DEFAULT_TOKEN, help="the token that opens the sandbox")
    add("--state-dir", type=Path, default=Path("var/sandbox-market"), help="ledgers, clock")
    return parser.parse_args(arguments)


async def _replay(options: argparse.Namespace) -> None:
    """Both vendors as they were recorded, until a signal."""
    day = Day(options.replay)
    pace = Pace(day.began, options.replay_speed)
    unusual_whales, tws = UwPlayer(day, options.uw_token, pace), TwsPlayer(day, pace)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await unusual_whales.start(HOST, options.uw_port)
    await tws.start(HOST, options.tws_port)
    print(f"recording ready: uw={options.uw_port} tws={options.tws_port}", flush=True)
    await stop.wait()
    await unusual_whales.stop()
    await tws.stop()


async def _main(options: argparse.Namespace) -> None:
    sandbox = MarketSandbox(make_market(options), options.state_dir, uw_settings(options))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await sandbox.start(options.uw_port, options.tws_port, options.control_port)
    print(
        f"market sandboxes ready: uw={options.uw_port} tws={options.tws_port} "
        f"control={options.control_port}",
        flush=True,
    )
    moving = asyncio.create_task(sandbox.run(), name="market-steps")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({moving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if moving.done():
            moving.result()
    finally:
        moving.cancel()
        stopping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await moving
        await sandbox.stop()


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0 after a signal, 1 when the day or a port cannot be had."""
    options = _arguments(sys.argv[1:] if arguments is None else arguments)
    try:
        uvloop.run(_replay(options) if options.replay else _main(options))
    except (FileNotFoundError, RecordingMissing, ValueError) as error:
        print(f"market sandboxes: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        remedy = "give others with --uw-port, --tws-port, --control-port"
        print(f"market sandboxes: {error}; {remedy}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
