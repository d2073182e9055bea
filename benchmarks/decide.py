"""How long every decision about signals takes: from a closed bar on the log to what it led to.

Read from the log of a run of benchmarks/latency.py. What a worker decides over one input leaves in
one transaction, so a bar's decisions are on the log, for a signal or against one, when its
MetricComputed is. Times are those of the database's clock; the feeds, the refresh of whole chains,
the trader and all else run beside it.
"""

from __future__ import annotations

import statistics

from benchmarks.ground import Figure, percentile
from domain.event import Recorded
from domain.events.analytics import MetricComputed
from domain.events.feeds import IbBarReceived
from store.contract import EventStore, Selection

PAGE = 2_000
BARS_MIN = 60
TYPES = frozenset({"IbBarReceived", "MetricComputed", "SignalRaised", "SignalValidated"})


async def decided(store: EventStore, after: int) -> list[Figure]:
    """Milliseconds of all bars behind a position; and of the last symbol of each bar time."""
    bars: dict[int, Recorded] = {}
    took: list[float] = []
    last: dict[object, float] = {}
    signals = 0
    while page := await store.read(after, Selection(types=TYPES), PAGE):
        after = page[-1].position
        for event in page:
            if isinstance(event.body, IbBarReceived):
                bars[event.position] = event
                continue
            bar = bars.get(event.input_position or 0)
            if not isinstance(event.body, MetricComputed):
                signals += 1
            elif bar is not None and isinstance(bar.body, IbBarReceived):
                spent = 1e3 * (event.recorded_at - bar.recorded_at).total_seconds()
                took.append(spent)
                last[bar.body.start] = max(spent, last.get(bar.body.start, 0.0))
    if len(took) < BARS_MIN:
        note = f"{len(took)} bars are too few to say anything"
        return [Figure("decide.p50", None, "ms", "<= 15", note)]
    note = f"{len(took)} bars of all symbols; {signals} signals raised or validated"
    return [
        Figure("decide.p50", statistics.median(took), "ms", "<= 15", note),
        Figure("decide.p99", percentile(took, 0.99), "ms", "<= 50"),
        Figure("decide.last_p50", statistics.median(last.values()), "ms", note="last of its bar"),
    ]
