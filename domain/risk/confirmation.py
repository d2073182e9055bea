"""What protects the loss rules from phantom readings of the account.

A broker sends a wrong value now and then: an equity of 0, a daily P&L of another account. One
wrong reading must not flatten the book, raise the high-water mark for good or size an order. So a
jump counts from the second reading that says so (and closes entries from the first), and a rule
that stops the desk acts after several readings in a row. Called by domain/risk/losses.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from domain.parameter import ParameterState


@dataclass(frozen=True, slots=True)
class ConfirmationRule:
    readings: int
    gap_seconds: float
    """Real seconds between two readings that count: a repeat at once is the same reading."""
    jump_share: Decimal
    """Of equity: a larger change needs a second reading."""


def confirmation_rule(parameters: ParameterState) -> ConfirmationRule | None:
    """None while the log lacks a parameter: no reading is accepted then."""
    names = ("readings", "gap_s", "jump_share")
    if any(f"risk.confirm.{name}" not in parameters.values for name in names):
        return None
    readings, gap, share = (parameters.number(f"risk.confirm.{name}") for name in names)
    return ConfirmationRule(int(readings), gap, Decimal(repr(share)))


@dataclass(slots=True)
class InARow:
    """How many readings in a row said the same."""

    count: int = 0
    counted_at: float = 0.0

    def reading(self, says: bool, at: float, rule: ConfirmationRule) -> None:
        if not says:
            self.count = 0
        elif self.count == 0 or at - self.counted_at >= rule.gap_seconds:
            self.count, self.counted_at = self.count + 1, at

    def is_confirmed(self, rule: ConfirmationRule | None) -> bool:
        return rule is not None and self.count >= rule.readings


@dataclass(slots=True)
class JumpFilter:
    """Holds a reading that jumped until a second one goes at least as far the same way."""

    held: Decimal | None = None
    held_at: float = 0.0

    @property
    def is_in_doubt(self) -> bool:
        return self.held is not None

    def take(
        self,
        value: Decimal,
        expected: Decimal | None,
        tolerance: Decimal,
        at: float,
        rule: ConfirmationRule,
    ) -> tuple[Decimal, ...]:
        """Readings that may be believed: none, this one, or the held one with it.

        `expected` None: nothing is known yet, and two readings must agree.
        """
        if expected is not None and abs(value - expected) <= tolerance:
            self.held = None
            return (value,)
        held = self.held
        if held is None or not _agree(held, value, expected, tolerance):
            self.held, self.held_at = value, at
            return ()
        if expected is not None and at - self.held_at < rule.gap_seconds:
            return ()
        # Both say "at least this far": that much is believed. The rest waits for a further one,
        # so that a value that falls with each reading is followed, one reading behind.
        nearer = held if expected is None or abs(held - expected) < abs(value - expected) else value
        self.held = None if abs(value - nearer) <= tolerance else value
        self.held_at = at
        return (nearer, nearer if self.is_in_doubt else value)


def _agree(held: Decimal, value: Decimal, expected: Decimal | None, tolerance: Decimal) -> bool:
    if expected is None:
        return abs(value - held) <= tolerance
    return (held > expected) == (value > expected)
