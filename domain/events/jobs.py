"""What the keeper will do next. That a job began and ended is in system.py.

Written by run/keeper, read by whoever shows how the desk is.
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
