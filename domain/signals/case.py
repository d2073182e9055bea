"""One candidate at one evaluation point: what its gates look at.

Built by domain/signals/evaluate.py; judged by domain/signals/gates.py and entry.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.events.signals import Gate, Result
from domain.instruments import Direction
from domain.parameter import ParameterState
from domain.risk.codes import DenialCode
from domain.session import Session
from domain.signals.calibration import Record
from domain.signals.plan import Odds
from domain.signals.reading import Chain, Reading
from domain.signals.score import Score
from domain.signals.structure import Choice, NoStructure


class Variant(StrEnum):
    TREND = "TREND"
    RANGE = "RANGE"


@dataclass(frozen=True, slots=True)
class DeskFacts:
    """What the strategy knows of desk and broker at this moment."""

    halted: bool
    entries_open: bool
    broker_ready: bool
    reconciled: bool
    equity_age_seconds: float | None
    """Real seconds."""
    has_position: bool
    cooldown_until: datetime | None
    range_blocked_until: datetime | None
    open_lines: frozenset[int]
    """con_ids with an open broker line."""


@dataclass(frozen=True, slots=True)
class Case:
    """One candidate at one evaluation point."""

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

    @property
    def p_side(self) -> float:
        """Probability of the predicted side; of a neutral structure the one of its target."""
        if self.direction is Direction.NEUTRAL:
            return 0.0 if self.p_win is None else self.p_win
        up = self.score.probability_up
        return up if self.direction is Direction.BULLISH else 1 - up


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


def window(
    variant: Variant, session: Session, parameters: ParameterState
) -> tuple[datetime, datetime] | None:
    """Entry window; None when the day is too short for it."""
    name = f"signals.0dte.{variant.value.lower()}"
    start = session.after_open(minutes=parameters.number(f"{name}.start_min"))
    end = session.before_close(minutes=parameters.number(f"{name}.end_min"))
    least = timedelta(minutes=parameters.number("signals.0dte.window_min"))
    return (start, end) if end - start >= least else None
