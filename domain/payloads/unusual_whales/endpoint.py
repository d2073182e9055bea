"""What is known of one REST endpoint of Unusual Whales, and how the session's schedule asks it.

The rows are in endpoints_needed, endpoints_useful and endpoints_further; `endpoints` has them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from enum import Enum, IntEnum

from domain.payloads.unusual_whales.row_keys import RowKey


class Storage(Enum):
    """What becomes of the rows of an answer. The answer itself is an event, whatever this says."""

    HOT = "hot snapshot"
    """Only the newest state matters."""
    ARCHIVE = "archive"
    """Facts that happened once, each with a key."""
    DERIVED = "derived table"
    """A series or an aggregate that may be restated: upsert by its natural key."""
    COMMAND = "command"
    """Changes something at the vendor; never called."""


class Priority(IntEnum):
    """How much the desk needs an endpoint."""

    NEEDED = 1
    USEFUL = 2
    OFF = 3
    """Asked only if somebody switches it on."""


class Each(Enum):
    """For what a schedule asks, one call each."""

    MARKET = "once"
    SYMBOL = "each symbol"
    NEAREST = "nearest expiry of each symbol"
    NEXT = "next expiry of each symbol"
    NEAR = "nearest two expiries of each symbol in one call"
    FURTHER = "each further expiry that analytics read, of each symbol"
    MONTH = "expiry nearest to 30 days of each symbol"
    HELD = "each held contract"


Query = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """When an endpoint is asked, and with what.

    "In session" is from the open to the close of options. Values of `query` and `fills` may hold
    {symbol}, {symbols}, {expiry}, {expiries}, {contract}, {low}, {high} (a strike range around the
    price) and {recent} (epoch seconds of ten minutes ago); a parameter whose value is not known is
    left out.
    """

    each: Each
    query: Query = ()
    fills: Query = ()
    """Parts of the path beside the symbol."""
    seconds: float = 0.0
    """Between two calls in session; 0 when it is not asked by cadence."""
    seconds_outside: float = 0.0
    """The same outside the session."""
    seconds_down: float = 0.0
    """The same in session while the socket is down."""
    second: int = 0
    """Earliest second of a minute: the row of the running minute is there some seconds late."""
    daily_at: tuple[time, ...] = ()
    """New York times of day."""
    after_close: tuple[int, ...] = ()
    """Minutes after the close of the underlying; a half day moves them."""
    backs_up: str = ""
    """Family of channels: asked by cadence only while it does not flow."""
    pages_max: int = 1
    decides: bool = False
    """Decisions read the answers: asked at once on a start, and stretched last."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation of the vendor's interface."""

    path: str
    parameters: str
    """Parameters that it takes, required ones with a star."""
    body: str
    """`data[]` rows and `data{}` one object under `data`; `[]` a bare array; else as written."""
    storage: Storage
    cadence: str
    """How often it is asked, in words; of one that is off, how often it would be."""
    plan: str
    """The vendor's plan or add-on that it takes."""
    priority: Priority
    schedules: tuple[Schedule, ...] = ()
    method: str = "GET"
    row_key: RowKey | None = None
    """Of a derived table: what tells its rows apart."""
