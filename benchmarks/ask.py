"""Questions of a reviewer on a long log: the desk's state at a moment, and why an event came.

What is timed are the functions behind `python -m run.replay state` and `why` on an open store, the
moments and events spread over the log. Snapshots are on: the first question, about the log's end,
leaves them, and is reported on its own. Goals are set to the worst of the others.
"""

from __future__ import annotations

import argparse
import os
import statistics

from benchmarks.day import Day
from benchmarks.ground import Desk, Figure, main, seconds
from run.replay.past import desk_at
from run.replay.question import position_at
from run.replay.story import story_of
from store.postgres import PostgresStore

FLAGS = {
    "events": (100_000, "events on the log"),
    "questions": (20, "questions of each kind"),
}
FULL = {"events": 10_000_000}


class Reviewer:
    """Asks, and notes how much each answer holds."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store
        self.trades: list[int] = []
        self.stories: list[int] = []

    async def state(self, position: int) -> float:
        """Seconds of the state at the market time of a position."""
        (event,) = await self._store.read(position - 1, limit=1)

        async def ask() -> None:
            past = await desk_at(self._store, await position_at(self._store, event.market_time))
            self.trades.append(len(past.view("positions")))

        return await seconds(ask())

    async def why(self, event_id: object) -> float:
        """Milliseconds of the story of an event."""

        async def ask() -> None:
            story = await story_of(self._store, f"event/{event_id}")
            self.stories.append(len(story.events))

        return 1e3 * await seconds(ask())


async def measure(given: argparse.Namespace, desk: Desk) -> list[Figure]:
    dsn = await desk.database()
    # The replay reads its settings from here: only the secret that signs snapshots matters.
    os.environ |= {"DATABASE_URL": dsn, "REDIS_URL": "redis://127.0.0.1:1/0"}
    os.environ |= {"STRIKETAPE_PUBLICATION_SECRET": "signs the snapshots of a benchmark"}
    day = Day()
    async with await PostgresStore.open(dsn, application_name="benchmark") as store:
        while day.made < given.events:
            await store.append(day.take(1_000))
        head = await store.head()
        reviewer = Reviewer(store)
        first = await reviewer.state(head)
        states, whys = [], []
        for number in range(1, given.questions + 1):
            states.append(await reviewer.state(head * number // given.questions))
            trade = (len(day.last_of_story) - 1) * number // given.questions
            whys.append(await reviewer.why(day.last_of_story[trade]))
    trades, stories = reviewer.trades, reviewer.stories
    assert min(trades) > 0, f"every state must hold positions, held {trades}"
    return [
        Figure("ask.events", head, "events"),
        Figure("ask.state_first", first, "s", note="before there are snapshots"),
        Figure("ask.state_p50", statistics.median(states), "s"),
        Figure("ask.state", max(states), "s", "<= 1", f"worst, of up to {max(trades)} positions"),
        Figure("ask.why_p50", statistics.median(whys), "ms"),
        Figure("ask.why", max(whys), "ms", "<= 100", f"worst, of up to {max(stories)} events"),
    ]


if __name__ == "__main__":
    main("ask", __doc__, FLAGS, measure, FULL)
