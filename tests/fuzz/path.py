"""What a message meets on its way, as plain calls: the border, codecs, tables, the analytics stage.

`frame` and `answer` take a malformed message all the way and tell how it ended. They raise
AssertionError when it was kept as data but is none, was rejected but is good, came to no row or
to one that a table does not hold, or took too long; and whatever crashed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec

from adapters.unusual_whales.frame import DataFrame, JoinAnswer, UnreadableFrame, read_frame
from adapters.unusual_whales.paging import Walk
from domain.analytics.stage import AnalyticsStage
from domain.event import Body
from domain.events.feeds import UwRestReceived
from domain.payloads import unusual_whales as uw
from domain.payloads.json_text import NESTING_MAX, json_fault
from domain.payloads.unusual_whales.endpoints import ENDPOINTS
from domain.payloads.unusual_whales.known_rows import ROWS
from projections import feed, hot
from projections.rows import Call, Insert
from tests.domain.analytics.build import OPEN, recorded
from tests.domain.analytics.day_build import started
from tests.domain.payloads.frames import FRAMES

SECONDS_MAX = 0.1
REJECTED, UNREAD, READ, ANSWERED = "rejected", "unread", "read", "answered"
CHANNELS = frozenset(FRAMES)
AT = datetime(2026, 10, 6, 15, 0, tzinfo=UTC)
_STOCK = "/api/stock/{ticker}"
_READERS: Mapping[str, Callable[[bytes], object]] = {
    "/api/companies/{ticker}/dividends": uw.read_dividends,
    "/api/market/economic-calendar": uw.read_economic_calendar,
    "/api/market/market-tide": uw.read_market_tide_rows,
    f"{_STOCK}/iv-rank": uw.read_iv_rank,
    f"{_STOCK}/net-prem-ticks": uw.read_net_premium_ticks,
    f"{_STOCK}/option-contracts": uw.read_option_contracts,
}


class Path:
    """One stage in the middle of a session, and everything before it."""

    def __init__(self, judged_of: int = 1) -> None:
        """One in `judged_of` messages is judged by another reader of JSON too, which is slow."""
        self._judged_of = judged_of
        self._messages = 0
        self._stage = AnalyticsStage()
        self._state = self._stage.initial()
        for event in started():
            self._state = self._stage.evolve(self._state, event)
        self._position = 1_000

    def frame(self, channel: str, payload: bytes) -> str:
        """How a frame of a channel with this payload ends."""
        began = time.thread_time()
        read = read_frame(b'["' + channel.encode() + b'",' + payload + b"]", "", CHANNELS)
        if isinstance(read, UnreadableFrame):
            ended = REJECTED
            assert read.reason, "a rejected frame must have a reason"
        elif isinstance(read, JoinAnswer):
            ended = ANSWERED
        else:
            ended = self._take(read)
        assert time.thread_time() - began < SECONDS_MAX, "took too long"
        if not self._is_judged():
            return ended
        if isinstance(read, UnreadableFrame):
            assert not is_good(payload), f"a good payload was rejected: {read.reason}"
        elif isinstance(read, DataFrame):
            assert is_good(read.payload), "a payload that is none was kept as data"
        return ended

    def answer(self, endpoint: str, body: bytes) -> str:
        """How a REST answer with this body ends."""
        began = time.thread_time()
        fault = json_fault(body)
        ended = REJECTED if fault else self._answered(endpoint, body)
        assert time.thread_time() - began < SECONDS_MAX, "took too long"
        if self._is_judged():
            assert bool(fault) != is_good(body, kind=object), f"wrongly judged: {fault or 'good'}"
        return ended

    def _is_judged(self) -> bool:
        self._messages += 1
        return self._messages % self._judged_of == 0

    def _take(self, data: DataFrame) -> str:
        kind = uw.frame_type(data.channel)
        body = kind(
            channel=data.channel,
            connection="c",
            sequence=1,
            received_at=AT,
            payload=msgspec.Raw(data.payload),
        )
        uw.natural_key(data.channel, data.payload)
        uw.drift(data.channel, data.payload)
        rows = self._project(body)
        row = rows[0] if rows else None
        if not isinstance(row, Insert) or row.table != "uw_unread":
            return READ
        assert row.values[-1], "what cannot be read must have a reason"
        return UNREAD

    def _answered(self, endpoint: str, body: bytes) -> str:
        read = _READERS.get(endpoint)
        ended = READ if read is None else _ended(lambda: read(body))
        uw.rest_drift(endpoint, body)
        walk = Walk(endpoint, {"limit": "1"}, 3, OPEN, AT)
        asked = walk.next_query(body)
        assert asked is None or all(isinstance(value, str) for value in asked.values())
        self._project(
            UwRestReceived(
                endpoint=endpoint,
                path=endpoint.replace("{ticker}", "SPY"),
                query="",
                symbol="SPY",
                status=200,
                headers={},
                received_at=AT,
                payload=msgspec.Raw(body),
            )
        )
        return ended

    def _project(self, body: Body) -> Sequence[Insert | Call]:
        event = recorded(body, OPEN, self._position)
        rows = feed.rows(event)
        assert rows or getattr(body, "channel", "").startswith("periscope"), "no row"
        for row in rows:
            for value in row.values:
                assert is_storable(value), f"{type(body).__name__}: no column holds {value!r}"
        for command in hot.commands(event):
            assert all(is_storable(value) for value in command if not isinstance(value, dict))
        self._state = self._stage.evolve(self._state, event)
        return rows


def _ended(read: Callable[[], object]) -> str:
    reason = None
    try:
        read()
    except uw.PayloadError as error:
        reason = str(error)
    assert reason != "", "what cannot be read must have a reason"
    return READ if reason is None else UNREAD


def is_storable(value: object) -> bool:
    """Whether a column of the feed tables takes a value."""
    match value:
        case None | bool() | float() | bytes():
            return True
        case int():
            return -(2**63) <= value < 2**63
        case str():
            return "\0" not in value and value.encode() is not None
        case Decimal():
            return value.is_finite()
        case datetime():
            return value.tzinfo is not None
        case date():
            return True
        case list() | tuple():
            return all(is_storable(item) for item in value)
    return False


def is_good(payload: bytes, kind: type = dict) -> bool:
    """Whether a payload may be kept as data, by another reader than ours."""
    try:
        value = _json.decode(payload.decode())
        deep = _levels(value)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, kind) and deep <= NESTING_MAX


class _Object(dict[str, Any]):
    """An object of JSON with the values of all its fields, also of one that is given twice."""

    everything: tuple[Any, ...] = ()


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object(pairs)
    found.everything = tuple(value for _, value in pairs)
    return found


def _no_constant(name: str) -> None:
    raise ValueError(name)


_json = json.JSONDecoder(parse_constant=_no_constant, parse_int=float, object_pairs_hook=_object)


def _levels(value: Any) -> int:
    """Levels of arrays and objects; a text with half a character is an error."""
    level, deep = [value], 0
    while level:
        inner: list[Any] = []
        for item in level:
            if isinstance(item, str):
                item.encode()
            elif isinstance(item, _Object):
                "".join(item).encode()
                inner += item.everything
            elif isinstance(item, list):
                inner += item
        deep += any(isinstance(item, _Object | list) for item in level)
        level = inner
    return deep


@cache
def bodies() -> dict[str, bytes]:
    """A row of each endpoint that is asked all day or fills gaps, as the vendor sends it."""
    rows = {
        endpoint: msgspec.json.encode(
            {name: _sample(name, kind) for name, kind in known.required.items()}
        )
        for endpoint, known in ROWS.items()
    }
    return rows | {
        "/api/option-trades": FRAMES["option_trades:SPY"].replace(
            b'"option_symbol"', b'"canceled":false,"option_chain_id"'
        ),
        f"{_STOCK}/option-chains": b'{"data":["SPY261006C00660000","SPY261006P00660000"]}',
    }


@cache
def others() -> tuple[str, ...]:
    """Endpoints of the schedule whose bodies are kept as they come, and read by nobody here."""
    return tuple(e.path for e in ENDPOINTS if e.priority in (1, 2) and e.path not in bodies())


def _sample(name: str, kind: str) -> object:
    match kind:
        case "decimal" | "loose":
            return "-12.5000"
        case "whole":
            return 1_791_295_322_000 if name.endswith("_time") else 812
        case "flag":
            return True
        case "list":
            return ["SPY"]
        case "object":
            return {}
    if name.endswith("option_symbol"):
        return "SPY261006C00660000"
    if name in ("date", "expiry", "expires"):
        return "2026-10-06"
    is_time = name == "time" or name.endswith(("_at", "_time", "timestamp"))
    return "2026-10-06T14:02:11.000000Z" if is_time else "text"
