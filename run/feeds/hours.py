"""The plan of the session: the calendar's, with what the exchange has changed at short notice.

Run/feeds is the one writer of SessionPlanned. An override that comes while it runs is answered with
a new plan; one that came before is in the first.
"""

from __future__ import annotations

from datetime import date

from domain.event import Recorded, derived_id
from domain.events.session_hours import SessionOverridden
from domain.events.system import SESSION_STREAM, PlannedDay, SessionPlanned
from domain.session import overridden
from run.worker import Recorder
from store.contract import EventStore, Selection


def _days(plan: SessionPlanned) -> tuple[PlannedDay, ...]:
    return (plan.day, *plan.earlier, *plan.later)


class Hours:
    """What the exchange has changed against its calendar; the newest override of a day counts."""

    def __init__(self) -> None:
        self._newest: dict[date, Recorded] = {}

    async def read(self, store: EventStore) -> None:
        """Fold what is on the log."""
        after, selection = 0, Selection(types=frozenset({SessionOverridden.__name__}))
        while page := await store.read(after, selection):
            for event in page:
                self.note(event)
            after = page[-1].position

    def note(self, event: Recorded, calendar: SessionPlanned | None = None) -> bool:
        """Keep an override; whether it is about a session of this plan."""
        body = event.body
        if not isinstance(body, SessionOverridden):
            return False
        self._newest[body.session_date] = event
        return calendar is not None and any(
            day.session_date == body.session_date for day in _days(calendar)
        )

    @property
    def closed(self) -> frozenset[date]:
        """Days on which the exchange stays closed."""
        return frozenset(day for day, body in self._bodies().items() if body.open_at is None)

    def applied(self, plan: SessionPlanned) -> SessionPlanned:
        """The calendar's plan with the hours of now."""
        return overridden(plan, self._bodies())

    def _bodies(self) -> dict[date, SessionOverridden]:
        bodies = ((day, event.body) for day, event in self._newest.items())
        return {day: body for day, body in bodies if isinstance(body, SessionOverridden)}

    async def write(
        self, recorder: Recorder, calendar: SessionPlanned, cause: Recorded | None = None
    ) -> None:
        """Write the plan of the session as it is now; a repeat writes nothing new."""
        events = (self._newest.get(day.session_date) for day in _days(calendar))
        touched = [str(event.event_id) for event in events if event is not None]
        await recorder.record(
            SESSION_STREAM,
            self.applied(calendar),
            event_id=derived_id("session", calendar.day.session_date, calendar.library, *touched),
            causation_id=None if cause is None else cause.event_id,
            correlation_id=None if cause is None else cause.correlation_id,
        )
