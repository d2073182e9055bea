"""Asks Unusual Whales once: a few dozen REST calls, and one socket for some minutes. Read-only."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from adapters.unusual_whales import (
    Rank,
    UwAnswer,
    UwJoin,
    UwMessage,
    UwRejected,
    UwRest,
    UwRestError,
    UwSocket,
    UwSocketListener,
    UwSocketState,
)
from domain.payloads.unusual_whales.channel_table import CHANNELS, PRIORITY_JOINED_MAX
from tests.live.facts import Verdict, not_seen

CALLS_MAX = 60
TRIES_MAX = 2
FRAMES_KEPT_MAX = 400
"""Of each channel; the rest is counted."""
INVENTED_CHANNEL = "dark_pool"
UNKNOWN_TOKEN = "00000000-0000-4000-8000-000000000000"
STOCK = "/api/stock/SPY"
Row = dict[str, Any]


@dataclass(slots=True)
class Heard:
    """What the socket brought."""

    seconds: float = 0.0
    frames: dict[str, list[UwMessage]] = field(default_factory=lambda: defaultdict(list))
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    joins: dict[str, UwJoin] = field(default_factory=dict)
    rejected: list[UwRejected] = field(default_factory=list)
    states: list[UwSocketState] = field(default_factory=list)

    def payloads(self, family: str) -> list[Row]:
        """Those of a channel and of its forms with a ticker."""
        return [
            msgspec.json.decode(frame.payload)
            for name, frames in self.frames.items()
            if name == family or name.startswith(f"{family}:")
            for frame in frames
        ]


@dataclass(slots=True)
class UwMaterial:
    """Answers by the name of the call, and what the socket brought."""

    answers: dict[str, UwAnswer] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    """Names of the calls as they were answered."""
    failures: dict[str, str] = field(default_factory=dict)
    calls: int = 0
    heard: Heard = field(default_factory=Heard)

    def body(self, name: str) -> Any:
        return msgspec.json.decode(self.answers[name].body_bytes)

    def rows(self, name: str) -> list[Row]:
        """Rows of an answer, whatever its envelope.

        Raises:
            LookupError: there is none.
        """
        body = self.body(name)
        data = body["data"] if isinstance(body, dict) else body
        return [data] if isinstance(data, dict) else list(data)

    def missing(self, *names: str) -> Verdict | None:
        """Why a fact cannot be judged by these answers; None when it can."""
        for name in names:
            answer = self.answers.get(name)
            if answer is None:
                return not_seen(self.failures.get(name, f"{name} was not asked"))
            if answer.status != 200:
                return not_seen(f"{name} was answered with {answer.status}")
            if not self.rows(name):
                return not_seen(f"{name} had no rows")
        return None


class Budget:
    """REST calls of one run: a call is not made when its second try could be one too many."""

    def __init__(self, rest: UwRest, material: UwMaterial) -> None:
        self._rest = rest
        self._material = material

    async def ask(self, name: str, path: str, query: dict[str, str | list[str]] | None) -> None:
        material = self._material
        if material.calls + TRIES_MAX > CALLS_MAX:
            material.failures[name] = f"the budget of {CALLS_MAX} calls was used up"
            return
        try:
            answer = await self._rest.get(
                name, path, query, rank=Rank.OPERATOR, tries_max=TRIES_MAX
            )
        except UwRestError as error:
            material.calls += TRIES_MAX
            material.failures[name] = str(error)
            return
        material.calls += answer.tries
        material.answers[name] = answer
        material.order.append(name)


async def ask_rest(url: str, token: str, material: UwMaterial) -> None:
    """The calls, one at a time."""
    async with UwRest(url, token) as rest:
        budget = Budget(rest, material)
        await budget.ask("expiry-breakdown", f"{STOCK}/expiry-breakdown", None)
        await budget.ask("stock-state", f"{STOCK}/stock-state", None)
        expiry, price = _nearest(material), _price(material)
        for name, path, query in _calls(expiry, price):
            await budget.ask(name, path, query)
    async with UwRest(url, UNKNOWN_TOKEN) as stranger:
        await Budget(stranger, material).ask("unknown-token", f"{STOCK}/stock-state", None)


def _nearest(material: UwMaterial) -> str:
    if material.missing("expiry-breakdown") is not None:
        return ""
    return str(
        min(row.get("expires") or row["expiry"] for row in material.rows("expiry-breakdown"))
    )


def _price(material: UwMaterial) -> Decimal:
    if material.missing("stock-state") is not None:
        return Decimal(0)
    return Decimal(material.rows("stock-state")[0]["close"])


def _calls(expiry: str, price: Decimal) -> list[tuple[str, str, dict[str, str | list[str]]]]:
    """Name, path and query of each; those that need an expiry are left out without one."""
    board: dict[str, str | list[str]] = {
        "limit": "500",
        "min_strike": str(int(price * Decimal("0.9"))),
        "max_strike": str(int(price * Decimal("1.1"))),
    }
    calls: list[tuple[str, str, dict[str, str | list[str]]]] = [
        ("darkpool", "/api/darkpool/SPY", {"limit": "500"}),
        ("economic-calendar", "/api/market/economic-calendar", {}),
        ("market-tide", "/api/market/market-tide", {}),
        ("etf-tide", "/api/market/SPY/etf-tide", {}),
        ("news", "/api/news/headlines", {"limit": "50"}),
        ("flow-alerts", "/api/option-trades/flow-alerts",
         {"ticker_symbol": "SPY,QQQ,IWM", "limit": "200"}),
        ("gex-levels", f"{STOCK}/gex-levels", {}),
        ("greek-exposure", f"{STOCK}/greek-exposure", {}),
        ("greek-exposure-strike", f"{STOCK}/greek-exposure/strike", {}),
        ("greek-flow", f"{STOCK}/greek-flow", {}),
        ("interpolated-iv", f"{STOCK}/interpolated-iv", {}),
        ("iv-rank", f"{STOCK}/iv-rank", {}),
        ("max-pain", f"{STOCK}/max-pain", {}),
        ("net-prem-ticks", f"{STOCK}/net-prem-ticks", {}),
        ("ohlc-1m", f"{STOCK}/ohlc/1m", {"limit": "30"}),
        ("ohlc-1d", f"{STOCK}/ohlc/1d", {"limit": "30"}),
        ("oi-change", f"{STOCK}/oi-change", {}),
        ("options-volume", f"{STOCK}/options-volume", {}),
        ("spot-exposures", f"{STOCK}/spot-exposures", {}),
        ("strike-board", f"{STOCK}/spot-exposures/strike", board),
        ("volatility-stats", f"{STOCK}/volatility/stats", {}),
        ("term-structure", f"{STOCK}/volatility/term-structure", {}),
        ("unknown-path", "/api/no-such-path", {}),
        ("unknown-ticker", "/api/stock/ZZZZZ/stock-state", {}),
        ("malformed-ticker", "/api/stock/SP1Y/stock-state", {}),
    ]  # fmt: skip
    if expiry:
        calls += [
            ("greeks", f"{STOCK}/greeks", {"expiry": expiry}),
            ("option-contracts", f"{STOCK}/option-contracts", {"expiry": expiry, "limit": "500"}),
            ("expiry-strike-board", f"{STOCK}/spot-exposures/expiry-strike",
             {**board, "expirations[]": [expiry]}),
        ]  # fmt: skip
    return calls


class _Listener(UwSocketListener):
    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self.ended = asyncio.Event()

    def on_state(self, state: UwSocketState) -> None:
        self._heard.states.append(state)
        if state.state == "down":
            self.ended.set()

    def on_join(self, join: UwJoin) -> None:
        self._heard.joins[join.channel] = join


def channels() -> list[str]:
    """What the desk joins by itself, and a name that does not exist."""
    joined = [name for name, c in CHANNELS.items() if c.priority <= PRIORITY_JOINED_MAX]
    return [*joined, INVENTED_CHANNEL]


async def hear_socket(
    url: str,
    token: str,
    seconds: float,
    heard: Heard,
    is_enough: Callable[[Heard], bool] = lambda _: False,
) -> None:
    """One connection for `seconds`, or until `is_enough`; it is not made again when it ends."""
    listener = _Listener(heard)
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with UwSocket(url, token, channels(), listener) as socket:
        reading = asyncio.create_task(_read(socket, heard, is_enough))
        ending = asyncio.create_task(listener.ended.wait())
        await asyncio.wait({reading, ending}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in (reading, ending):
            task.cancel()
        await asyncio.gather(reading, ending, return_exceptions=True)
    heard.seconds = loop.time() - began


async def _read(socket: UwSocket, heard: Heard, is_enough: Callable[[Heard], bool]) -> None:
    while not is_enough(heard) and (batch := await socket.take(1_000)):
        for item in batch:
            if isinstance(item, UwRejected):
                heard.rejected.append(item)
                del heard.rejected[:-FRAMES_KEPT_MAX]
                continue
            heard.counts[item.channel] += 1
            if len(heard.frames[item.channel]) < FRAMES_KEPT_MAX:
                heard.frames[item.channel].append(item)
