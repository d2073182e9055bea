"""Hours of a session that the calendar does not know: what an exchange changes at short notice.

Asked for with run/session; run/feeds answers with a new SessionPlanned, which every stage folds.
"""

from __future__ import annotations

from datetime import date, datetime

from domain.event import DeskEvent

OVERRIDES_STREAM = "session/overrides"


class SessionOverridden(DeskEvent):
    """A session has these hours, whatever the calendar says. Stream `session/overrides`.

    The newest of a session counts, in every plan from then on.
    """

    session_date: date
    open_at: datetime | None
    """Null, like `close_at`, when the exchange stays closed that day."""
    close_at: datetime | None
    who: str
    why: str
