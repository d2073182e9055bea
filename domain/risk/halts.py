"""Halts that the desk sets by itself (quantitative rules, 5.6) and what each of them closes.

A halt stops entries; release is a human act. A rule on equity acts when several readings in a row
say so: one phantom reading closes entries, which the decision sees to, and no position. Called by
the risk stage at clock ticks and account values; every rule acts once until the next release.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from domain.instruments import Strategy
from domain.numbers import significant
from domain.risk.state import DISCONNECTED, DRAWDOWN, HARD_LOSS, RiskState

MISMATCH = "POSITION_MISMATCH"
REJECTS = "BROKER_REJECTS"
ERRORS = "BROKER_ERRORS"
RATE = "ORDER_RATE"
UNKNOWN = "ORDER_UNKNOWN"
OVERFILL = "OVERFILL"
SKEW = "CLOCK_SKEW"
SHORT_DATED = frozenset({Strategy.ZERO_DTE, Strategy.ONE_DTE, Strategy.CLOSING})


@dataclass(frozen=True, slots=True)
class Halt:
    """Why trading stops. `close` None: nothing is flattened; else the positions to close."""

    code: str
    text: str
    close: tuple[str, ...] | None = None

    @property
    def reason(self) -> str:
        return f"{self.code}: {self.text}"


def due_halts(state: RiskState) -> tuple[Halt, ...]:
    """Rules whose condition holds and which have not acted since the last release."""
    # A log of an earlier build lacks parameters until this one's start has written them.
    if state.confirmation is None:
        return ()
    found = (
        _disconnected(state),
        _mismatch(state),
        _rejects(state),
        _errors(state),
        _rate(state),
        _unknown(state),
        _overfill(state),
        _skew(state),
        _hard_loss(state),
        _drawdown(state),
    )
    return tuple(halt for halt in found if halt and halt.code not in state.halt_codes)


def _disconnected(state: RiskState) -> Halt | None:
    limit = state.parameters.number("risk.halt.disconnected_s")
    down = state.time.since(state.connection.down_since)
    if down is None or down <= limit or state.session_date is None:
        return None
    if not state.book.open_expiring(state.session_date):
        return None
    return Halt(DISCONNECTED, f"no broker for more than {limit:g} s with positions expiring today")


def _mismatch(state: RiskState) -> Halt | None:
    limit = state.parameters.number("risk.halt.mismatch_s")
    since = state.time.since(state.connection.mismatch_since)
    if since is None or since <= limit:
        return None
    what = "; ".join(state.connection.mismatch[:3])
    return Halt(MISMATCH, f"unexplained for more than {limit:g} s: {what}")


def _in_window(state: RiskState, times: Iterable[float], name: str) -> tuple[int, float] | None:
    """How many in the window of a halt, and the window; None below the halt's number."""
    window = state.parameters.number(f"risk.halt.{name}_s")
    count = sum(state.time.seconds - at <= window for at in times)
    enough = count >= int(state.parameters.number(f"risk.halt.{name}"))
    return (count, window) if enough else None


def _rejects(state: RiskState) -> Halt | None:
    found = _in_window(state, state.connection.rejects.values(), "rejects")
    return found and Halt(REJECTS, f"{found[0]} orders rejected by the broker in {found[1]:g} s")


def _errors(state: RiskState) -> Halt | None:
    found = _in_window(state, state.connection.errors, "errors")
    return found and Halt(ERRORS, f"{found[0]} errors from the broker in {found[1]:g} s")


def _rate(state: RiskState) -> Halt | None:
    """Something orders without end: each order is refused already, but it must be looked at."""
    found = _in_window(state, state.connection.rate_refusals, "rate_refusals")
    return found and Halt(RATE, f"{found[0]} entries over the order rate in {found[1]:g} s")


def _unknown(state: RiskState) -> Halt | None:
    """An order that nobody knows ends in reconciliation or with a human, and not by waiting.

    Counted while the broker can be asked: without a connection every order is unknown.
    """
    if not state.connection.is_ready:
        return None
    limit = state.parameters.number("risk.halt.unknown_s")
    real = state.time.seconds
    refs = [ref for ref, since in state.connection.unknown.items() if real - since > limit]
    if not refs:
        return None
    return Halt(UNKNOWN, f"for more than {limit:g} s: {', '.join(refs[:3])}")


def _overfill(state: RiskState) -> Halt | None:
    """More filled than was ever asked for: the account is not what the orders say."""
    found = state.connection.overfilled
    return Halt(OVERFILL, "; ".join(found[:3])) if found else None


def _skew(state: RiskState) -> Halt | None:
    limit = state.parameters.number("risk.halt.clock_skew_s")
    skews = state.connection.skews
    # One late answer is no skew: two in a row must say so.
    if len(skews) < 2 or min(skews) <= limit:
        return None
    skew = min(skews)
    return Halt(SKEW, f"clock must agree with the broker's within {limit:g} s, was {skew:.1f} s")


def _hard_loss(state: RiskState) -> Halt | None:
    losses = state.losses
    if not losses.hard.is_confirmed(state.confirmation):
        return None
    if losses.hard_acted_on == state.session_date:
        return None
    text = f"day result {losses.pnl} USD on a reference of {losses.reference} USD"
    return Halt(HARD_LOSS, text, state.book.open_of(SHORT_DATED))


def _drawdown(state: RiskState) -> Halt | None:
    if not state.losses.fall.is_confirmed(state.confirmation):
        return None
    fall = state.losses.drawdown
    assert fall is not None, "a breached drawdown is known"
    text = f"equity {significant(float(fall) * 100, 4)} % from its high-water mark"
    return Halt(DRAWDOWN, text, tuple(state.book.positions))


def expiring_to_close(state: RiskState) -> tuple[str, ...]:
    """After a halt for disconnection, once reconnected and reconciled: what expires today."""
    link = state.connection
    if not (link.close_expiring and link.is_ready and link.reconciled):
        return ()
    if state.session_date is None:
        return ()
    return state.book.open_expiring(state.session_date)
