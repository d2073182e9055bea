"""The page stage: a critical alert becomes a message to the operator on Telegram, and so does the
report of a session's ingestion.

An alert once until it is acknowledged, and at most PAGES_PER_HOUR_MAX an hour: a phone that
rings all the time is switched off. What is left out stays on the page, and that is said. The
message is a delivery like any other: its outcome is on the log, and it is tried again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.distribution.ingestion_text import ingestion_text, ingestion_title
from domain.distribution.publication import delivery_id
from domain.event import Recorded
from domain.events.controls import AlertAcknowledged, AlertRaised
from domain.events.feed_health import IngestionReported
from domain.events.publication import DeliveryScheduled, Vendor
from domain.stage import Emission

CHANNEL = "operator"
PAGED = "critical"
PAGES_PER_HOUR_MAX = 30
TEXT_LENGTH_MAX = 1_000
OPEN_MAX = 1_000
"""Alerts that are remembered as told; the oldest is forgotten, and told again if it comes again."""
POLICY_VERSION = 1
_HOUR = timedelta(hours=1)


@dataclass(slots=True)
class PageState:
    told: dict[str, None] = field(default_factory=dict)
    """Alerts that were paged and that nobody has acknowledged, oldest first."""
    sent_at: deque[datetime] = field(default_factory=lambda: deque(maxlen=PAGES_PER_HOUR_MAX))
    due: list[Emission] = field(default_factory=list)


class PageStage:
    """Stage `pages` of the outbox."""

    name = "pages"
    types = frozenset({"AlertAcknowledged", "AlertRaised", "IngestionReported"})

    def initial(self) -> PageState:
        return PageState()

    def react(self, state: PageState, event: Recorded) -> Sequence[Emission]:
        return state.due

    def evolve(self, state: PageState, event: Recorded) -> PageState:
        state.due = []
        match event.body:
            case AlertRaised() as body if body.severity == PAGED:
                _page(state, event, body)
            case AlertAcknowledged() as body:
                state.told.pop(body.alert_id, None)
            case IngestionReported() as body:
                title, text = ingestion_title(body), ingestion_text(body)
                state.due.append(_message(event, "report", title, text[:TEXT_LENGTH_MAX]))
            case _:
                pass
        return state


def _page(state: PageState, event: Recorded, body: AlertRaised) -> None:
    if body.alert_id in state.told:
        return
    now = event.market_time
    while state.sent_at and now - state.sent_at[0] >= _HOUR:
        state.sent_at.popleft()
    left = PAGES_PER_HOUR_MAX - len(state.sent_at)
    if left == 0:
        return
    state.told[body.alert_id] = None
    if len(state.told) > OPEN_MAX:
        del state.told[next(iter(state.told))]
    state.sent_at.append(now)
    last = f"\n\n{PAGES_PER_HOUR_MAX} in an hour: further alerts are on the page alone for a while."
    text = body.text[:TEXT_LENGTH_MAX] + (last if left == 1 else "")
    state.due.append(_message(event, "page", f"{body.severity}: {body.code}", text))


def _message(event: Recorded, kind: str, title: str, text: str) -> Emission:
    made = delivery_id(event.event_id, Vendor.TELEGRAM, CHANNEL)
    scheduled = DeliveryScheduled(
        delivery_id=made,
        source_event_id=str(event.event_id),
        kind=kind,
        vendor=Vendor.TELEGRAM,
        channel=CHANNEL,
        tier=None,
        public_id="",
        trade_id="",
        title=title,
        body=text,
        fields={},
        due_at=event.market_time,
        event_at=event.market_time,
        reply_to="",
        policy_version=POLICY_VERSION,
    )
    return Emission(f"delivery/{made}", scheduled)
