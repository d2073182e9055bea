"""How each REST endpoint is: which wait after trouble, which are off for the session.

A refusal is not asked again in the session: it is an EndpointDisabled event and an alarm. Trouble
makes the endpoint wait, twice as long each time; when it lasts, its data have a gap. The feed
itself is down only when nothing answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum

from adapters.unusual_whales import UwAnswer
from domain.event import derived_id
from domain.events.controls import AlertRaised
from domain.events.feed_health import EndpointDisabled
from run.feeds.intake import Intake
from run.feeds.rest_plan import Job
from run.feeds.states import FeedStates

REST = "uw.rest"
STREAM = f"feed/{REST}"
REASON_CHARACTERS_MAX = 200
WAIT_SECONDS = 30.0
WAIT_SECONDS_MAX = 900.0
FAILURES_OF_A_GAP = 3
"""Failures in a row of an endpoint that make its data missing, or of the feed that take it down."""
PATH_REFUSED = frozenset({404, 422})
"""What one path was refused for, others of its endpoint may not be."""


class Verdict(Enum):
    """What an answer means for asking again."""

    GOOD = "good"
    REFUSED = "refused"
    TROUBLE = "trouble"
    SPENT = "spent"


def verdict(answer: UwAnswer) -> Verdict:
    """401, 403 of the vendor itself, 404, 422 and other errors of the caller do not pass."""
    if answer.status == 429:
        is_daily = b"daily_request_limit_hit" in answer.body_bytes
        return Verdict.SPENT if is_daily else Verdict.TROUBLE
    if answer.status == 401 or (400 <= answer.status < 500 and not answer.fault):
        return Verdict.REFUSED
    return Verdict.GOOD if answer.status == 200 and not answer.fault else Verdict.TROUBLE


@dataclass(slots=True)
class _Trouble:
    since: datetime
    """Real time of the last good answer, else of the first failure."""
    failures: int = 0
    waits_until: datetime | None = None
    """Market time."""


class RestEndpoints:
    """Judges answers; says of a call whether and when it may be made."""

    def __init__(
        self,
        intake: Intake,
        states: FeedStates,
        session_date: date,
        now: Callable[[], datetime],
    ) -> None:
        """`now` is market time."""
        self._intake = intake
        self._states = states
        self._session_date = session_date
        self._now = now
        self._off: set[str] = set()
        """Endpoints, and paths of endpoints."""
        self._good_at: dict[str, datetime] = {}
        self._troubles: dict[str, _Trouble] = {}
        self._failures = 0
        """In a row, of all endpoints."""
        self._has_answered = False
        self._is_spent = False
        self._alarmed: set[str] = set()

    def is_off(self, job: Job) -> bool:
        return job.endpoint.path in self._off or job.path in self._off

    def waits_until(self, job: Job) -> datetime | None:
        """Until when trouble keeps it waiting."""
        trouble = self._troubles.get(job.endpoint.path)
        return trouble.waits_until if trouble is not None else None

    def answered(self, job: Job, answer: UwAnswer) -> Verdict:
        """Note an answer."""
        judged = verdict(answer)
        match judged:
            case Verdict.GOOD:
                self._note_good(job, answer.received_at)
            case Verdict.REFUSED:
                self._switch_off(job, answer)
            case Verdict.TROUBLE:
                self.failed(job, f"{answer.path}: status {answer.status} {answer.fault}".strip())
            case Verdict.SPENT:
                self.spent(f"{answer.path}: the day's quota is used up")
        return judged

    def spent(self, reason: str) -> None:
        """Nothing is left of the day's quota for the schedule."""
        self._is_spent = True
        self._states.changed(REST, "down", reason[:REASON_CHARACTERS_MAX], "")

    def turned_over(self) -> None:
        """The day's quota has room again."""
        self._is_spent = False

    def failed(self, job: Job, reason: str) -> None:
        """Note a call without an answer of use."""
        reason = reason[:REASON_CHARACTERS_MAX]
        path = job.endpoint.path
        since = self._good_at.get(path, datetime.now(UTC))
        trouble = self._troubles.setdefault(path, _Trouble(since))
        trouble.failures += 1
        seconds = min(WAIT_SECONDS * 2.0 ** (trouble.failures - 1), WAIT_SECONDS_MAX)
        trouble.waits_until = self._now() + timedelta(seconds=seconds)
        if trouble.failures >= FAILURES_OF_A_GAP:
            self._intake.gaps.open(REST, path, trouble.since, reason)
        self._failures += 1
        if self._failures >= FAILURES_OF_A_GAP or not self._has_answered:
            self._states.changed(REST, "down", reason, "")

    def _note_good(self, job: Job, received_at: datetime) -> None:
        path = job.endpoint.path
        self._good_at[path] = received_at
        self._failures, self._has_answered = 0, True
        if not self._is_spent:
            self._states.changed(REST, "ready", "", "")
        self._troubles.pop(path, None)
        self._intake.gaps.close(REST, path, received_at)  # one of an earlier process, too

    def _switch_off(self, job: Job, answer: UwAnswer) -> None:
        self._failures, self._has_answered = 0, True  # the vendor is there
        self._troubles.pop(job.endpoint.path, None)
        off = job.path if answer.status in PATH_REFUSED else job.endpoint.path
        if off in self._off:
            return
        self._off.add(off)
        said = answer.body_bytes[:REASON_CHARACTERS_MAX].decode(errors="replace")
        body = EndpointDisabled(
            endpoint=job.endpoint.path,
            path=answer.path,
            status=answer.status,
            reason=said,
            session_date=self._session_date,
        )
        self._intake.put(STREAM, body, feed=REST)
        self._raise_alarm(off, answer, said)

    def _raise_alarm(self, off: str, answer: UwAnswer, said: str) -> None:
        is_login = answer.status == 401
        alert_id = str(derived_id("endpoint.off", self._session_date, 401 if is_login else off))
        if alert_id in self._alarmed:
            return
        self._alarmed.add(alert_id)
        what = "the token is refused" if is_login else f"{off} is off for the session"
        alert = AlertRaised(
            alert_id=alert_id,
            severity="critical" if is_login else "warning",
            code="REST_LOGIN_REFUSED" if is_login else "ENDPOINT_DISABLED",
            text=f"{what}: status {answer.status}: {said}",
        )
        self._intake.put("alerts/feeds", alert, feed=REST)
