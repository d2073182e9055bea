"""How far the projections lag: real seconds from an event's recording to its being in a view.

recorded_at is the database's clock and the moment of applying this process's: on one machine they
are one clock; where the database is elsewhere, their difference is part of the figure (a lag below
zero counts as zero). What was recorded before this process started is left out: it tells how long
the projector was down, which lag_events shows, not how fast it is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import inf

from domain.event import Recorded
from run import projection_metrics as metrics

_COUNT = ".lag_seconds_le_"
_LONGEST = ".lag_seconds_max"
_BEYOND = "inf"


class LagCounts:
    """Lags since the last heartbeat, counted in fixed buckets."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._counts: Counter[str] = Counter()
        self._seconds_max = 0.0

    def add(self, lag_seconds: float) -> None:
        self._counts[_bucket(lag_seconds)] += 1
        self._seconds_max = max(self._seconds_max, lag_seconds)

    def take_figures(self) -> dict[str, float]:
        """Figures of the window for a heartbeat, and begin the next one.

        At most three and one for each bucket; none when nothing was counted.
        """
        counts, seconds_max = self._counts, self._seconds_max
        self._counts, self._seconds_max = Counter(), 0.0
        if not counts:
            return {}
        figures = {f"{self.name}{_COUNT}{bound}": float(n) for bound, n in counts.items()}
        for share in (50, 99):
            within = quantile(counts, share / 100)
            figures[f"{self.name}.lag_seconds_p{share}"] = min(within, seconds_max)
        figures[f"{self.name}{_LONGEST}"] = seconds_max
        return figures


class LagWindow(LagCounts):
    """The lags of one projection since its last heartbeat."""

    def __init__(self, name: str, since: datetime | None = None) -> None:
        super().__init__(name)
        self._since = since or datetime.now(UTC)
        self._lag = metrics.PROJECTION_LAG_SECONDS.labels(name)
        self._apply = metrics.PROJECTION_APPLY_SECONDS.labels(name)
        self._events = metrics.PROJECTED_EVENTS.labels(name)

    def applied(self, events: Sequence[Recorded], seconds: float) -> None:
        """Take note of a page that is in the views now."""
        now = datetime.now(UTC)
        self._apply.observe(seconds)
        self._events.inc(len(events))
        for event in events:
            if event.recorded_at < self._since:
                continue
            lag = max(0.0, (now - event.recorded_at).total_seconds())
            self._lag.observe(lag)
            self.add(lag)


def _bucket(lag_seconds: float) -> str:
    place = bisect_left(metrics.LAG_BOUNDS_SECONDS, lag_seconds)
    if place == len(metrics.LAG_BOUNDS_SECONDS):
        return _BEYOND
    return f"{metrics.LAG_BOUNDS_SECONDS[place]:g}"


def quantile(counts: Mapping[str, float], share: float) -> float:
    """Upper end of the bucket that holds this share of all, infinite for the last one."""
    total, seen = sum(counts.values()), 0.0
    bound = 0.0
    for bound in sorted(float(name) for name in counts):
        seen += counts[_BEYOND if bound == float(_BEYOND) else f"{bound:g}"]
        if seen >= share * total:
            break
    return bound


def worst_p99_seconds(heartbeats: Iterable[Mapping[str, float]]) -> float | None:
    """99th percentile over all heartbeats of the projection that lags most; null without any.

    The upper end of its bucket, or the longest lag where that is less.
    """
    counts: dict[str, Counter[str]] = {}
    longest: dict[str, float] = {}
    for figures in heartbeats:
        for key, number in figures.items():
            name, found, bound = key.partition(_COUNT)
            if found:
                counts.setdefault(name, Counter())[bound] += int(number)
            elif key.endswith(_LONGEST):
                name = key.removesuffix(_LONGEST)
                longest[name] = max(longest.get(name, 0.0), number)
    worst = [min(quantile(found, 0.99), longest.get(name, inf)) for name, found in counts.items()]
    return max(worst, default=None)
