"""Headlines of the simulated day, and its economic calendar.

Neutral by design: no headline moves the simulated price, and none carries a word that the desk's
keyword table would take for a shock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters.market_model.contract import NewsPublished
from adapters.market_model.randomness import stream

_SOURCES = ("social-media", "PR NewsWire", "GlobeNewswire", "Business Wire", "NYT")
_HEADLINES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Asset manager reports weekly flows into index funds", ("SPY", "QQQ")),
    ("Chip maker opens a research campus", ("NVDA",)),
    ("Software firm &amp; partner extend their cooperation", ("MSFT",)),
    ("Retailer adds stores in three states", ()),
    ("Pharma company presents study results at a congress", ("LLY",)),
    ("Small caps draw attention of fund managers", ("IWM",)),
    ("Bank names a new head of operations", ("JPM",)),
    ("Streaming service adds a sports package", ("AMZN",)),
    ("Phone maker holds its developer event", ("AAPL",)),
    ("Energy producer completes maintenance of a plant", ("XOM",)),
    ("Advertising group expects steady bookings", ("META", "GOOGL")),
    ("Exchange operator publishes monthly volumes", ()),
)


@dataclass(frozen=True, slots=True)
class CalendarEntry:
    """One line of the economic calendar."""

    kind: str
    event: str
    at: datetime
    reported_period: str
    previous: str
    forecast: str


def headlines(seed: int, start: datetime, seconds: int, per_minute: float) -> list[NewsPublished]:
    """Headlines from `start` on, in time order."""
    chance = stream(seed, "news")
    count = int(chance.poisson(per_minute * seconds / 60))
    times = sorted(float(x) for x in chance.random(count) * seconds)
    result = []
    for at in times:
        headline, tickers = _HEADLINES[int(chance.integers(0, len(_HEADLINES)))]
        source = _SOURCES[int(chance.integers(0, len(_SOURCES)))]
        result.append(
            NewsPublished(start + timedelta(seconds=round(at)), headline, source, tickers)
        )
    return result


_CALENDARS: Mapping[str, tuple[tuple[int, float, str, str, str, str, str], ...]] = {
    "light": (),
    "fomc": (
        (0, 270, "fomc", "FOMC interest-rate decision", "", "", ""),
        (0, 300, "fed-speaker", "Fed Chair press conference", "", "", ""),
    ),
}
"""What a named calendar has beyond the light week: days and minutes after the open, then text."""


def economic_calendar(open_at: datetime, name: str = "light") -> list[CalendarEntry]:
    """A light week and the next: low-importance lines, none that blocks entries; and the lines of
    the calendar `name`."""
    lines = (
        *_CALENDARS[name],
        (-1, 330, "report", "Consumer credit", "August", "16.0B", "14.2B"),
        (0, -150, "report", "NFIB small business index", "September", "100.8", "100.5"),
        (0, 270, "fed-speaker", "Regional bank president gives welcome remarks", "", "", ""),
        (1, 60, "report", "Wholesale inventories", "August", "0.1%", "0.2%"),
        (1, 330, "report", "Weekly petroleum status", "", "", ""),
        (7, 330, "report", "Weekly petroleum status", "", "", ""),
    )
    return [
        CalendarEntry(
            kind, event, open_at + timedelta(days=days, minutes=minutes), period, previous, forecast
        )
        for days, minutes, kind, event, period, previous, forecast in lines
    ]
