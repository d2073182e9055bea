"""Limits on open maximum loss, positions and contracts (quantitative rules, 5.3).

Working entries count as filled, working exits as not. Each limit is a row: what is used, what a
unit of the proposed order adds, and the limit; rows give the room for sizing and the check.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from domain.events.risk import Check
from domain.events.signals import Result
from domain.instruments import Direction, Strategy, Structure
from domain.parameter import ParameterState
from domain.risk.codes import DenialCode
from domain.risk.greeks import bounded_beta
from domain.risk.size import UNITS_UNBOUNDED, Room


@dataclass(frozen=True, slots=True)
class Exposure:
    """One position, or the part of an entry that is not filled yet."""

    decision_id: str
    strategy: Strategy
    symbol: str
    direction: Direction
    structure: Structure
    units: int
    max_loss_unit_usd: Decimal
    beta: float

    @property
    def expiry(self) -> date:
        return self.structure.expiry

    @property
    def max_loss_usd(self) -> Decimal:
        return self.units * self.max_loss_unit_usd


@dataclass(frozen=True, slots=True)
class LimitRow:
    """`used` without the proposal, `fixed` once for it, `per_unit` for each of its units."""

    code: DenialCode
    label: str
    limit: Decimal
    used: Decimal
    per_unit: Decimal
    fixed: Decimal = Decimal(0)

    def value(self, units: int) -> Decimal:
        return self.used + self.fixed + self.per_unit * units

    def room(self) -> Room:
        """Units that still fit: equal to the limit is allowed."""
        left = self.limit - self.used - self.fixed
        if left < 0:
            return Room(self.code.value, 0.0)
        if self.per_unit <= 0:
            return Room(self.code.value, UNITS_UNBOUNDED)
        return Room(self.code.value, float(left / self.per_unit))

    def check(self, units: int) -> Check:
        value = self.value(units)
        return Check(
            code=self.code.value,
            result=Result.PASS if value <= self.limit else Result.FAIL,
            limit=f"{self.limit.normalize():f} {self.label}",
            value=f"{value.normalize():f}",
            input=f"{self.used.normalize():f} open, {units} units proposed",
        )


def _share(parameters: ParameterState, name: str, equity: Decimal) -> Decimal:
    return equity * Decimal(repr(parameters.number(f"risk.limit.{name}")))


def _sum(exposures: Sequence[Exposure]) -> Decimal:
    return sum((exposure.max_loss_usd for exposure in exposures), Decimal(0))


def _leans(exposure: Exposure, direction: Direction) -> bool:
    return exposure.direction in (direction, Direction.NEUTRAL)


def _loss_rows(
    proposal: Exposure,
    open_now: Sequence[Exposure],
    equity: Decimal,
    session_date: date,
    parameters: ParameterState,
) -> list[LimitRow]:
    loss = proposal.max_loss_unit_usd
    bucket = [e for e in open_now if e.strategy is proposal.strategy]
    symbol = [e for e in open_now if e.symbol == proposal.symbol]
    expiry = [e for e in open_now if e.expiry == proposal.expiry]
    expiry_name = "expiry_today" if proposal.expiry == session_date else "expiry"
    code = DenialCode
    rows = [
        LimitRow(
            code.LIMIT_POSITION, "USD", _share(parameters, "position", equity), Decimal(0), loss
        ),
        LimitRow(
            code.LIMIT_BUCKET,
            f"USD {proposal.strategy.value}",
            _share(parameters, f"bucket.{proposal.strategy.value}", equity),
            _sum(bucket),
            loss,
        ),
        LimitRow(
            code.LIMIT_SYMBOL,
            f"USD {proposal.symbol}",
            _share(parameters, "symbol", equity),
            _sum(symbol),
            loss,
        ),
        LimitRow(
            code.LIMIT_EXPIRY,
            f"USD {proposal.expiry}",
            _share(parameters, expiry_name, equity),
            _sum(expiry),
            loss,
        ),
    ]
    for direction in (Direction.BULLISH, Direction.BEARISH):
        if _leans(proposal, direction):
            weighted = sum(
                (
                    e.max_loss_usd * Decimal(repr(bounded_beta(e.beta, parameters)))
                    for e in open_now
                    if _leans(e, direction)
                ),
                Decimal(0),
            )
            rows.append(
                LimitRow(
                    code.LIMIT_DIRECTION,
                    f"USD {direction.value}",
                    _share(parameters, "direction", equity),
                    weighted,
                    loss * Decimal(repr(proposal.beta)),
                )
            )
    rows.append(
        LimitRow(code.LIMIT_TOTAL, "USD", _share(parameters, "total", equity), _sum(open_now), loss)
    )
    return rows


def _count_rows(
    proposal: Exposure, open_now: Sequence[Exposure], parameters: ParameterState
) -> list[LimitRow]:
    def row(code: DenialCode, name: str, matching: Sequence[Exposure]) -> LimitRow:
        stories = {exposure.decision_id for exposure in matching}
        limit = Decimal(int(parameters.number(f"risk.limit.{name}")))
        return LimitRow(code, "positions", limit, Decimal(len(stories)), Decimal(0), Decimal(1))

    code = DenialCode
    return [
        row(code.POSITIONS_TOTAL, "positions_total", open_now),
        row(
            code.POSITIONS_SYMBOL,
            "positions_symbol",
            [e for e in open_now if e.symbol == proposal.symbol],
        ),
        row(
            code.POSITIONS_BUCKET,
            "positions_bucket",
            [e for e in open_now if e.strategy is proposal.strategy],
        ),
    ]


def _contract_rows(
    proposal: Exposure, open_now: Sequence[Exposure], parameters: ParameterState
) -> list[LimitRow]:
    held: dict[int, int] = {}
    for exposure in open_now:
        for leg in exposure.structure.legs:
            held[leg.contract.con_id] = held.get(leg.contract.con_id, 0) + exposure.units
    fullest = max(held.get(leg.contract.con_id, 0) for leg in proposal.structure.legs)
    order = Decimal(int(parameters.number("risk.limit.contracts_order")))
    per_leg = Decimal(int(parameters.number("risk.limit.contracts_leg")))
    one = Decimal(1)
    return [
        LimitRow(DenialCode.CONTRACTS_ORDER, "contracts", order, Decimal(0), one),
        LimitRow(DenialCode.CONTRACTS_LEG, "contracts", per_leg, Decimal(fullest), one),
    ]


def limit_rows(
    proposal: Exposure,
    open_now: Sequence[Exposure],
    equity: Decimal,
    session_date: date,
    parameters: ParameterState,
) -> tuple[LimitRow, ...]:
    """Every limit of 5.3 for a proposal (its own `units` are not looked at), in fixed order."""
    return (
        *_loss_rows(proposal, open_now, equity, session_date, parameters),
        *_count_rows(proposal, open_now, parameters),
        *_contract_rows(proposal, open_now, parameters),
    )


def breached_now(
    open_now: Sequence[Exposure], equity: Decimal, session_date: date, parameters: ParameterState
) -> tuple[str, ...]:
    """Codes of limits that what is open breaches already: then orders may only reduce."""
    codes: set[str] = set()
    position = _share(parameters, "position", equity)
    for exposure in open_now:
        rows = limit_rows(exposure, open_now, equity, session_date, parameters)
        codes.update(row.code.value for row in rows if row.used > row.limit)
        one = [other for other in open_now if other.decision_id == exposure.decision_id]
        if _sum(one) > position:
            codes.add(DenialCode.LIMIT_POSITION.value)
    return tuple(sorted(codes))
