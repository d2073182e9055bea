"""How many messages a channel usually brings, by the time of the session.

Written by run/keeper with the report of a session, read by run/feeds in later ones.
"""

from __future__ import annotations

from datetime import date

from domain.event import DeskEvent
from domain.instruments import Value


class HalfHourRate(Value):
    """One channel in one half hour of the regular session."""

    feed: str
    channel: str
    half_hour: int
    """0 begins at the open."""
    messages_per_minute: float
    """The median of its minutes; one without a message counts as zero."""


class FeedRatesSummed(DeskEvent):
    """What each channel brought in each half hour of a session. Stream `reports/rates`.

    Natural key: session_date.
    """

    session_date: date
    rates: tuple[HalfHourRate, ...]
