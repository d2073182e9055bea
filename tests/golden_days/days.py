"""The golden days: which named scenario is played, and which minutes in full.

Between the full stretches the day is thinned: every bar, no option trade, one quote a minute, no
entry. A day costs about a minute. A day may have a morning after: the next session on the same log,
for what is held over the night.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from adapters.market_model.scenario import DEFAULT_SEED, SCENARIOS
from adapters.market_model.seeded import SeededMarket
from adapters.market_model.session_plan import xnys_plan
from tests.e2e.virtual_desk import Stretch

THINNED_STEP = timedelta(seconds=60)
FULL_STEP = timedelta(seconds=1)
AFTER_CLOSE_MINUTES = 15


Minutes = tuple[tuple[float, float], ...]
"""(From, until), with every quote and trade and entries open: after the open, or both after the
close when the first is negative."""


def stretches(
    full: Minutes, until: float | None, open_at: datetime, close_at: datetime
) -> list[Stretch]:
    """A session from five minutes before the open, thinned and full in turn."""
    made: list[Stretch] = []
    for begin, end in full:
        origin = open_at if begin >= 0 else close_at
        made.append(Stretch(origin + timedelta(minutes=begin), THINNED_STEP, thinned=True))
        made.append(Stretch(origin + timedelta(minutes=end), FULL_STEP, thinned=False))
    last = close_at + timedelta(minutes=AFTER_CLOSE_MINUTES)
    if until is None and made[-1].until < last:
        made.append(Stretch(last, THINNED_STEP, thinned=True))
    return made


@dataclass(frozen=True, slots=True)
class MorningAfter:
    """The next session: its scenario opens a night's gap away from the close before.

    It ends with its full minutes: what was held over the night has been left by then.
    """

    scenario: str
    full: Minutes

    def market(self, before: SeededMarket, seed: int) -> SeededMarket:
        """Of a day that is over, with chance of its own."""
        day = before.plan.later[0].session_date
        return SeededMarket(seed + 1, day, xnys_plan(day), SCENARIOS[self.scenario], before=before)

    def stretches(self, open_at: datetime, close_at: datetime) -> list[Stretch]:
        return stretches(self.full, self.full[-1][1], open_at, close_at)


@dataclass(frozen=True, slots=True)
class GoldenDay:
    """One day of the market model and how it is played. `until` ends the day early; None plays to
    the end."""

    name: str
    scenario: str
    full: Minutes
    seed: int = DEFAULT_SEED
    until: float | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    then: MorningAfter | None = None

    def market(self) -> SeededMarket:
        scenario = SCENARIOS[self.scenario]
        day = scenario.session_date
        return SeededMarket(self.seed, day, xnys_plan(day), scenario)

    def stretches(self, open_at: datetime, close_at: datetime) -> list[Stretch]:
        return stretches(self.full, self.until, open_at, close_at)


MORNING = GoldenDay(
    "trend_morning",
    "trend_day",
    full=((30, 33),),
    until=33,
    limits={"risk.limit.positions_bucket": 1.0},
)
"""The first trade of the trend day: short enough for every run of the tests. The day offers three
trades at once: all but one are refused."""

_MORNING = (30.0, 44.0)
_NOON = (120.0, 123.0)
_NIGHT = (-30.0, -27.0)
_CLOSE = (-14.0, 3.0)

DAYS: tuple[GoldenDay, ...] = (
    GoldenDay("trend_day", "trend_day", full=(_MORNING, _NOON, _NIGHT)),
    GoldenDay("reversal_day", "reversal_day", full=(_MORNING,)),
    GoldenDay("quiet_day", "quiet_day", full=((46.0, 49.0), _NOON, _NIGHT)),
    GoldenDay("thin_premium_day", "thin_premium_day", full=(_NIGHT,)),
    GoldenDay("pinned_day", "pinned_day", full=((45.0, 50.0), _NOON, _NIGHT)),
    GoldenDay("volatility_spike", "volatility_spike", full=((45.0, 50.0), (99.0, 106.0), _NIGHT)),
    GoldenDay("half_day", "half_day", full=(_MORNING, _NIGHT)),
    GoldenDay("fomc_day", "fomc_day", full=((46.0, 49.0), (268.0, 275.0), _NIGHT)),
    GoldenDay("imbalance_day", "imbalance_day", full=(_CLOSE,)),
    GoldenDay("imbalance_flip_day", "imbalance_flip_day", full=(_CLOSE,)),
    GoldenDay("imbalance_fade_day", "imbalance_fade_day", full=(_CLOSE,)),
    GoldenDay("imbalance_spent_day", "imbalance_spent_day", full=(_CLOSE,)),
    GoldenDay("dead_feed_day", "dead_feed_day", full=(_MORNING, (88.0, 94.0), (108.0, 112.0))),
    GoldenDay("rising_weeks", "rising_weeks", full=(_MORNING, _NOON)),
    GoldenDay(
        "gap_after_quiet",
        "quiet_day",
        full=(_NIGHT,),
        then=MorningAfter("gap_down_day", ((0.0, 4.0),)),
    ),
    GoldenDay(
        "crash_after_quiet",
        "quiet_day",
        full=(_NIGHT,),
        then=MorningAfter("crash_day", ((0.0, 4.0), (-1.0, 4.0))),
    ),
    GoldenDay("missing_data_day", "missing_data_day", full=(_MORNING, _NIGHT, _CLOSE)),
)
