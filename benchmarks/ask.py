"""Questions of a reviewer on a long log: the desk's state at a moment, and why an event came.

Milliseconds of the functions behind `python -m run.replay state` and `why` on an open store, the
moments and events spread over the log; p50 of all, the worst beside it.
"""

from __future__ import annotations

import argparse
import statistics
from datetime import datetime

from benchmarks.day import Day
from benchmarks.ground import Desk, Figure, main, seconds
from store.postgres import PostgresStore

FLAGS = {
    "events": (100_000, "events on the log"),
    "questions": (20, "questions of each kind"),
}
FULL = {"events": 10_000_000}


async def measure(given: argparse.Namespace, desk: Desk) -> list[Figure]:
    try:
        from run.replay.past import desk_at
        from run.replay.question import position_at
        from run.replay.story import story_of
    except ModuleNotFoundError as error:
        note = f"not measured: {error}"
        return [Figure("ask.state", None, "s", note=note), Figure("ask.why", None, "ms", note=note)]

    day = Day()
    async with await PostgresStore.open(await desk.database(), application_name="ask") as store:
        while day.made < given.events:
            await store.append(day.take(1_000))
        head = await store.head()
        states, stories = [], []
        trades: list[int] = []
        sizes: list[int] = []
        for number in range(1, given.questions + 1):
            position = head * number // given.questions
            (event,) = await store.read(position - 1, limit=1)

            async def state(at: datetime = event.market_time) -> None:
                past = await desk_at(store, await position_at(store, at))
                trades.append(len(past.view("positions")))

            states.append(await seconds(state()))
            trade = day.last_of_story[(len(day.last_of_story) - 1) * number // given.questions]

            async def why(name: str = f"event/{trade}") -> None:
                sizes.append(len((await story_of(store, name)).events))

            stories.append(1e3 * await seconds(why()))
    assert min(trades) > 0, f"every state must hold positions, held {trades}"
    return [
        Figure("ask.events", head, "events"),
        Figure("ask.state", statistics.median(states), "s", "<= 1"),
        Figure("ask.state_worst", max(states), "s", note=f"of up to {max(trades)} positions"),
        Figure("ask.why", statistics.median(stories), "ms", "<= 100"),
        Figure("ask.why_worst", max(stories), "ms", note=f"stories of up to {max(sizes)} events"),
    ]


if __name__ == "__main__":
    main("ask", __doc__, FLAGS, measure, FULL)
