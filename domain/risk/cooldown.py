"""Waiting times after exits: stopped-out losses, streaks and targets (quantitative rules, 5.6).

Folded from position events by both the risk stage and the strategies, so that a gate and the
check behind it cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.events.positions import (
    ExitReason,
    PositionClosed,
    PositionOpened,
    PositionReopened,
)
from domain.instruments import Direction, Strategy
from domain.parameter import ParameterState

STOPPED_OUT = frozenset({ExitReason.STOP, ExitReason.INVALIDATED, ExitReason.PROTECTIVE_STOP})
"""Exits by a stop, ours or its twin at the broker; with a loss they count as stopped-out."""
ENDED_MAX = 200
"""Closed positions that may open again by a late fill, the newest ones."""


@dataclass(slots=True)
class Ended:
    """A position that was closed; `was_counted` in the streak, which one position enters once."""

    direction: Direction
    was_counted: bool


@dataclass(slots=True)
class Cooldowns:
    """Last exits of each key and the streak of stopped-out losses of each bucket."""

    directions: dict[str, Direction] = field(default_factory=dict)
    ended: dict[str, Ended] = field(default_factory=dict)
    stopped_at: dict[tuple[Strategy, str], datetime] = field(default_factory=dict)
    target_at: dict[tuple[Strategy, str, Direction], datetime] = field(default_factory=dict)
    streak: dict[Strategy, int] = field(default_factory=dict)
    streak_at: dict[Strategy, datetime] = field(default_factory=dict)

    def opened(self, body: PositionOpened) -> None:
        self.directions[body.position_id] = body.direction

    def reopened(self, body: PositionReopened) -> None:
        """A late fill opened it again: its next close is an exit like any other."""
        ended = self.ended.get(body.position_id)
        if ended is not None:
            self.directions[body.position_id] = ended.direction

    def closed(self, body: PositionClosed, at: datetime, parameters: ParameterState) -> None:
        """A close of what is not open says nothing: it is told again."""
        direction = self.directions.pop(body.position_id, None)
        if direction is None:
            return
        before = self.ended.pop(body.position_id, None)
        was_counted = before is not None and before.was_counted
        if body.reason is ExitReason.TARGET:
            self.target_at[body.strategy, body.symbol, direction] = at
        if body.realised_pnl > 0:
            self.streak[body.strategy] = 0
        elif body.realised_pnl < 0 and body.reason in STOPPED_OUT:
            self.stopped_at[body.strategy, body.symbol] = at
            if not was_counted:
                self._count(body.strategy, at, parameters)
            was_counted = True
        if len(self.ended) >= ENDED_MAX:
            del self.ended[next(iter(self.ended))]
        self.ended[body.position_id] = Ended(direction, was_counted)

    def _count(self, strategy: Strategy, at: datetime, parameters: ParameterState) -> None:
        until = self.pause_until(strategy, parameters)
        count = self.streak.get(strategy, 0)
        if until is not None and at >= until:
            count = 0
        self.streak[strategy] = count + 1
        self.streak_at[strategy] = at

    def session_started(self) -> None:
        """Streaks restart at 0 at the open."""
        self.streak.clear()
        self.streak_at.clear()

    def pause_until(self, strategy: Strategy, parameters: ParameterState) -> datetime | None:
        """End of the bucket's pause; None without a streak that is long enough."""
        if self.streak.get(strategy, 0) < int(parameters.number("risk.loss.streak")):
            return None
        minutes = parameters.number("risk.loss.streak_pause_min")
        return self.streak_at[strategy] + timedelta(minutes=minutes)

    def key_until(
        self, strategy: Strategy, symbol: str, direction: Direction, parameters: ParameterState
    ) -> datetime | None:
        """End of the longest waiting time of this key; None when there is none."""
        ends: list[datetime] = []
        stopped = self.stopped_at.get((strategy, symbol))
        if stopped is not None:
            minutes = parameters.number("risk.loss.cooldown_stop_min")
            ends.append(stopped + timedelta(minutes=minutes))
        target = self.target_at.get((strategy, symbol, direction))
        if target is not None:
            minutes = parameters.number("risk.loss.cooldown_target_min")
            ends.append(target + timedelta(minutes=minutes))
        return max(ends, default=None)
