"""The words of the feed's watchdog: what it is told, what it remembers, and what it wants done.

feed_state.py decides about the connection, feed_lines.py about the lines.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

MUTE_SECONDS = 20.0
"""Silence of an underlying's quotes or bars in the session: bars come every five seconds."""
MEMBER_SECONDS = 300.0
"""Silence of a basket member's quotes; a halt lasts five minutes."""
DEPTH_SECONDS = 60.0
FIRST_SECONDS = 30.0
"""What a subscription may take to its first answer."""
LOGIN_SECONDS = 120.0
"""A TWS that is not ready for longer waits for a person."""
DOWN_SECONDS = 180.0
CUT_SECONDS = 300.0
PROBE_SECONDS = 60.0
SPACING_SECONDS_MAX = 3_600.0
MUTE_AGAIN_MUTES = 3.0
"""A connection that is mute again within so many mute times of new subscriptions is given up;
the next one gets twice the time, and so on until data flow."""
GIVEN_UP_MAX = 4

CUT_CODES = frozenset({1100, 2110})
DATA_LOST, DATA_KEPT, PORT_RESET, RATE_EXCEEDED, COMPETING = 1101, 1102, 1300, 100, 10197
FARM_BROKEN, FARM_OK = 2103, 2104
LIVE = 1
TYPE_NAMES = {0: "of unknown type,", 2: "frozen", 3: "delayed", 4: "delayed and frozen"}


class FeedState(StrEnum):
    """What FeedStateChanged says of `ib.data`."""

    CONNECTED = "connected"
    READY = "ready"
    MUTE = "mute"
    RESTARTING = "restarting"
    LOGGED_OUT = "logged_out"
    COMPETING_SESSION = "competing_session"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Limits:
    """Real seconds; tests shorten them."""

    mute_seconds: float = MUTE_SECONDS
    member_seconds: float = MEMBER_SECONDS
    depth_seconds: float = DEPTH_SECONDS
    first_seconds: float = FIRST_SECONDS
    login_seconds: float = LOGIN_SECONDS
    down_seconds: float = DOWN_SECONDS
    cut_seconds: float = CUT_SECONDS
    probe_seconds: float = PROBE_SECONDS


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened. `seconds` only measures; `at` is the time of the schedule."""

    seconds: float
    at: datetime
    expects_data: bool
    """The session is open: underlyings must speak."""


@dataclass(frozen=True, slots=True)
class LineSeen:
    """How a subscription is."""

    request: int
    name: str
    """Such as `ticks SPY 756733`."""
    kind: str
    is_vital: bool
    """Of an underlying of the desk."""
    is_option: bool
    is_refused: bool
    is_halted: bool
    is_renewed: bool
    """Asked for again after an outage; whether it delivers has not been told yet."""
    has_spoken: bool
    """It has delivered data since it was asked for."""
    is_answered: bool
    """TWS has said something of it, data or not."""
    market_data_type: int
    silent_seconds: float
    """Since its last datum; since it was asked for, before that."""
    asked_seconds: float
    damage: str = ""
    """Why its book cannot be right."""

    def delivers(self, *, expects_data: bool) -> bool:
        """Options, and all quotes outside the session, may have nothing to say."""
        is_quiet = self.is_option or (self.kind == "ticks" and not expects_data)
        return self.has_spoken or (is_quiet and self.is_answered)


# What is to be done.


@dataclass(frozen=True, slots=True)
class Renew:
    """Cancel these subscriptions and ask for them again."""

    requests: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Recheck:
    """Take no line for alive that does not speak from now on."""


@dataclass(frozen=True, slots=True)
class Close:
    reason: str


@dataclass(frozen=True, slots=True)
class Verified:
    request: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Silent:
    request: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Alarm:
    severity: str
    code: str
    text: str


Act: TypeAlias = Renew | Recheck | Close | Verified | Silent | Alarm


@dataclass(frozen=True, slots=True)
class Patience:
    """With one silent line: when it may be asked for again."""

    tries: int
    next_at: float


@dataclass(frozen=True, slots=True)
class Outage:
    """No usable connection since then."""

    since: float
    quiet_until: datetime | None
    """Until then it was to be expected."""
    alarmed: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Watch:
    """What the watchdog remembers."""

    state: FeedState = FeedState.DOWN
    reason: str = ""
    outage: Outage | None = None
    opened_at: float = 0.0
    given_up: int = 0
    """Connections given up because they were mute, since data flowed."""
    renewed_at: float = -math.inf
    expects_since: float | None = None
    cut_at: float | None = None
    is_cut_alarmed: bool = False
    farm_broken: bool = False
    competing: frozenset[str] = frozenset()
    competing_at: float = 0.0
    probed_at: float = 0.0
    patience: dict[str, Patience] = field(default_factory=dict)
    mending: dict[str, Patience] = field(default_factory=dict)
    """Books that were damaged."""
    untradable: frozenset[tuple[str, int, str]] = frozenset()
    """Lines of underlyings whose type of data has been told, with the severity."""


Decision: TypeAlias = tuple[Watch, tuple[Act, ...]]
