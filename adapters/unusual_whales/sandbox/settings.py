"""What the sandbox can be told to be, and what it is told to do wrong.

Settings hold for a run; faults are injected over the control plane and wear off or are cleared.
"""

from __future__ import annotations

from dataclasses import dataclass, field

DEFAULT_TOKEN = "5b1f0f0e-0000-4000-8000-5a4db0000000"  # noqa: S105  opens a local sandbox only


@dataclass(frozen=True, slots=True)
class ChannelRates:
    """How often the further channels send, in market seconds; the defaults are far below what the
    vendor sends, so that a fast day stays cheap."""

    strike_expiry_seconds: float = 60.0
    strike_expiry_rows: int = 60
    """Of each symbol, each time."""
    window_seconds: float = 6.0
    screen_seconds: float = 10.0
    screen_rows: int = 10
    off_lit_seconds: float = 6.0
    """Between two prints of a symbol."""
    lit_seconds: float = 2.0
    volatility_seconds: float = 60.0
    periscope_seconds: float = 60.0
    futures_seconds: float = 2.0


THINNED_RATES = ChannelRates(
    strike_expiry_seconds=300.0,
    strike_expiry_rows=10,
    window_seconds=60.0,
    screen_seconds=60.0,
    screen_rows=3,
    off_lit_seconds=60.0,
    lit_seconds=60.0,
    volatility_seconds=300.0,
    periscope_seconds=300.0,
    futures_seconds=60.0,
)
"""A thinned stretch has a row a minute or less, whatever the settings say."""

REALISTIC_RATES = ChannelRates(
    strike_expiry_seconds=1.0,
    strike_expiry_rows=67,
    window_seconds=2.0,
    screen_seconds=1.0,
    screen_rows=50,
    off_lit_seconds=0.2,
    lit_seconds=0.05,
    volatility_seconds=5.0,
    futures_seconds=0.1,
)
"""As measured at the vendor: boards by strike and expiry send 200 rows a second in all."""

REALISTIC_ORDERS_PER_SECOND = (105.0, 61.0, 35.0)
"""Option orders of SPY, QQQ and IWM in the market model that make SPY 80 prints a second at midday
and more at the open; a Scenario takes them as `trades_per_second`."""
REALISTIC_TRADE_MESSAGES_A_SECOND_MAX = 5_000


@dataclass(frozen=True, slots=True)
class UwSandboxSettings:
    """Limits and switches, defaults as seen at the vendor.

    The minute cap is multiplied by the clock's speed, because a faster day asks more often.
    """

    token: str = DEFAULT_TOKEN
    joins_max: int = 50
    calls_a_minute: int = 120
    calls_in_flight_max: int = 3
    calls_a_day: int = 40_000
    trade_messages_a_second_max: int = 1_000
    """Option trades pushed in a real second; the rest is thinned out, totals stay whole."""
    reader_queue_messages_max: int = 20_000
    """Frames kept for a slow reader; more are dropped without a marker, as the vendor does."""
    refusal_hold_seconds: float = 0.2
    """How long a refused upgrade's connection is left open; the vendor was seen to take 8 s."""
    acknowledges_unknown_channels: bool = True
    gzip_above_bytes: int = 600
    rates: ChannelRates = ChannelRates()
    habits: frozenset[str] = frozenset()
    """Of habits.HABITS, those that are on from the start."""


@dataclass(slots=True)
class Faults:
    """Misbehaviour asked for over the control plane. Times are real seconds of the event loop."""

    delay_seconds: float = 0.0
    silent_until: float = 0.0
    duplicate_frames: int = 0
    reorder_frames: int = 0
    rewrites: dict[str, int] = field(default_factory=dict)
    """How many of the next payloads each of disturbed.REWRITES changes."""
    drip_frames: int = 0
    """The next frames go out a byte at a time."""
    cut_frames: int = 0
    """The next frames end halfway, and with them the connection."""
    restates_interest: bool = False
    """Changes of open interest have other numbers than before, for the same days."""
    refuse_upgrades: list[int] = field(default_factory=list)
    """Statuses of the next refused upgrades, in order."""
    rest: list[str] = field(default_factory=list)
    """What goes wrong with the next REST calls: of rest_routes.REST_FAULTS."""
    quota_spent: bool = False
    habits: set[str] = field(default_factory=set)
    """Of habits.HABITS, those that are on; clearing the faults leaves them as they are."""
