"""One candidate at one evaluation point: what its gates look at.

Built by domain/signals/evaluate.py; judged by domain/signals/gates.py, entry.py and the rules of
its bucket.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.events.signals import Gate, Result
from domain.forecasts.record import Record
from domain.instruments import Direction
from domain.parameter import ParameterState
from domain.risk.codes import DenialCode
from domain.session import Session
from domain.signals.bucket import Bucket, Variant
from domain.signals.plan import Odds
from domain.signals.reading import Chain, ChainRow, Reading
from domain.signals.score import Score
from domain.signals.structure import Choice, NoStructure


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of the entry row; `holds` None when its input is missing."""

    name: str
    holds: bool | None
    measured: str


@dataclass(frozen=True, slots=True)
class DeskFacts:
    """What the strategy knows of desk and broker at this moment."""

    halted: bool
    entries_open: bool
    broker_ready: bool
    reconciled: bool
    equity_age_seconds: float | None
    """Real seconds since net liquidation was read."""
    stream_age_seconds: float | None
    """Real seconds since the stream of the day's P&L, which carries it forward, was heard."""
    has_position: bool
    cooldown_until: datetime | None
    range_blocked_until: datetime | None
    open_lines: frozenset[int]
    """con_ids with an open broker line."""
    entries_of_key: int = 0
    """Positions that the bucket opened today in this symbol and direction."""
    entries_of_symbol: int = 0
    entering_symbol: bool = False
    """A signal of the symbol in another direction is valid or has its entry at the broker."""
    market_halt: str = ""
    """Why the underlying takes no entry now: halted, or halted a moment ago."""


@dataclass(frozen=True, slots=True)
class Case:
    """One candidate at one evaluation point."""

    bucket: Bucket
    variant: Variant
    direction: Direction
    session: Session
    now: datetime
    reading: Reading
    score: Score
    record: Record
    chain: Chain | None
    chosen: Choice | NoStructure | None
    odds: Odds | None
    p_win: float | None
    facts: DeskFacts

    def quote_age(self, row: ChainRow) -> float | None:
        """Age of a leg's quote now: that at the refresh, and the time since."""
        if self.chain is None or row.age_seconds is None:
            return None
        return row.age_seconds + max(0.0, (self.now - self.chain.at).total_seconds())

    @property
    def sells_premium(self) -> bool:
        return self.variant in self.bucket.premium

    @property
    def p_direction(self) -> float:
        """Probability that the price moves the case's way; of a neutral one that it rises."""
        up = self.score.probability_up
        return 1 - up if self.direction is Direction.BEARISH else up

    @property
    def p_side(self) -> float:
        """Probability of the predicted side; of sold premium the one of its target."""
        if self.sells_premium:
            return 0.0 if self.p_win is None else self.p_win
        return self.p_direction


def gate(
    code: DenialCode, holds: bool | None, measured: object, threshold: object, reason: str = ""
) -> Gate:
    result = Result.UNEVALUABLE if holds is None else Result.PASS if holds else Result.FAIL
    return Gate(
        code=code.value,
        result=result,
        measured=str(measured),
        threshold=str(threshold),
        reason=reason,
    )


def span(start: datetime, end: datetime, least_minutes: float) -> tuple[datetime, datetime] | None:
    """An entry window; None when it is shorter than a day's window may be."""
    return (start, end) if end - start >= timedelta(minutes=least_minutes) else None


def window(case: Case, parameters: ParameterState) -> tuple[datetime, datetime] | None:
    """The entry window of the case's variant on its day."""
    return case.bucket.rules.window(case.variant, case.session, parameters)
