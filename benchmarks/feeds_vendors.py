"""Both vendors with as many messages a second as a benchmark wants, and what they wrote.

Used by benchmarks/feeds.py and benchmarks/projected.py: the market sandboxes on a seeded day at
its own pace, and beside them a load of frames and ticks no two of which are alike. The desk's
processes know nothing of it: they see the vendors' wire formats.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

from adapters.interactive_brokers.sandbox.market_feed import Line, MarketFeed
from adapters.market_model.scenario import TREND_DAY
from adapters.market_model.seeded import SeededMarket
from adapters.market_model.session_plan import xnys_plan
from adapters.unusual_whales.sandbox.settings import UwSandboxSettings
from adapters.unusual_whales.sandbox.sockets import SocketHub
from benchmarks.decode import frames
from domain.instruments import SYMBOLS
from domain.payloads.unusual_whales import family
from domain.payloads.unusual_whales.channel_table import CHANNELS
from run.demo import state
from run.sandbox_market import MarketSandbox
from tests.domain.payloads.frames import FRAMES

LOAD_STEP_SECONDS = 0.01
BEHIND_SECONDS_MAX = 1.0
"""A load that cannot be kept is left out beyond this, and shows in what was written."""
BROKER_SHARE = 0.2
MIX = {"option_trades": 16, "gex_strike_expiry": 3, "price": 1}
"""Parts of the socket's messages, as in a busy session."""
TEMPLATES = 500
LAST = 4
FIRST_SIZE = 1_000_000
"""Sizes of the load's trades at the broker: above any of the day's own, and each once."""
ID, TIME = b"<id>", b"1111111111111"
"""Stand in the templates for what each message has of its own."""


class TickCount:
    """Trades of one line of the broker: how many, and what they say in their order."""

    def __init__(self) -> None:
        self.messages = 0
        self._digest = blake2b(digest_size=16)

    def add(self, price: float, size: float) -> None:
        self.messages += 1
        self._digest.update(f"{price:g} {size:.0f};".encode())

    def digest(self) -> str:
        return self._digest.hexdigest()


class LoadedVendors(MarketSandbox):
    """`a_second` messages of both vendors together, beside those of the day itself."""

    def __init__(self, known: state.DemoState, folder: Path) -> None:
        market = SeededMarket(1, known.day, xnys_plan(known.day), TREND_DAY)
        super().__init__(market, folder, UwSandboxSettings(token=state.UW_TOKEN))
        self.a_second = 0.0
        self.is_quiet = False
        """Whether nothing at all is written: the day stands still too."""
        self.unheard = 0
        """Messages of the load for which there was no connection."""
        self.ticks: dict[str, TickCount] = {}
        self.offered: Counter[str] = Counter()
        """Messages of the load by vendor."""
        self._sizes = FIRST_SIZE
        self._ids = 0
        self._templates = _templates()
        self._channels = cycle(_order())

    @property
    def hub(self) -> SocketHub:
        return self.unusual_whales.hub

    def lines(self) -> list[tuple[MarketFeed, int, Line]]:
        """The broker's lines that are open, with whom they belong to."""
        return [
            (session.feed, request, line)
            for session in self.tws._sessions.values()
            for request, line in session.feed._lines.items()
        ]

    def written(self) -> int:
        """Messages of the socket that were handed to it, the day's own included."""
        return sum(one.messages for one in self.unusual_whales.ledger.written.values())

    def waiting(self) -> int:
        """Messages that slow readers of the socket are still to be sent."""
        return sum(len(reader.queue) for reader in self.hub._readers)

    def dropped(self) -> int:
        """Messages of the socket that a slow reader was not sent."""
        return sum(self.unusual_whales.ledger.dropped.values())

    async def run(self) -> None:
        """Move the market and push the load, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(super().run(), name="market")
            tasks.create_task(self._load(), name="load")

    async def step(self) -> None:
        if not self.is_quiet:
            await super().step()

    async def _load(self) -> None:
        due, paid_at = 0.0, time.monotonic()
        while True:
            await asyncio.sleep(LOAD_STEP_SECONDS)
            now = time.monotonic()
            due += (now - paid_at) * self.a_second
            due, paid_at = min(due, self.a_second * BEHIND_SECONDS_MAX), now
            count = int(due)
            due -= count
            of_broker = int(count * BROKER_SHARE)
            self._push(count - of_broker)
            self._tick(of_broker)

    def _push(self, count: int) -> None:
        if not count:
            return
        if not self.hub.readers:
            self.unheard += count
            return
        stamp = b"%d" % int(self.clock.now().timestamp() * 1_000)
        for _ in range(count):
            channel = next(self._channels)
            self._ids += 1
            payload = next(self._templates[channel]).replace(TIME, stamp, 1)
            self.hub.push(channel, payload.replace(ID, b"load-%d" % self._ids, 1))
        self.offered["uw"] += count

    def _tick(self, count: int) -> None:
        lines = self.lines()
        if not lines:
            self.unheard += count
            return
        for number in range(count):
            feed, request, line = lines[number % len(lines)]
            self._sizes += 1
            price = 100.0 + self._sizes % 997 / 100
            feed._send(1, 6, request, LAST, price, self._sizes, 0)
            known = self.ticks.setdefault(line.contract.symbol, TickCount())
            known.add(price, self._sizes)
        self.offered["ib"] += count


def _order() -> list[str]:
    """Channels in the shares of the mix, well shuffled."""
    names = [
        f"{kind}:{symbol}"
        for kind, parts in MIX.items()
        for symbol in SYMBOLS
        for _ in range(parts)
    ]
    Random(1).shuffle(names)
    return names


def _templates() -> dict[str, Iterator[bytes]]:
    found: dict[str, Iterator[bytes]] = {}
    for kind in MIX:
        (of_any,) = (channel for channel in FRAMES if family(channel) == kind)
        given = [json.loads(one) for one in frames(of_any, TEMPLATES, 1)]
        for symbol in SYMBOLS:
            channel = f"{kind}:{symbol}"
            found[channel] = cycle([_template(channel, symbol, fields) for fields in given])
    return found


def _template(channel: str, symbol: str, fields: dict[str, Any]) -> bytes:
    """A payload whose id and time are still to be put in."""
    names = {"ticker": symbol, "underlying_symbol": symbol, "id": ID.decode()}
    told: dict[str, Any] = {name: value for name, value in names.items() if name in fields}
    time_field = CHANNELS[channel].time_field
    if isinstance(fields.get(time_field), int):
        told[time_field] = int(TIME)
    return json.dumps(fields | told, separators=(",", ":")).encode()
