"""The socket's channels as data: what each is for, how it is kept, and how it behaves.

Read by run/feeds (what to join, when silence is wrong, how late is too late) and by whoever
watches rates. The event class and the natural key of a frame are in channels.py. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from domain.instruments import SYMBOLS
from domain.payloads.unusual_whales.endpoint import Storage
from domain.phase import Phase

JOINS_MAX = 50
"""Channels that one connection carries; further joins get no data."""
PRIORITY_JOINED_MAX = 2


@dataclass(frozen=True, slots=True)
class Channel:
    """One name that can be joined."""

    name: str
    priority: int
    """1 is needed, 2 useful, 3 joined only when the settings say so."""
    storage: Storage
    key: str
    """What makes two payloads the same row, in the vendor's field names."""
    silence_seconds: Mapping[Phase, float] = field(default_factory=dict)
    """Silence beyond this is wrong; in phases that are not here silence is normal."""
    a_minute: tuple[float, float] | None = None
    """Messages a minute in the regular session, from least to most."""
    time_field: str = ""
    """The vendor's time of the datum, as milliseconds or ISO text."""
    delay_seconds_max: float | None = None
    """From that time to receipt; None where the vendor itself is late."""
    fallback: str = ""
    """Joined when this name is refused or stays silent."""


def _phases(
    regular: float, late: float | None = None, pre: float | None = None, closed: float | None = None
) -> Mapping[Phase, float]:
    """`pre` holds before the open and after the close."""
    limits = {
        Phase.PRE: pre,
        Phase.REGULAR: regular,
        Phase.LATE_OPTIONS: late,
        Phase.AFTER: pre,
        Phase.CLOSED: closed,
    }
    return {phase: limit for phase, limit in limits.items() if limit is not None}


_GLOBAL = (
    Channel("flow-alerts", 1, Storage.ARCHIVE, "id", _phases(180), (5, 400), "end_time", 120),
    Channel("market_tide", 1, Storage.DERIVED, "timestamp", _phases(30, 60), (10, 60), "timestamp",
            15),
    Channel("news", 1, Storage.ARCHIVE, "source timestamp headline",
            _phases(900, 900, 900, 3_600), (0, 60), "timestamp"),
    Channel("trading_halts", 1, Storage.ARCHIVE, "ticker time state", {}, (0, 60), "time"),
    Channel("interval_flow", 2, Storage.DERIVED, "ticker interval_type start_time", _phases(120),
            (60, 60_000), "tape_time"),
    Channel("contract_screener", 2, Storage.HOT, "option_symbol", _phases(120), (60, 60_000),
            "tape_time"),
    Channel("custom_alerts", 2, Storage.ARCHIVE, "user_noti_config_id tape_time symbol", {},
            (0, 60), "tape_time"),
)  # fmt: skip

_OF_SYMBOLS = (
    Channel("option_trades", 1, Storage.ARCHIVE, "id", _phases(15, 60), (100, 60_000),
            "executed_at", 5),
    Channel("price", 1, Storage.HOT, "ticker time", _phases(20, 120, 600), (10, 120), "time",
            5),
    Channel("gex", 1, Storage.HOT, "ticker timestamp", _phases(120), (5, 60), "timestamp",
            30),
    Channel("gex_strike", 1, Storage.HOT, "ticker strike timestamp", _phases(120),
            (10, 6_000), "timestamp"),
    Channel("net_flow", 1, Storage.DERIVED, "ticker time", _phases(30, 60), (10, 60), "time", 15),
    Channel("gex_strike_expiry", 2, Storage.HOT, "ticker expiry strike timestamp",
            _phases(120), (60, 12_000), "timestamp"),
    Channel("off_lit_trades", 2, Storage.ARCHIVE, "symbol executed_at price size volume",
            _phases(120), (5, 6_000), "executed_at", fallback="off_lit_trades"),
    Channel("interpolated_iv", 2, Storage.HOT, "ticker date days", _phases(120), (1, 120)),
    Channel("iv_term_structure", 2, Storage.HOT, "ticker date expiry", _phases(300),
            (1, 600)),
    Channel("lit_trades", 3, Storage.ARCHIVE, "symbol executed_at price size volume",
            _phases(60), (60, 60_000), "executed_at", 10, fallback="lit_trades"),
)  # fmt: skip
"""Named without a ticker here; joined with one."""

_ON_REQUEST = (
    Channel("gex:SPX", 3, Storage.HOT, "ticker timestamp", _phases(120), (5, 60),
            "timestamp", 30),
    Channel("periscope:SPX", 3, Storage.HOT, "ticker timestamp", _phases(240), (1, 60),
            "timestamp"),
    Channel("futures_trades", 3, Storage.ARCHIVE, "contract executed_at price size", {}),
    *(
        Channel(name, 3, Storage.HOT, "as by ticker")
        for name in (
            "price", "gex", "gex_strike", "gex_strike_expiry", "interpolated_iv",
            "iv_term_structure", "periscope",
        )
    ),
    *(
        Channel(name, 3, Storage.ARCHIVE, "as by ticker")
        for name in ("option_trades", "off_lit_trades", "lit_trades")
    ),
)  # fmt: skip
"""The names without ticker bring the whole market."""


def _of_symbols() -> Iterable[Channel]:
    for kind in _OF_SYMBOLS:
        for symbol in SYMBOLS:
            yield replace(kind, name=f"{kind.name}:{symbol}")


CHANNELS: Mapping[str, Channel] = {
    channel.name: channel for channel in (*_GLOBAL, *_of_symbols(), *_ON_REQUEST)
}
"""Every name that this build joins or can be told to join."""


def joined(off: Iterable[str] = (), on: Iterable[str] = ()) -> tuple[str, ...]:
    """What the socket joins, the needed ones first: priorities 1 and 2 without `off`, and `on`.

    Raises:
        ValueError: a name that is not in the table, or more than a connection carries.
    """
    left, added = frozenset(off), frozenset(on)
    unknown = sorted((left | added) - CHANNELS.keys())
    if unknown:
        raise ValueError(f"channels must be of the table, were {', '.join(unknown)}")
    names = [
        channel.name
        for channel in sorted(CHANNELS.values(), key=lambda channel: channel.priority)
        if (channel.priority <= PRIORITY_JOINED_MAX or channel.name in added)
        and channel.name not in left
    ]
    # Fall-back names are joined beside those that they stand in for.
    carried = {*names, *(CHANNELS[name].fallback or name for name in names)}
    if len(carried) >= JOINS_MAX:
        raise ValueError(f"joined channels must be fewer than {JOINS_MAX}, were {len(carried)}")
    return tuple(names)


def silence_limit(channel: str, phase: Phase) -> float | None:
    """Seconds of silence beyond which a channel is stale; None when silence is normal."""
    known = CHANNELS.get(channel)
    return None if known is None else known.silence_seconds.get(phase)
