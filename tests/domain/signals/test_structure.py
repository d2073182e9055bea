"""Strike selection: targets, ties, limits, and no near misses."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from domain.instruments import Direction, Right, StructureKind
from domain.signals.reading import Chain, ChainRow
from domain.signals.structure import (
    Choice,
    Market,
    NoStructure,
    at_distance,
    candidates,
    may_be_liquid,
    nearest_delta,
    net_quote,
)
from domain.signals.zero_dte import choose_range, choose_trend
from tests.domain.risk.build import contract, parameters
from tests.domain.signals.build import CHEAP_RANGE, chain, filtered, with_row

PARAMETERS = parameters()
MARKET = Market(spot=600.0, deviation=0.0047, vrp=1.09)
QUIET = Market(
    spot=600.0, deviation=0.00366, vrp=1.4, expected_move=2.6, call_wall=603.0, put_wall=597.0
)


def strikes(found: Choice | NoStructure) -> list[int]:
    assert isinstance(found, Choice), found
    return [int(leg.contract.strike) for leg in found.structure.legs]


def refused(found: Choice | NoStructure) -> str:
    assert isinstance(found, NoStructure), found
    assert found.code == "NO_STRIKE"
    return found.reason


def trend(
    found: Chain | None = None, direction: Direction = Direction.BULLISH, **market: Any
) -> Choice | NoStructure:
    return choose_trend(
        chain() if found is None else found, direction, replace(MARKET, **market), PARAMETERS
    )


def test_bullish_trend_is_a_call_vertical_from_delta_half_to_eight_tenths_of_a_deviation() -> None:
    found = trend()
    assert strikes(found) == [600, 602]
    assert isinstance(found, Choice) and found.structure.kind is StructureKind.DEBIT_VERTICAL
    assert [leg.ratio for leg in found.structure.legs] == [1, -1]
    assert found.net_bid < found.net_mid < found.net_ask


def test_bearish_trend_mirrors_it_in_puts() -> None:
    found = trend(direction=Direction.BEARISH)
    assert strikes(found) == [600, 598]
    assert isinstance(found, Choice)
    assert {leg.contract.right for leg in found.structure.legs} == {Right.PUT}


@pytest.mark.parametrize(
    ("vrp", "kind"),
    [
        (0.999, StructureKind.LONG_OPTION),
        (1.0, StructureKind.LONG_OPTION),
        (1.001, StructureKind.DEBIT_VERTICAL),
    ],
)
def test_cheap_options_are_bought_alone(vrp: float, kind: StructureKind) -> None:
    # The strikes lie too far apart for a delta of 0.45 within 0.06: one is moved there.
    found = with_row(chain(), contract(600).con_id, delta=0.45)
    chosen = trend(with_row(found, contract(601).con_id, delta=0.40), vrp=vrp)
    assert isinstance(chosen, Choice) and chosen.structure.kind is kind


def row(strike: int, delta: float, right: Right = Right.CALL) -> ChainRow:
    found = chain().row(contract(strike, right).con_id)
    assert found is not None
    return structs.replace(found, delta=delta)


def test_delta_tie_goes_to_the_strike_farther_out_of_the_money() -> None:
    calls = [row(600, 0.52), row(601, 0.48)]
    puts = [row(600, -0.52, Right.PUT), row(599, -0.48, Right.PUT)]
    best_call = nearest_delta(calls, 0.50, 600.0, 0.06)
    best_put = nearest_delta(puts, 0.50, 600.0, 0.06)
    assert best_call is not None and best_call.strike == 601
    assert best_put is not None and best_put.strike == 599


@pytest.mark.parametrize(
    ("delta", "found"), [(0.561, False), (0.56, True), (0.44, True), (0.439, False)]
)
def test_delta_off_by_more_than_the_tolerance_is_no_strike(delta: float, found: bool) -> None:
    assert (nearest_delta([row(600, delta)], 0.50, 600.0, 0.06) is not None) is found


def test_width_tie_goes_to_the_nearer_strike_and_is_never_zero() -> None:
    rows = [row(600, 0.5), row(602, 0.3), row(604, 0.2)]
    found = at_distance(rows, Decimal(600), 3.0, 1)
    assert found is not None and found.strike == 602
    nearest = at_distance(rows, Decimal(600), 0.0, 1)
    assert nearest is not None and nearest.strike == 602
    assert at_distance(rows, Decimal(604), 1.0, 1) is None


def test_width_outside_its_limits_is_no_strike() -> None:
    assert "width" in refused(trend(deviation=0.0020))
    assert "width" in refused(trend(deviation=0.0250))


def test_debit_above_its_share_of_the_width_is_no_strike() -> None:
    dear = with_row(chain(), contract(600).con_id, bid=Decimal("1.60"), ask=Decimal("1.62"))
    assert "debit" in refused(trend(dear))


@pytest.mark.parametrize(
    "change",
    [
        {"bid": None},
        {"ask": Decimal("1.20"), "bid": Decimal("1.25")},
        {"own_volatility": False},
        {"delta": None},
        {"bid": Decimal("1.10"), "ask": Decimal("1.30")},
        {"open_interest": 499, "volume": 499},
    ],
)
def test_strike_that_fails_liquidity_is_no_candidate(change: dict[str, Any]) -> None:
    found = with_row(chain(), contract(600).con_id, **change)
    changed = found.row(contract(600).con_id)
    assert changed is not None and not may_be_liquid(changed, PARAMETERS)
    assert "no liquid strike" in refused(trend(found))


def test_strike_quoted_by_another_source_is_a_candidate() -> None:
    found = with_row(chain(), contract(600).con_id, on_line=False, bid_size=None, ask_size=None)
    assert strikes(trend(found)) == [600, 602]


@pytest.mark.parametrize(
    ("change", "long", "short"),
    [
        ({"ask_size": 1}, False, True),
        ({"ask_size": 2}, True, True),
        ({"bid_size": 1}, True, False),
        ({"bid_size": 2}, True, True),
        ({"bid_size": 0}, False, False),
        ({"bid": Decimal("0.01"), "ask": Decimal("0.03")}, False, True),
        ({"bid": Decimal("0.02"), "ask": Decimal("0.04")}, True, True),
        ({"ask_size": None, "bid_size": None}, True, True),
        ({"ask_size": 1, "bid_size": 1, "on_line": False}, True, True),
    ],
)
def test_candidates_have_size_on_the_side_that_is_hit_and_a_long_leg_a_bid(
    change: dict[str, Any], long: bool, short: bool
) -> None:
    """A size of zero is no usable quote on either side; what is not from a line tells no size."""
    found = with_row(chain(), contract(600).con_id, **change)
    rows = candidates(found, Right.CALL, PARAMETERS)
    sides = [{row.con_id for row in side} for side in (rows.long, rows.short)]
    assert [contract(600).con_id in side for side in sides] == [long, short]


def test_a_leg_of_too_little_size_leaves_its_place_to_the_next_strike() -> None:
    """On the side that the leg takes, and on that side alone."""
    short = with_row(chain(), contract(602).con_id, bid_size=1)
    assert strikes(trend(short)) == [600, 603]
    long = with_row(chain(), contract(602).con_id, ask_size=1)
    assert strikes(trend(long)) == [600, 602]


def bid_for(found: ChainRow) -> ChainRow:
    """A wing that is worth a cent or two is bid for all the same."""
    return (
        found
        if found.bid != Decimal("0.01")
        else structs.replace(found, bid=Decimal("0.02"), ask=Decimal("0.04"))
    )


def quiet(found: Chain | None = None, **market: Any) -> Choice | NoStructure:
    used = chain(volatility=0.23) if found is None else found
    used = replace(used, rows=tuple(bid_for(row) for row in used.rows))
    low = {**CHEAP_RANGE, "signals__0dte__range__credit_min": 0.05}
    return choose_range(used, replace(QUIET, **market), parameters(**low))


def test_range_is_a_condor_beyond_the_expected_move_and_not_inside_its_walls() -> None:
    found = quiet()
    assert strikes(found) == [595, 597, 603, 605]
    assert isinstance(found, Choice) and found.net_mid < 0
    assert [leg.ratio for leg in found.structure.legs] == [1, -1, -1, 1]


def test_short_strikes_move_out_to_their_walls_and_to_the_expected_move() -> None:
    assert strikes(quiet(call_wall=604.0)) == [595, 597, 604, 606]
    assert strikes(quiet(expected_move=3.0)) == [594, 596, 604, 606]
    far = refused(quiet(expected_move=30.0))
    assert "short beyond" in far


def test_short_delta_above_its_limit_is_passed_over() -> None:
    steep = with_row(chain(volatility=0.23), contract(603).con_id, delta=0.161)
    assert strikes(quiet(steep))[2] == 604
    fits = with_row(chain(volatility=0.23), contract(603).con_id, delta=0.16)
    assert strikes(quiet(fits))[2] == 603


def test_range_without_walls_or_wings_is_no_strike() -> None:
    assert "walls" in refused(quiet(call_wall=None))
    cut = filtered(chain(volatility=0.23), lambda r: r.strike <= 603)
    assert "wing" in refused(quiet(cut))


def test_credit_outside_its_share_of_the_width_is_no_strike() -> None:
    used = chain(volatility=0.23)
    used = replace(used, rows=tuple(bid_for(row) for row in used.rows))
    assert "credit" in refused(choose_range(used, QUIET, parameters()))


def test_net_quote_crosses_the_spread_of_every_leg() -> None:
    quote = net_quote([(row(600, 0.5), 1), (row(602, 0.3), -1)])
    long_row, short_row = row(600, 0.5), row(602, 0.3)
    assert long_row.bid and long_row.ask and short_row.bid and short_row.ask
    assert quote == (long_row.bid - short_row.ask, long_row.ask - short_row.bid)
    assert net_quote([(structs.replace(long_row, bid=None), 1)]) is None
