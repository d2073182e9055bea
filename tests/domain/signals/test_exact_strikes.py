"""Strikes, prices and ages at exact limits, and what a leg says of itself (`make mutation`)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from domain.events.signals import Result
from domain.instruments import Direction, Right, StructureKind
from domain.risk.codes import DenialCode
from domain.signals.bucket import Variant
from domain.signals.fourteen_dte import choose_debit
from domain.signals.one_dte import ONE_DTE, choose_direction
from domain.signals.reading import CHAINS_KEPT_MAX, Chain, ChainRow, chain_of
from domain.signals.structure import (
    Choice,
    CreditLimits,
    DebitLimits,
    Market,
    NoStructure,
    credit_vertical,
    debit_vertical,
    nearest_delta,
    single_long,
)
from domain.signals.zero_dte import choose_trend
from tests.domain.risk.build import NOON, contract, parameters, session
from tests.domain.signals.build import chain, chain_body, with_row
from tests.domain.signals.test_gates import MARKET, case, gate_of
from tests.domain.signals.test_structure import row
from tests.domain.signals.weeks import EXPIRY

FREE_WIDTH = DebitLimits(0.0, 100.0, 0.5)


def at(found: Chain, strike: int, mid: str, right: Right = Right.CALL) -> Chain:
    """The chain with one contract quoted at this price."""
    price = Decimal(mid)
    return with_row(found, contract(strike, right).con_id, bid=price, ask=price)


def leg(found: Chain, strike: int, right: Right = Right.CALL) -> ChainRow:
    one = found.row(contract(strike, right).con_id)
    assert one is not None
    return one


def debit(mid: str, limits: DebitLimits = FREE_WIDTH, sold: int = 602) -> Choice | NoStructure:
    """600 calls bought against a strike beyond, sold at two dollars."""
    found = at(at(chain(), sold, "2.00"), 600, str(Decimal(mid) + 2))
    return debit_vertical(found, leg(found, 600), leg(found, sold), limits)


@pytest.mark.parametrize(
    ("mid", "holds"),
    [("1.00", True), ("1.01", False), ("0.01", True), ("0.00", False), ("-0.01", False)],
)
def test_a_debit_is_more_than_nothing_and_just_its_share_of_the_width_at_most(
    mid: str, holds: bool
) -> None:
    assert isinstance(debit(mid), Choice) is holds


@pytest.mark.parametrize(
    ("low", "high", "holds"),
    [(2.0, 2.0, True), (2.01, 9.0, False), (0.0, 1.99, False)],
)
def test_a_width_of_just_its_limits_is_wide_and_narrow_enough(
    low: float, high: float, holds: bool
) -> None:
    assert isinstance(debit("0.80", DebitLimits(low, high, 0.5)), Choice) is holds


@pytest.mark.parametrize(("strike", "right"), [(600, Right.CALL), (600, Right.PUT)])
@pytest.mark.parametrize(
    ("credit", "holds"), [("0.50", True), ("0.49", False), ("1.00", True), ("1.01", False)]
)
def test_a_credit_of_just_its_limits_is_neither_too_little_nor_too_much(
    strike: int, right: Right, credit: str, holds: bool
) -> None:
    wing = strike + 2 if right is Right.CALL else strike - 2
    found = at(at(chain(), wing, "1.00", right), strike, str(Decimal(credit) + 1), right)
    short = leg(found, strike, right)
    made = credit_vertical(found, found.of(right), short, CreditLimits(2.0, 0.25, 0.5))
    assert isinstance(made, Choice) is holds


def test_a_lone_option_is_bought_once() -> None:
    made = single_long(chain(), chain().of(Right.CALL), 0.5, 600.0, 0.1)
    assert isinstance(made, Choice)
    assert [one.ratio for one in made.structure.legs] == [1]
    assert made.structure.kind is StructureKind.LONG_OPTION


def test_a_delta_of_nothing_is_a_delta() -> None:
    far, near_by = row(600, 0.0), row(601, 0.3)
    assert nearest_delta([far, near_by], 0.0, 600.0, 0.0) is far
    assert nearest_delta([far], 1.0, 600.0, 0.0) is None


LOOSE = parameters(signals__0dte__delta_off_max=0.2, signals__0dte__trend__debit_max=0.9)


@pytest.mark.parametrize("right", list(Right))
@pytest.mark.parametrize(
    ("delta", "holds"), [(0.40, True), (0.3999, False), (0.60, True), (0.6001, False)]
)
def test_a_bought_delta_of_just_its_bounds_is_neither_too_small_nor_too_great(
    right: Right, delta: float, holds: bool
) -> None:
    signed = delta if right is Right.CALL else -delta
    found = with_row(chain(), contract(600, right).con_id, delta=signed)
    direction = Direction.BULLISH if right is Right.CALL else Direction.BEARISH
    made = choose_trend(found, direction, MARKET, LOOSE)
    assert isinstance(made, Choice) is holds
    if not holds:
        assert isinstance(made, NoStructure) and "long delta must be in" in made.reason


def near(expiry_days: int, sold: str, mid: str) -> Chain:
    """600 calls, one of a strike right beyond, and one a dollar beyond."""
    expiry = contract(600).expiry + timedelta(days=expiry_days)
    found = chain(expiry=expiry, volatility=0.20)
    price = found.row(contract(600, expiry=expiry).con_id)
    assert price is not None and price.bid is not None and price.ask is not None
    quote = {"bid": price.bid - Decimal(mid), "ask": price.ask - Decimal(mid)}
    first = contract(601, expiry=expiry).con_id
    found = with_row(found, first, strike=Decimal(sold), **quote)
    after = contract(602, expiry=expiry).con_id
    return with_row(found, after, strike=Decimal(601), **quote)


def test_what_lies_beyond_the_goal_already_is_sold_at_the_very_next_strike() -> None:
    """The bought strike lies beyond the goal: the distance is nothing, not negative, nor a dollar;
    a width under a dollar is one."""
    beyond = Market(spot=599.7, deviation=1e-6, vrp=1.25)
    used = parameters(
        signals__1dte__night_direction__debit_max=0.9,
        signals__0dte__trend__debit_max=0.9,
        signals__0dte__trend__width_min=0.0005,
    )
    night = choose_direction(near(1, "600.1", "0.05"), Direction.BULLISH, beyond, used)
    assert isinstance(night, Choice), night
    assert [str(one.contract.strike) for one in night.structure.legs] == ["600", "600.1"]
    day = choose_trend(near(0, "600.4", "0.05"), Direction.BULLISH, beyond, used)
    assert isinstance(day, Choice), day
    assert [str(one.contract.strike) for one in day.structure.legs] == ["600", "600.4"]


def test_a_vertical_for_weeks_may_be_less_than_a_dollar_wide() -> None:
    found = chain(expiry=EXPIRY, volatility=0.10)
    market = Market(spot=600.0, deviation=0.03, vrp=1.0)
    made = choose_debit(found, Direction.BULLISH, market, parameters())
    assert isinstance(made, Choice)
    bought, sold = made.rows
    assert bought.bid is not None and bought.ask is not None
    cheaper = {"bid": bought.bid - Decimal("0.1"), "ask": bought.ask - Decimal("0.1")}
    close = with_row(found, sold.con_id, strike=bought.strike + Decimal("0.5"), **cheaper)
    assert isinstance(choose_debit(close, Direction.BULLISH, market, parameters()), Choice)


@pytest.mark.parametrize(
    ("ours", "theirs", "result"),
    [
        ((0.50, 0.30), (0.40, 0.30), Result.FAIL),
        ((0.40, 0.30), (0.50, 0.30), Result.FAIL),
        ((0.50, 0.30), (0.50, 0.40), Result.FAIL),
        ((0.50, 0.30), (0.46, 0.34), Result.PASS),
    ],
)
def test_the_leg_that_is_most_apart_from_the_brokers_delta_decides_either_way(
    ours: tuple[float, float], theirs: tuple[float, float], result: Result
) -> None:
    found = case().chosen
    assert isinstance(found, Choice)
    rows = tuple(
        msgspec.structs.replace(one, delta=own, broker_delta=their)
        for one, own, their in zip(found.rows, ours, theirs, strict=True)
    )
    gate = gate_of(case(chosen=replace(found, rows=rows)), DenialCode.GREEKS_AGREE)
    assert gate.result is result


def test_a_leg_without_a_delta_of_ours_is_not_compared() -> None:
    found = case().chosen
    assert isinstance(found, Choice)
    rows = (msgspec.structs.replace(found.rows[0], delta=None, broker_delta=0.5), found.rows[1])
    gate = gate_of(case(chosen=replace(found, rows=rows)), DenialCode.GREEKS_AGREE)
    assert (gate.result, gate.measured, gate.reason) == (Result.PASS, "-", "NOT_COMPARED")


@pytest.mark.parametrize("lacks", ["volatility", "chain"])
def test_a_delta_that_cannot_be_checked_for_early_exercise_is_compared_as_it_is(lacks: str) -> None:
    found = case()
    assert isinstance(found.chosen, Choice)
    row = msgspec.structs.replace(found.chosen.rows[0], delta=0.40, broker_delta=0.50)
    if lacks == "volatility":
        row = msgspec.structs.replace(row, volatility=None)
    else:
        found = replace(found, chain=None)
    chosen = replace(found.chosen, rows=(row, found.chosen.rows[1]))
    gate = gate_of(replace(found, chosen=chosen), DenialCode.GREEKS_AGREE)
    assert (gate.result, gate.measured) == (Result.FAIL, "0.1000")


def test_a_quote_grows_older_from_its_refresh_on_and_never_younger() -> None:
    found = case()
    assert found.chain is not None and isinstance(found.chosen, Choice)
    quoted = msgspec.structs.replace(found.chosen.rows[0], age_seconds=0.5)
    for seconds, age in ((0.0, 0.5), (3.0, 3.5), (-2.0, 0.5)):
        later = replace(found, now=found.chain.at + timedelta(seconds=seconds))
        assert later.quote_age(quoted) == age
    assert found.quote_age(msgspec.structs.replace(quoted, age_seconds=None)) is None
    assert replace(found, chain=None).quote_age(quoted) is None


def test_the_probability_of_sold_premium_is_that_of_its_target_or_nothing() -> None:
    sold = case(variant=Variant.RANGE, direction=Direction.NEUTRAL, p_win=0.7)
    assert (sold.p_side, replace(sold, p_win=None).p_side) == (0.7, 0.0)
    bought = replace(case(), score=replace(case().score, probability_up=0.7))
    assert bought.p_side == 0.7
    falling = replace(bought, direction=Direction.BEARISH)
    assert falling.p_side == pytest.approx(0.3)


def test_a_refresh_is_read_once_and_another_one_for_itself() -> None:
    """Interest and volume that were not told are none; the escrowed spot is without dividends."""
    body = msgspec.structs.replace(
        chain_body(NOON), open_interest=[None] * 102, volume=[None] * 102, rate=0.04, years=0.5
    )
    found = chain_of(body)
    assert chain_of(body) is found
    other = chain_of(msgspec.structs.replace(body, spot=601.0))
    assert (other.spot, found.spot) == (601.0, 600.0)
    assert {(one.open_interest, one.volume) for one in found.rows} == {(None, 0)}
    assert found.spot_escrowed == pytest.approx(600.0 * 0.980198673306755)


def test_no_more_chains_are_kept_than_their_limit() -> None:
    """The one that was read first is forgotten for one more."""
    body = chain_body(NOON)
    days = [contract(600).expiry + timedelta(days=400 + n) for n in range(CHAINS_KEPT_MAX + 1)]
    first, *others = [msgspec.structs.replace(body, expiry=day) for day in days]
    found = chain_of(first)
    for other in others[:-1]:
        chain_of(other)
    assert chain_of(first) is found
    chain_of(others[-1])
    assert chain_of(first) is not found


def test_the_mid_of_a_quote_lies_between_and_a_quote_of_less_than_a_cent_is_none() -> None:
    quoted = msgspec.structs.replace(row(600, 0.5), bid=Decimal("0.01"), ask=Decimal("0.05"))
    assert (quoted.mid, quoted.spread) == (Decimal("0.03"), Decimal("0.04"))
    assert quoted.is_two_sided
    assert not msgspec.structs.replace(quoted, bid=Decimal("0.009")).is_two_sided
    assert not msgspec.structs.replace(quoted, ask=Decimal("0.01")).is_two_sided
    assert not msgspec.structs.replace(quoted, bid=None).is_two_sided
    assert not msgspec.structs.replace(quoted, ask=None).is_two_sided


def test_the_window_of_a_night_never_starts_before_the_session() -> None:
    half = session(half=True)
    early = parameters(signals__1dte__start_min=300)
    window = ONE_DTE.rules.window(Variant.NIGHT_PREMIUM, half, early)
    assert window is not None and window[0] == half.open_at
