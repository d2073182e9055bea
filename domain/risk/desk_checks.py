"""Checks of a decision that look at the desk: trading state, broker, losses, waiting times.

Called by domain/risk/decide.py. Each returns rows in fixed order; none is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain.events.risk import Check
from domain.events.signals import SignalValidated
from domain.instruments import Strategy
from domain.risk.blackout import blackout_at
from domain.risk.check_row import check_row, missing_row
from domain.risk.codes import DenialCode
from domain.risk.state import RiskState


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom a decision is about: a signal, or the proposal of a roll."""

    name: str
    is_known: bool
    """It waits for this decision."""
    valid_until: datetime
    build: str
    """By which build it was made; empty when nobody knows."""


def asked_by(state: RiskState, signal: SignalValidated) -> Asked:
    known = signal.signal_id in state.signals or any(
        wait.signal.signal_id == signal.signal_id for wait in state.pending.values()
    )
    made = state.signal_builds.get(signal.signal_id, "")
    return Asked(f"signal {signal.signal_id}", known, signal.valid_until, made)


def trading_checks(state: RiskState, asked: Asked) -> list[Check]:
    code, now = DenialCode, state.now
    rows = [
        check_row(
            code.SIGNAL_LIVE,
            asked.is_known and now <= asked.valid_until,
            asked.valid_until.isoformat(),
            now.isoformat() if asked.is_known else "ended",
            asked.name,
        ),
        check_row(
            code.KILL_SWITCH_OFF,
            not state.halted,
            "not halted",
            state.halt_reason or "none",
            "trading state",
        ),
        check_row(
            code.REDUCE_ONLY,
            not state.breaches.codes,
            "no limit breached",
            ", ".join(state.breaches.codes) or "none",
            "what is open",
        ),
        check_row(
            code.CLOCK_NORMAL,
            state.entries_open,
            "entries open",
            "open" if state.entries_open else "closed",
            "clock",
        ),
    ]
    known = bool(asked.build and state.build)
    rows.append(
        check_row(
            code.BUILD_AGREES,
            asked.build == state.build if known else None,
            state.build or "-",
            asked.build or "-",
            "workers" if known else "missing: a build",
        )
    )
    session = state.session
    if session is None:
        missing = "session plan"
        return [*rows, missing_row(code.SESSION_OPEN, missing), missing_row(code.BLACKOUT, missing)]
    covering = blackout_at(session, state.calendar, now)
    return [
        *rows,
        check_row(
            code.SESSION_OPEN,
            session.is_open(now),
            f"[{session.open_at.isoformat()}, {session.close_at.isoformat()})",
            now.isoformat(),
            "session plan",
        ),
        check_row(
            code.BLACKOUT,
            not covering,
            "no window",
            covering or "none",
            "economic calendar" if state.calendar is not None else "CALENDAR_MISSING",
        ),
    ]


def broker_checks(state: RiskState) -> list[Check]:
    code, link, number = DenialCode, state.connection, state.parameters.number
    age, held = state.account.age, bool(state.book.positions)
    value_age = age.value_age(state.time.seconds, has_positions=held)
    stream_age = age.stream_age(state.time.seconds, has_positions=held)
    value_limit = number("risk.equity_age_max_s")
    stream_limit = number("risk.equity_stream_age_max_s")
    limit = f"value {value_limit:g} s, stream {stream_limit:g} s"
    if value_age is None or stream_age is None:
        what = "net liquidation" if value_age is None else "daily-P&L stream"
        fresh = check_row(code.EQUITY_FRESH, None, limit, "-", f"missing: {what}")
    else:
        fresh = check_row(
            code.EQUITY_FRESH,
            value_age <= value_limit and stream_age <= stream_limit,
            limit,
            f"value {value_age:.1f} s, stream {stream_age:.1f} s",
            "account values",
        )
    doubt = state.account.doubt()
    return [
        check_row(
            code.BROKER_READY,
            link.is_ready,
            "ready",
            "ready" if link.is_ready else "not ready",
            link.ready_id or "missing: BrokerReady",
        ),
        check_row(
            code.RECONCILED,
            link.reconciled,
            "clean",
            "clean" if link.reconciled else "; ".join(link.mismatch[:3]) or "not yet",
            "reconciliation",
        ),
        fresh,
        check_row(
            code.EQUITY_SURE, not doubt, "no jump read once", doubt or "none", "account values"
        ),
    ]


def _share(state: RiskState, name: str) -> Decimal:
    return Decimal(repr(state.parameters.number(f"risk.loss.{name}")))


def loss_checks(state: RiskState, strategy: Strategy) -> list[Check]:
    code, losses, parameters = DenialCode, state.losses, state.parameters
    codes = (code.LOSS_SOFT, code.LOSS_HARD, code.LOSS_BUCKET, code.DRAWDOWN)
    reference, fall = losses.reference, losses.drawdown
    if reference is None or fall is None:
        return [missing_row(each, "account value of this session") for each in codes]
    bucket_pnl = state.book.bucket_pnl(strategy)
    soft = losses.day_breached("soft_day", parameters)
    return [
        check_row(
            code.LOSS_SOFT,
            not (soft and bucket_pnl < 0),
            f"day above {-reference * _share(state, 'soft_day')} USD, or bucket not losing",
            f"day {losses.pnl}, bucket {bucket_pnl} USD",
            "account values, marks",
        ),
        check_row(
            code.LOSS_HARD,
            not losses.day_breached("hard_day", parameters)
            and losses.hard_acted_on != state.session_date,
            f"above {-reference * _share(state, 'hard_day')} USD, not hit today",
            f"{losses.pnl} USD",
            "account values",
        ),
        check_row(
            code.LOSS_BUCKET,
            not losses.bucket_breached(bucket_pnl, parameters)
            and strategy not in losses.buckets_off,
            f"above {-reference * _share(state, 'bucket_day')} USD, not off today",
            f"{bucket_pnl} USD",
            "positions and marks",
        ),
        check_row(
            code.DRAWDOWN,
            not losses.drawdown_breached(parameters),
            f"above {-_share(state, 'drawdown')}",
            f"{float(fall):.6f}",
            "account values",
        ),
    ]


def waiting_checks(state: RiskState, signal: SignalValidated) -> list[Check]:
    code, now, parameters = DenialCode, state.now, state.parameters
    pause = state.cooldowns.pause_until(signal.strategy, parameters)
    until = state.cooldowns.key_until(signal.strategy, signal.symbol, signal.direction, parameters)
    taken = state.book.is_taken(signal.strategy, signal.symbol, signal.direction)
    opposite = state.book.opposite_of(signal.structure)
    return [
        check_row(
            code.LOSS_STREAK,
            pause is None or now >= pause,
            "no pause" if pause is None else pause.isoformat(),
            now.isoformat(),
            "exits of the bucket",
        ),
        check_row(
            code.COOLDOWN,
            until is None or now >= until,
            "none" if until is None else until.isoformat(),
            now.isoformat(),
            "exits of the key",
        ),
        check_row(
            code.NO_DUPLICATE,
            not taken,
            "none open or working",
            "taken" if taken else "none",
            "book",
        ),
        check_row(
            code.CONTRACT_IN_USE,
            not opposite,
            "none on the other side",
            ", ".join(opposite) or "none",
            "book",
        ),
    ]


def half_size_factor(state: RiskState) -> tuple[float, tuple[str, ...]]:
    """0.5 for each loss rule that says half size, with the names of those that do."""
    names: list[str] = []
    if state.losses.day_breached("soft_day", state.parameters):
        names.append("soft daily loss")
    if state.losses.half_sessions_left > 0 or state.losses.week_breached(state.parameters):
        names.append("weekly loss")
    return 0.5 ** len(names), tuple(names)
