"""A made trading day: ticks, prints, bars and numbers, now and then a trade with its story.

Bodies are filled in by type and used again under new ids, so that millions are made quickly. The
story of a trade is a chain of desk events: each one's cause is the one before, the first one's a
tick, and all share that tick's id as their correlation.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import cycle
from typing import Any
from uuid import UUID

import msgspec

from domain.event import Body, DeskEvent, Proposed, body_class, derived_id, event_type
from domain.events.feeds import IbTicksReceived
from domain.events.system import ClockStarted
from domain.instruments import SYMBOLS
from tests.projections.story import readable
from tests.store.samples import sample_of

STORY_EVERY = 2_000
"""Events from the beginning of one trade to the next: 500 trades in a day of a million."""

_MARKET = {
    "IbTicksReceived": 60,
    "UwOptionTradeReceived": 22,
    "UwPriceReceived": 8,
    "MetricComputed": 5,
    "UwGexStrikeExpiryReceived": 3,
    "IbBarReceived": 2,
}
"""Shares of a hundred."""

_STORY = (
    *("SignalRaised", "SignalValidated", "RiskDecided", "OrderIntended", "IntentSent"),
    *("OrderChanged", "FillRecorded", "CommissionRecorded", "PositionOpened", "PositionMarked"),
    *("StopMoved", "ExitDecided", "PositionClosed", "PnlExplained"),
)
_IDS = {"signal_id": "signal", "decision_id": "decision", "order_ref": "order"} | {
    "position_id": "position"
}
_VARIANTS = 40


class Day:
    """Endless events of such a day."""

    def __init__(self) -> None:
        self.made = 0
        self.last_of_story: list[UUID] = []
        """Ids of the last event of each trade."""
        kinds = [(name, n) for name, share in _MARKET.items() for n in range(share)]
        # Spread evenly, so that every page holds some of each.
        kinds.sort(key=lambda kind: (kind[1] + 0.5) / _MARKET[kind[0]])
        self._bodies = cycle(
            [
                (f"{name}/{n % 8}", _lifelike(sample_of(body_class(name), 7 * n + variant)))
                for variant in range(_VARIANTS)
                for name, n in kinds
            ]
        )
        self._templates = [sample_of(body_class(name), 3) for name in _STORY]

    def take(self, count: int) -> list[Proposed]:
        """At least `count` events: a trade is never cut."""
        taken: list[Proposed] = []
        if self.made == 0:
            now = datetime.now(UTC)
            clock = ClockStarted(base_market_time=now, speed=1.0, session_date=now.date())
            taken.append(self._event("clock", clock))
        while len(taken) < count:
            stream, body = next(self._bodies)
            taken.append(self._event(stream, body))
            if self.made % STORY_EVERY < 1:
                taken.extend(self._story(taken[-1]))
        return taken

    def _story(self, tick: Proposed) -> list[Proposed]:
        number = len(self.last_of_story)
        cause, told = tick.event_id, []
        for template in self._templates:
            ids = {name: f"{name}-{number}" for name in _IDS if hasattr(template, name)}
            body = _with(template, ids)
            told.append(self._event(_stream(body, ids), body, cause, tick.event_id))
            cause = told[-1].event_id
        self.last_of_story.append(cause)
        return told

    def _event(
        self, stream: str, body: Body, cause: UUID | None = None, story: UUID | None = None
    ) -> Proposed:
        self.made += 1
        event_id = derived_id("day", self.made)
        return Proposed(
            stream=stream,
            event_id=event_id,
            occurred_at=datetime.now(UTC),
            correlation_id=story or event_id,
            worker="day",
            build="benchmark",
            body=body,
            causation_id=cause,
        )


def _lifelike(body: Body) -> Body:
    """Payloads that their channel carries, and ticks that change a quote: one half of them those of
    underlyings, the other those of option lines with their greeks."""
    if not isinstance(body, IbTicksReceived):
        return readable(body)
    ticks = [(1, *body.ticks[0][1:]), (2, *body.ticks[1][1:])]
    if body.con_id % 2:
        symbol = SYMBOLS[body.con_id % len(SYMBOLS)]
        about = {"symbol": symbol, "expiry": "", "right": "", "computations": []}
    else:
        about = {"computations": [(13, *body.computations[0][1:])]}
    return msgspec.structs.replace(body, ticks=ticks, **about)


def _with(body: Body, ids: dict[str, str]) -> Body:
    if isinstance(body, DeskEvent):
        return body.model_copy(update=ids)
    return msgspec.structs.replace(body, **ids)


def _stream(body: Any, ids: dict[str, str]) -> str:
    if event_type(body) == "PositionMarked":
        return f"marks/{ids['position_id']}"
    name = next(reversed(ids), "")
    return f"{_IDS[name]}/{ids[name]}" if name else f"desk/{event_type(body)}"
