"""Short of margin: which position is left, so that the broker need not choose (rules 4.9).

One reading never acts: a broker sends a wrong value now and then. After each decision the account
is read anew, and while that exit still works the next position waits for a while. Folded by
stop_state.py, asked by stops.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from domain.events.positions import ExitReason
from domain.execution.exit_rules import ExitCase, profile_of, replaces
from domain.execution.watched import Watched
from domain.parameter import ParameterState
from domain.risk.margin import account_number, local_estimate

EXCESS = "ExcessLiquidity"
EQUITY = "NetLiquidation"
READINGS_APART = timedelta(seconds=1)
"""A repeat at once is the same reading."""


@dataclass(slots=True)
class MarginWatch:
    """Readings in a row that say the account is short, and what was done about it."""

    excess: Decimal | None = None
    equity: Decimal | None = None
    readings: int = 0
    counted_at: datetime | None = None
    decided_at: datetime | None = None

    def read(self, values: Mapping[str, str], share: float, now: datetime) -> None:
        equity = account_number(dict(values), EQUITY)
        self.equity = equity if equity is not None else self.equity
        excess = account_number(dict(values), EXCESS)
        if excess is None or self.equity is None:
            return
        self.excess = excess
        if excess >= Decimal(repr(share)) * self.equity:
            self.readings, self.counted_at = 0, None
        elif self.counted_at is None or now - self.counted_at >= READINGS_APART:
            self.readings, self.counted_at = self.readings + 1, now

    def decided(self, now: datetime) -> None:
        """From here the account is read anew."""
        self.readings, self.counted_at, self.decided_at = 0, now, now


def margin_case(
    watch: MarginWatch, positions: Iterable[Watched], parameters: ParameterState, now: datetime
) -> tuple[Watched, ExitCase] | None:
    """The position with the largest margin of those that are not left as urgently already."""
    number = parameters.number
    if watch.readings < number("stop.margin_readings"):
        return None
    held = [watched for watched in positions if watched.is_held]
    pause = timedelta(seconds=number("stop.margin_next_s"))
    leaving = any(w.exit is not None and w.exit.reason is ExitReason.BROKER_MARGIN for w in held)
    if leaving and watch.decided_at is not None and now - watch.decided_at < pause:
        return None
    found = [(_margin(watched), watched.position_id, watched) for watched in held]
    for _, _, watched in sorted(found, key=lambda entry: entry[:2], reverse=True):
        case = ExitCase(
            ExitReason.BROKER_MARGIN,
            profile_of(ExitReason.BROKER_MARGIN, watched.opened.strategy),
            f"{number('stop.margin_excess_share')} of equity",
            (f"excess {watch.excess} of equity {watch.equity}", f"margin {_margin(watched)}"),
            watched.mark,
        )
        known = watched.exit
        if replaces(case, known.reason if known else None, known.profile if known else None):
            return watched, case
    return None


def _margin(watched: Watched) -> Decimal:
    """As the broker asks for it, by our estimate; the fullest leg counts when legs are uneven."""
    units = max(abs(quantity) for quantity in watched.legs.values())
    return local_estimate(watched.structure, watched.entry_price or Decimal(0), units)
