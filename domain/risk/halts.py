"""Halts that the desk sets by itself (quantitative rules, 5.6) and what each of them closes.

A halt stops entries; release is a human act. A rule on equity acts when several readings in a row
say so: one phantom reading closes entries, which the decision sees to, and no position. Called by
the risk stage at clock ticks and account values; every rule acts once until the next release.
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.instruments import Strategy
from domain.numbers import significant
from domain.risk.state import DISCONNECTED, DRAWDOWN, HARD_LOSS, RiskState

MISMATCH = "POSITION_MISMATCH"
REJECTS = "BROKER_REJECTS"
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
    if not state.parameters.values:
        return ()
    found = (
        _disconnected(state),
        _mismatch(state),
        _rejects(state),
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


def _rejects(state: RiskState) -> Halt | None:
    window = state.parameters.number("risk.halt.rejects_s")
    most = int(state.parameters.number("risk.halt.rejects"))
    count = sum(state.time.seconds - at <= window for at in state.connection.rejects)
    if count < most:
        return None
    return Halt(REJECTS, f"{count} orders rejected by the broker in {window:g} s")


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
