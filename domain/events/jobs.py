"""What is done by the clock, beside what system.py says of the keeper's jobs.

Written by run/keeper and run/feeds; read by whoever shows how the desk is, and by a restart that
must not do again what was done.
"""

from __future__ import annotations

from datetime import date, datetime

from domain.event import DeskEvent


class JobScheduled(DeskEvent):
    """A job of the keeper is next due at this moment. Stream `jobs/<name>`; natural key: name and
    due_at.

    Nothing is decided by it: what is due is found from the schedule, what is done from
    JobFinished.
    """

    name: str
    due_at: datetime
    session_date: date


class RestBatchTaken(DeskEvent):
    """A REST call that is due at times of the day was answered well, all its pages. Stream
    `rest-batches/uw`; natural key: session_date, key and due_at.

    A restart in the same session does not ask for it again.
    """

    key: str
    """The call's name in the schedule: endpoint, symbol, expiries."""
    session_date: date
    due_at: datetime
    """The time of day that it was taken for; earlier ones are settled with it."""
    pages: int
