"""Each limit of open risk at its boundary: one unit below, equal (allowed), one above."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain.events.signals import Result
from domain.instruments import Direction, Strategy
from domain.risk.codes import DenialCode
from domain.risk.limits import Exposure, LimitRow, breached_now, limit_rows
from tests.domain.risk.build import DAY, EQUITY, call_vertical, parameters

PARAMETERS = parameters()
UNIT = Decimal(100)


def exposure(
    units: int = 0,
    *,
    name: str = "new",
    strategy: Strategy = Strategy.ZERO_DTE,
    symbol: str = "SPY",
    direction: Direction = Direction.BULLISH,
    days: int = 0,
    loss: Decimal = UNIT,
    beta: float = 1.0,
    low: float = 600,
) -> Exposure:
    shape = call_vertical(low, low + 4, symbol=symbol, expiry=DAY + timedelta(days=days))
    return Exposure(name, strategy, symbol, direction, shape, units, loss, beta)


def rows(proposal: Exposure, *held: Exposure) -> dict[DenialCode, LimitRow]:
    found = limit_rows(proposal, held, EQUITY, DAY, PARAMETERS)
    return {row.code: row for row in found}


def later(units: int, **changes: object) -> Exposure:
    """A 14D+ position of SPY: counts in symbol, direction and total, not in the 0DTE bucket."""
    values: dict[str, object] = {"strategy": Strategy.FOURTEEN_DTE, "days": 30, "low": 700}
    return exposure(units, **{"name": "held", **values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "limit_usd", "held"),
    [
        (DenialCode.LIMIT_POSITION, 15_000, None),
        (DenialCode.LIMIT_BUCKET, 20_000, exposure(50, name="held", symbol="QQQ", days=1)),
        (DenialCode.LIMIT_SYMBOL, 50_000, later(300)),
        (DenialCode.LIMIT_EXPIRY, 20_000, exposure(80, name="held", symbol="QQQ")),
        (DenialCode.LIMIT_DIRECTION, 50_000, later(300, symbol="IWM")),
        (DenialCode.LIMIT_TOTAL, 100_000, later(700, symbol="IWM", direction=Direction.BEARISH)),
    ],
)
def test_dollar_limit_allows_equal_and_refuses_one_unit_more(
    code: DenialCode, limit_usd: int, held: Exposure | None
) -> None:
    row = rows(exposure(), *([] if held is None else [held]))[code]
    used = 0 if held is None else held.max_loss_usd
    fits = int((limit_usd - used) / UNIT)
    assert row.limit == limit_usd
    assert row.check(fits - 1).result is Result.PASS
    assert row.check(fits).result is Result.PASS
    assert row.check(fits + 1).result is Result.FAIL
    assert row.room().units == fits


def test_a_later_expiry_has_the_wider_limit() -> None:
    assert rows(exposure(days=1))[DenialCode.LIMIT_EXPIRY].limit == 40_000


def test_direction_limit_weights_by_beta_and_neutral_counts_on_both_sides() -> None:
    held = later(100, symbol="QQQ", beta=1.1)
    assert rows(exposure(), held)[DenialCode.LIMIT_DIRECTION].used == Decimal("11000")
    bearish = later(100, direction=Direction.BEARISH)
    assert rows(exposure(), bearish)[DenialCode.LIMIT_DIRECTION].used == 0
    neutral = later(100, direction=Direction.NEUTRAL)
    assert rows(exposure(), neutral)[DenialCode.LIMIT_DIRECTION].used == 10_000
    proposal = exposure(direction=Direction.NEUTRAL)
    found = limit_rows(proposal, (held, bearish), EQUITY, DAY, PARAMETERS)
    sides = [row for row in found if row.code is DenialCode.LIMIT_DIRECTION]
    assert [row.used for row in sides] == [Decimal("11000"), Decimal(10_000)]


@pytest.mark.parametrize(
    ("code", "most", "same"),
    [
        (DenialCode.POSITIONS_TOTAL, 10, {"symbol": "IWM", "days": 30}),
        (DenialCode.POSITIONS_SYMBOL, 4, {"days": 30}),
        (DenialCode.POSITIONS_BUCKET, 4, {"symbol": "IWM", "strategy": Strategy.ZERO_DTE}),
    ],
)
@pytest.mark.parametrize("offset", [-2, -1, 0])
def test_position_count_includes_the_proposal(
    code: DenialCode, most: int, same: dict[str, object], offset: int
) -> None:
    held = [later(1, name=f"held-{n}", **same) for n in range(most + offset)]
    row = rows(exposure(), *held)[code]
    fits = offset < 0
    assert (row.check(1).result is Result.PASS) is fits
    assert (row.room().units > 0) is fits


def test_position_and_its_unfilled_rest_count_as_one() -> None:
    held = [later(3, name="same"), later(2, name="same")]
    assert rows(exposure(), *held)[DenialCode.POSITIONS_TOTAL].used == 1


@pytest.mark.parametrize(("units", "result"), [(19, "pass"), (20, "pass"), (21, "fail")])
def test_contracts_of_one_order_are_limited(units: int, result: str) -> None:
    assert rows(exposure())[DenialCode.CONTRACTS_ORDER].check(units).result == result


@pytest.mark.parametrize(("units", "result"), [(9, "pass"), (10, "pass"), (11, "fail")])
def test_contracts_of_one_leg_count_what_is_open(units: int, result: str) -> None:
    held = exposure(50, name="held")
    assert rows(exposure(), held)[DenialCode.CONTRACTS_LEG].check(units).result == result


def test_limits_breached_by_what_is_open_are_named() -> None:
    wide = parameters(risk__limit__position=0.05, risk__limit__contracts_leg=500)
    assert breached_now([exposure(200)], EQUITY, DAY, wide) == ()
    assert breached_now([exposure(201)], EQUITY, DAY, wide) == ("LIMIT_BUCKET", "LIMIT_EXPIRY")
    assert breached_now([exposure(201)], EQUITY, DAY, PARAMETERS) == (
        "CONTRACTS_LEG",
        "LIMIT_BUCKET",
        "LIMIT_EXPIRY",
        "LIMIT_POSITION",
    )


def test_a_lowered_count_of_positions_is_breached_by_those_open() -> None:
    few = parameters(risk__limit__positions_total=1)
    held = [exposure(1), later(1, name="other")]
    assert breached_now(held, EQUITY, DAY, few) == ("POSITIONS_TOTAL",)
    assert breached_now(held, EQUITY, DAY, PARAMETERS) == ()


@pytest.mark.parametrize(("given", "counted"), [(9.0, "160"), (0.1, "80")])
def test_a_wild_beta_of_an_open_position_is_bounded_in_the_direction_limit(
    given: float, counted: str
) -> None:
    """A beta of nearly 0 would hide a position from the limit of its direction."""
    held = replace(exposure(1, name="held"), beta=given)
    used = rows(exposure(), held)[DenialCode.LIMIT_DIRECTION].used
    assert used == Decimal(counted)
