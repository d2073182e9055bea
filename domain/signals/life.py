"""A signal that lives: from candidate over valid and ordered to its end, and when it is stale.

Folded by the stage of the bucket; `stale` is asked at each evaluation point and each second
(rules, 4.1). Equal to a limit is not yet stale. The table ends entries, never positions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from domain.events.signals import Gate, SignalValidated
from domain.instruments import Direction
from domain.parameter import ParameterState
from domain.signals.bucket import Bucket, Variant
from domain.signals.case import Case
from domain.signals.reading import Chain, Reading
from domain.signals.structure import net_quote

Key = tuple[str, Direction]
"""Symbol and direction: the bucket is the stage's."""


class Status(StrEnum):
    CANDIDATE = "candidate"
    VALID = "valid"
    ORDERED = "ordered"


@dataclass(slots=True)
class Live:
    """One living signal. `regime` and `flip_side` are as they were when it became valid."""

    signal_id: str
    symbol: str
    direction: Direction
    variant: Variant
    gates: tuple[Gate, ...]
    status: Status = Status.CANDIDATE
    outcome_predicted: bool = False
    validated: SignalValidated | None = None
    validated_at: datetime | None = None
    working: dict[str, int] = field(default_factory=dict)
    """Entry orders by reference, with what was filled."""
    filled: bool = False

    @property
    def key(self) -> Key:
        return self.symbol, self.direction


@dataclass(frozen=True, slots=True)
class Stale:
    condition: str
    measured: str
    threshold: str


@dataclass(frozen=True, slots=True)
class Now:
    """What a valid signal is tested against. `case` None: its score cannot be computed."""

    at: datetime
    reading: Reading | None
    chain: Chain | None
    case: Case | None
    halted: bool
    entries_open: bool
    is_on: bool = True
    """The strategy is switched on."""


def _age(live: Live, now: Now, bucket: Bucket, parameters: ParameterState) -> Stale | None:
    assert live.validated_at is not None
    limit = parameters.number(f"{bucket.prefix}.stale.age_s")
    age = (now.at - live.validated_at).total_seconds()
    return Stale("age", f"{age:.1f} s", f"{limit:g} s") if age > limit else None


def _desk(now: Now) -> Stale | None:
    if now.halted:
        return Stale("halt", "halted", "not halted")
    if not now.is_on:
        return Stale("strategy", "switched off", "on")
    return None if now.entries_open else Stale("clock", "closed to entries", "open")


def _silence(now: Now, parameters: ParameterState) -> Stale | None:
    """Nothing is measured any more: what was last said of market and chain tests nothing now."""
    limit = parameters.number("signals.stale_reading_s")
    if now.reading is not None:
        age = (now.at - now.reading.at).total_seconds()
        if age > limit:
            return Stale("reading", f"{age:.1f} s", f"{limit:g} s")
    if now.chain is not None:
        # The chain of what is held for weeks is refreshed more rarely.
        limit += parameters.number("swing_chain_refresh")
        age = (now.at - now.chain.at).total_seconds()
        if age > limit:
            return Stale("chain", f"{age:.1f} s", f"{limit:g} s")
    return None


def _underlying(signal: SignalValidated, reading: Reading) -> Stale | None:
    spot = reading.number("spot_mid")
    if spot is None:
        return Stale("underlying", "missing: spot_mid", "a usable quote")
    moved = abs(spot - signal.risk_inputs.underlying_price)
    if moved <= signal.underlying_move_max:
        return None
    return Stale("underlying", f"{moved:.4f}", f"{signal.underlying_move_max:.4f}")


def _quotes(
    signal: SignalValidated, chain: Chain, bucket: Bucket, parameters: ParameterState
) -> Stale | None:
    """The structure's mid against us, and each leg's spread against the signal's."""
    rows = [(chain.row(leg.contract.con_id), leg.ratio) for leg in signal.structure.legs]
    legs = [(row, ratio) for row, ratio in rows if row is not None]
    quote = net_quote(legs) if len(legs) == len(rows) else None
    if quote is None:
        return Stale("structure_mid", "missing: leg quote", "two-sided legs")
    against = (quote[0] + quote[1]) / 2 - signal.risk_inputs.net_mid
    if against > signal.mid_against_max:
        return Stale("structure_mid", f"{against}", f"{signal.mid_against_max}")
    factor = Decimal(repr(parameters.number(f"{bucket.prefix}.stale.spread_factor")))
    for (row, _), before in zip(legs, signal.risk_inputs.legs, strict=True):
        limit = (before.ask - before.bid) * factor
        if row.spread is not None and row.spread > limit:
            return Stale("leg_spread", f"{row.strike}{row.right.value} {row.spread}", f"{limit}")
    return None


def _market(signal: SignalValidated, reading: Reading) -> Stale | None:
    regime = reading.text("gex_regime") or "missing"
    if regime != signal.risk_inputs.regime:
        return Stale("gex_regime", regime, signal.risk_inputs.regime)
    side = reading.text("flip_side") or "missing"
    if side != signal.risk_inputs.flip_side:
        return Stale("flip_side", side, signal.risk_inputs.flip_side)
    news, calendar = reading.text("news_state"), reading.text("calendar_state")
    if news is None or news == "SHOCK":
        return Stale("shock", news or "missing: news_state", "no SHOCK")
    if calendar is None or calendar == "BLACKOUT":
        told = reading.reason("calendar_state") or calendar or "missing: calendar_state"
        return Stale("blackout", told, "no blackout")
    return None


def _score(live: Live, now: Now, bucket: Bucket, parameters: ParameterState) -> Stale | None:
    if now.case is None:
        return Stale("score", "missing: inputs of the score", "computable")
    assert live.validated is not None, "only a valid signal is tested"
    least = parameters.number(bucket.p_min_of(live.variant, live.validated.risk_inputs.regime))
    least = round(least - parameters.number(f"{bucket.prefix}.stale.p_slack"), 12)
    by_direction = live.variant in bucket.by_direction
    if now.case.sells_premium and not by_direction and now.case.p_win is None:
        return Stale("probability", "missing: p_win of the structure", f"{least}")
    p = now.case.p_direction if by_direction else now.case.p_side
    if p < least:
        return Stale("probability", f"{p:.6f}", f"{least}")
    coverage = now.case.score.coverage
    floor = parameters.number("signals.coverage_min")
    if now.case.score.impaired and coverage < floor:
        names = ", ".join(now.case.score.impaired)
        return Stale("coverage", f"{coverage} without {names}", f"{floor}")
    return None


def stale(live: Live, now: Now, bucket: Bucket, parameters: ParameterState) -> Stale | None:
    """The first row of the staleness table that holds, in the table's order; None for none."""
    signal = live.validated
    if signal is None:
        return None
    found = _age(live, now, bucket, parameters) or _desk(now) or _silence(now, parameters)
    if found is not None or now.reading is None:
        return found
    found = _underlying(signal, now.reading)
    if found is None and now.chain is not None:
        found = _quotes(signal, now.chain, bucket, parameters)
    return found or _market(signal, now.reading) or _score(live, now, bucket, parameters)
