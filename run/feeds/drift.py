"""Watches what comes in for fields that this build does not know, or knows otherwise.

Asked by the intake about every message. What comes seldom is looked at message by message; of a
busy channel the first messages of each connection and then a few a second, so that the cost has a
bound whatever the rate. Each difference is told once a session: by an event, and by a metric.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from domain.event import Proposed, derived_id
from domain.events.controls import AlertRaised
from domain.events.feed_health import FeedDriftSeen
from domain.events.feeds import UwFrame, UwRestReceived
from domain.payloads.unusual_whales import Difference, drift, rest_drift
from domain.payloads.unusual_whales.drift import NEW_FIELD
from run import metrics
from run.feeds.intake import Intake

FIRST_MESSAGES = 20
"""Of each channel and connection, looked at whatever the rate."""
LOOKS_APART = timedelta(milliseconds=500)
DIFFERENCES_MAX = 500
"""Told of one process; a vendor that renames its fields at random must not fill the log."""
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Drift:
    """What of a session's messages was otherwise than known, and was told."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._looked_at: dict[str, datetime] = {}
        self._looks: Counter[tuple[str, str]] = Counter()
        self._told: set[tuple[str, str, str]] = set()
        self._warned: set[str] = set()

    def heard(self, feed: str, event: Proposed) -> None:
        """Look at a message that was taken in, and say what is new about it."""
        for found in self._of(feed, event):
            self._intake.put(f"feed/{feed}", found, feed=feed)

    def _of(self, feed: str, event: Proposed) -> list[FeedDriftSeen]:
        """What a message has otherwise and was not told yet."""
        body = event.body
        if isinstance(body, UwFrame):
            if not self._is_due(body.channel, body.connection, body.received_at):
                return []
            return self._new(feed, body.channel, drift(body.channel, bytes(body.payload)), event)
        if isinstance(body, UwRestReceived) and body.status == 200:
            differences = rest_drift(body.endpoint, bytes(body.payload))
            return self._new(feed, body.endpoint, differences, event)
        return []

    def _is_due(self, channel: str, connection: str, at: datetime) -> bool:
        is_soon = at - self._looked_at.get(channel, _LONG_AGO) < LOOKS_APART
        if is_soon and self._looks[channel, connection] >= FIRST_MESSAGES:
            return False
        self._looked_at[channel] = at
        self._looks[channel, connection] += 1
        return True

    def _new(
        self, feed: str, channel: str, differences: list[Difference], event: Proposed
    ) -> list[FeedDriftSeen]:
        found = []
        for kind, field, detail in differences:
            known = (channel, kind, field)
            if known in self._told or len(self._told) >= DIFFERENCES_MAX:
                continue
            self._told.add(known)
            metrics.FEED_DRIFT.labels(feed, kind).inc()
            if kind != NEW_FIELD:
                self._warn(feed, channel, f"{kind.replace('_', ' ')}: {field} ({detail})", event)
            found.append(
                FeedDriftSeen(
                    feed=feed,
                    channel=channel,
                    kind=kind,
                    field=field,
                    detail=detail,
                    sample_event_id=str(event.event_id),
                )
            )
        return found

    def _warn(self, feed: str, channel: str, what: str, event: Proposed) -> None:
        """What is read may be missing from now on: told the operator once a channel and session."""
        if channel in self._warned:
            return
        self._warned.add(channel)
        identity = derived_id("feed.changed", feed, channel, event.event_id)
        alert = AlertRaised(
            alert_id=str(identity),
            severity="warning",
            code="FEED_CHANGED",
            text=f"{feed}: messages of {channel} are otherwise than known: {what}",
        )
        self._intake.alert(alert, identity)
