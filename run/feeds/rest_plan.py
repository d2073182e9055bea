"""When each REST call of the session is due, and with what: pure, from the endpoints' schedules.

run/feeds/uw_rest.py asks. Times are market times. A call has its own place in the minute and its
own jitter, both from its name, so that calls are spread and two runs of a day are alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from hashlib import blake2b

from domain.events.system import PlannedDay
from domain.instruments import SYMBOLS
from domain.payloads.unusual_whales.endpoint import Each, Endpoint, Priority, Schedule
from domain.payloads.unusual_whales.endpoints import SCHEDULED
from domain.session import NEW_YORK

HELD_CONTRACTS_MAX = 10
JITTER_SHARE = 0.1
BATCH_SECONDS = 900
"""Calls of one time of day are spread over so long."""
DOWN_AFTER = timedelta(seconds=15)
"""A socket that is away for less is reconnecting."""
DOWN_FOR_MAX = timedelta(minutes=60)
"""The cadences of an outage would spend the day's quota."""
RECENT = timedelta(minutes=10)
STRIKES_AROUND = 0.10
MONTH_DAYS = 30
SAME_SLOT_SHARE = 0.3
"""A call that went out so late that its next slot is nearer than this skips that one."""


@dataclass(frozen=True, slots=True)
class Pace:
    """By what the cadences are stretched, by class; 0 is off."""

    decides: float = 1.0
    needed: float = 1.0
    useful: float = 1.0


@dataclass(frozen=True, slots=True)
class Load:
    """Calls by class, at the cadences as they are written."""

    decides: float
    needed: float
    useful: float

    def at(self, pace: Pace) -> float:
        """Calls at a pace."""
        classes = ((self.decides, pace.decides), (self.needed, pace.needed))
        return sum(
            calls / stretch for calls, stretch in (*classes, (self.useful, pace.useful)) if stretch
        )


PACES = (
    Pace(),
    Pace(useful=2),
    Pace(needed=2, useful=2),
    Pace(needed=2, useful=4),
    Pace(needed=4, useful=8),
    Pace(needed=8, useful=16),
    Pace(needed=8, useful=0),
    Pace(needed=16, useful=0),
)
"""From the whole schedule to what decisions read and little else."""
NOTHING = Pace(0, 0, 0)


def fitted(load: Load, calls_max: float) -> Pace:
    """The fastest pace that needs at most so many calls; what decisions read is stretched last."""
    for pace in PACES:
        if load.at(pace) <= calls_max:
            return pace
    last = PACES[-1]
    more = load.at(last) / max(calls_max, 1e-9)
    return Pace(more, last.needed * more, 0.0)


def slower(one: Pace, other: Pace) -> Pace:
    """What both allow."""
    pairs = (
        (one.decides, other.decides),
        (one.needed, other.needed),
        (one.useful, other.useful),
    )
    return Pace(*(max(a, b) if a and b else 0.0 for a, b in pairs))


@dataclass(frozen=True, slots=True)
class Situation:
    """What the schedule depends on."""

    now: datetime
    day: PlannedDay
    begun_at: datetime
    """When the schedule began: times of day that were over by then are asked late, and spread."""
    flowing: frozenset[str] = frozenset()
    """Families of channels that the socket brings."""
    down_since: datetime | None = None
    """Since when the socket is down."""
    pace: Pace = Pace()
    seconds_min: float = 0.0
    """Between two calls of one kind, whatever its cadence: in stretches run through fast."""

    @property
    def in_session(self) -> bool:
        return self.day.open_at <= self.now < self.day.options_close_at

    @property
    def cadences_since(self) -> datetime:
        """When the cadences of this part of the day began to hold."""
        moments = (self.begun_at, self.day.open_at, self.day.options_close_at)
        return max((moment for moment in moments if moment <= self.now), default=self.now)

    @property
    def is_down(self) -> bool:
        """The socket is away for long enough to matter and not for too long to afford it."""
        if self.down_since is None:
            return False
        return self.down_since + DOWN_AFTER <= self.now < self.down_since + DOWN_FOR_MAX

    def changes_at(self) -> datetime | None:
        """When it will be another one by the passing of time alone."""
        moments = [self.day.open_at, self.day.options_close_at]
        if self.down_since is not None:
            moments += [self.down_since + DOWN_AFTER, self.down_since + DOWN_FOR_MAX]
        return min((moment for moment in moments if moment > self.now), default=None)


@dataclass(frozen=True, slots=True)
class Job:
    """One call that is made again and again."""

    endpoint: Endpoint
    schedule: Schedule
    symbol: str = ""
    expiries: tuple[date, ...] = ()
    contract: str = ""
    key: str = field(default="", compare=False)

    @property
    def path(self) -> str:
        path = self.endpoint.path.replace("{ticker}", self.symbol)
        for name, value in self.schedule.fills:
            path = path.replace(f"{{{name}}}", self._fill(value))
        return path

    @property
    def is_useful(self) -> bool:
        return self.endpoint.priority is Priority.USEFUL

    def stretch(self, pace: Pace) -> float:
        if self.schedule.decides:
            return pace.decides
        return pace.useful if self.is_useful else pace.needed

    def _fill(self, value: str) -> str:
        expiry = self.expiries[0].isoformat() if self.expiries else ""
        return value.replace("{expiry}", expiry).replace("{contract}", self.contract)

    def query(self, now: datetime, prices: Mapping[str, float]) -> dict[str, str | list[str]]:
        """What to ask with; parameters that are not known yet are left out."""
        price = prices.get(self.symbol)
        known: dict[str, str | list[str] | None] = {
            "{symbol}": self.symbol,
            "{symbols}": ",".join(SYMBOLS),
            "{expiry}": self._fill("{expiry}"),
            "{expiries}": [expiry.isoformat() for expiry in self.expiries],
            "{recent}": str(int((now - RECENT).timestamp())),
            "{low}": None if price is None else str(round(price * (1 - STRIKES_AROUND))),
            "{high}": None if price is None else str(round(price * (1 + STRIKES_AROUND))),
        }
        pairs = ((name, known.get(value, value)) for name, value in self.schedule.query)
        return {name: value for name, value in pairs if value}


def jobs(
    expiries: Mapping[str, Sequence[date]], held: Sequence[str], session_date: date
) -> dict[str, Job]:
    """All calls of the schedules, by name; `expiries` of each symbol, nearest first."""
    found: dict[str, Job] = {}
    for endpoint in SCHEDULED:
        for number, schedule in enumerate(endpoint.schedules):
            for subject in _subjects(schedule.each, expiries, held, session_date):
                key = f"{endpoint.path} {number} {' '.join(map(str, subject))}"
                found[key] = Job(endpoint, schedule, *subject, key=key)
    return found


_Subject = tuple[str, tuple[date, ...], str]


def _subjects(
    each: Each, expiries: Mapping[str, Sequence[date]], held: Sequence[str], session_date: date
) -> Iterator[_Subject]:
    if each is Each.MARKET:
        yield "", (), ""
    elif each is Each.HELD:
        yield from (("", (), contract) for contract in held[:HELD_CONTRACTS_MAX])
    elif each is Each.SYMBOL:
        yield from ((symbol, (), "") for symbol in SYMBOLS)
    else:
        for symbol in SYMBOLS:
            days = expiries.get(symbol, ())
            yield from ((symbol, chosen, "") for chosen in _chosen(each, days, session_date))


def _chosen(each: Each, days: Sequence[date], session_date: date) -> Iterable[tuple[date, ...]]:
    match each:
        case Each.NEAREST:
            return [(day,) for day in days[:1]]
        case Each.NEXT:
            return [(day,) for day in days[1:2]]
        case Each.FURTHER:
            return [(day,) for day in days[2:]]
        case Each.NEAR:
            return [tuple(days[:2])] if days else []
        case _:
            distance = {day: abs((day - session_date).days - MONTH_DAYS) for day in days}
            return [(min(days, key=distance.__getitem__),)] if days else []


def cadence(job: Job, situation: Situation) -> float:
    """Seconds between two calls now; 0 when it is not asked by cadence."""
    schedule = job.schedule
    if not situation.in_session:
        seconds = schedule.seconds_outside
    elif situation.is_down:
        seconds = schedule.seconds_down or (0.0 if job.is_useful else schedule.seconds)
    elif schedule.backs_up and schedule.backs_up in situation.flowing:
        seconds = 0.0
    else:
        seconds = schedule.seconds
    stretch = job.stretch(situation.pace)
    if not seconds or not stretch:
        return 0.0
    seconds = max(seconds * stretch, situation.seconds_min)
    return math.ceil(seconds / 60) * 60.0 if schedule.second else seconds


def due_at(job: Job, situation: Situation, asked_at: datetime | None) -> datetime | None:
    """When it is due next, which may have been some time ago; None when nothing is planned.

    `asked_at` is when it was asked last in this session.
    """
    if not job.stretch(situation.pace):
        return None
    if job.schedule.decides and asked_at is None:
        return situation.now
    found = list(_by_clock(job, situation, asked_at))
    if seconds := cadence(job, situation):
        found.append(_by_cadence(job, seconds, situation.cadences_since, asked_at))
    return min(found, default=None)


def _number(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())


def _by_cadence(job: Job, seconds: float, since: datetime, asked_at: datetime | None) -> datetime:
    """The next slot after the last call, or after these cadences began to hold."""
    after = since if asked_at is None else max(since, asked_at)
    second = job.schedule.second
    room = 60 * (1 - JITTER_SHARE) - second if second else seconds
    offset = second + _number(job.key) % max(int(room), 1)
    slot = math.floor((after.timestamp() - offset) / seconds) + 1
    at = slot * seconds + offset
    if asked_at is not None and at - asked_at.timestamp() < SAME_SLOT_SHARE * seconds:
        slot, at = slot + 1, at + seconds
    jitter = min(seconds, 60.0) * JITTER_SHARE * (_number(f"{job.key} {slot}") % 1000) / 1000
    return datetime.fromtimestamp(at + jitter, after.tzinfo)


def _by_clock(job: Job, situation: Situation, asked_at: datetime | None) -> Iterator[datetime]:
    """Times of day that it has not been asked at; one that is over is asked once, late."""
    spread = timedelta(seconds=_number(job.key) % BATCH_SECONDS)
    for moment in _moments(job, situation.day):
        if asked_at is None or asked_at < moment:
            yield max(moment, situation.begun_at) + spread


def batch_due(job: Job, day: PlannedDay, now: datetime, before: datetime | None) -> datetime | None:
    """The newest time of day, up to now, that a call at `now` settles and one `before` did not."""
    due = max((moment for moment in _moments(job, day) if moment <= now), default=None)
    return due if due is not None and (before is None or before < due) else None


def _moments(job: Job, day: PlannedDay) -> list[datetime]:
    moments = [_moment(day, at) for at in job.schedule.daily_at]
    return moments + [day.close_at + timedelta(minutes=m) for m in job.schedule.after_close]


def _moment(day: PlannedDay, at: time) -> datetime:
    local = datetime.combine(day.session_date, at, NEW_YORK)
    return local.astimezone(day.open_at.tzinfo)


# The quota.


def load_a_minute(known: Iterable[Job], situation: Situation) -> Load:
    """Calls a minute of a situation, as its cadences are written."""
    plain = replace(situation, pace=Pace(), seconds_min=0.0)
    return _summed((job, 60 / seconds) for job in known if (seconds := cadence(job, plain)))


def load_until(known: Iterable[Job], situation: Situation, until: datetime) -> Load:
    """Calls from now on, as the cadences are written, with a socket that is up."""
    now, day = situation.now, situation.day
    begin, end = max(now, day.open_at), min(until, day.options_close_at)
    inside = max(0.0, (end - begin).total_seconds())
    outside = max(0.0, (until - now).total_seconds() - inside)

    def calls(job: Job) -> float:
        schedule = job.schedule
        seconds = 0.0 if schedule.backs_up in situation.flowing else schedule.seconds
        count = inside / seconds if seconds else 0.0
        count += outside / schedule.seconds_outside if schedule.seconds_outside else 0.0
        ahead = sum(now <= at <= until for at in _moments(job, day))
        return count + ahead * schedule.pages_max

    return _summed((job, calls(job)) for job in known)


def _summed(calls: Iterable[tuple[Job, float]]) -> Load:
    sums = [0.0, 0.0, 0.0]
    for job, count in calls:
        sums[0 if job.schedule.decides else 2 if job.is_useful else 1] += count
    return Load(*sums)
