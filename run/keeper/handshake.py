"""Whether TWS came back from its nightly restart, and its lines with it, by what run/feeds said.

The feeds page an outage by themselves; this notices also that they are not there to do it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.event import Recorded
from domain.events.feed_health import FeedStateChanged, FeedStreamSilent, FeedStreamVerified
from run.feeds.states import BROKER, UP
from run.keeper.runner import Outcome, Work
from run.tails import tail

LOOK_BACK = timedelta(minutes=15)
"""From before the restart on, which is at 23:45."""
VERSIONS_MAX = 2_000
LINES_NAMED_MAX = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """Empty severity: the restart is over, or there was none."""

    severity: str
    text: str


def judge(events: Sequence[Recorded], until: datetime) -> Verdict:
    """What the newest events of the feed's stream, the oldest first, say of a moment."""
    known = [event for event in events if event.recorded_at <= until]
    states = [event for event in known if _is_of_feed(event)]
    if not states:
        return Verdict("critical", "the broker's feed has never said how it is: is run.feeds up?")
    newest = states[-1].body
    assert isinstance(newest, FeedStateChanged)
    if newest.state == "paused":
        return Verdict("", f"the feed is paused: {newest.reason}")
    if newest.state not in UP:
        why = f": {newest.reason}" if newest.reason else ""
        return Verdict("critical", f"TWS is not back from its restart, it is {newest.state}{why}")
    since = until - LOOK_BACK
    outages = [
        event
        for event in states
        if event.recorded_at >= since and getattr(event.body, "state", "") not in UP
    ]
    if not outages:
        return Verdict("", "TWS did not restart")
    return _judge_lines(known, outages[-1].position)


def _is_of_feed(event: Recorded) -> bool:
    return isinstance(event.body, FeedStateChanged) and event.body.feed == BROKER


def _judge_lines(known: Sequence[Recorded], lost_at: int) -> Verdict:
    verified: set[str] = set()
    silent: dict[str, float] = {}
    for event in known:
        if event.position < lost_at:
            continue
        match event.body:
            case FeedStreamVerified() as body:
                verified.add(body.channel)
                silent.pop(body.channel, None)
            case FeedStreamSilent() as body:
                silent[body.channel] = body.seconds
            case _:
                pass
    if silent:
        named = ", ".join(sorted(silent)[:LINES_NAMED_MAX])
        text = f"TWS is back, but {len(silent)} of its lines are silent: {named}"
        return Verdict("warning", text)
    if not verified:
        return Verdict("warning", "TWS is back, but no line of it has answered")
    return Verdict("", f"TWS is back with {len(verified)} lines")


async def verify_restart(work: Work) -> Outcome:
    """The job, ten minutes after the restart."""
    events = await tail(work.process.store, f"feed/{BROKER}", VERSIONS_MAX)
    found = judge(events, work.until)
    if not found.severity:
        return Outcome(found.text)
    await work.alert(
        found.severity, "RESTART_NOT_VERIFIED", found.text, work.due.due_at.isoformat()
    )
    return Outcome(found.text, "failed")
