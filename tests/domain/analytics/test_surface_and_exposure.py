"""Chain table, surface and gamma exposure: a chain priced from a known smile gives it back."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from scipy.optimize import brentq

from domain.analytics.chain import ChainTable, Layout, Source, layout_of
from domain.analytics.expiry_surface import ExpirySurface, constant_maturity
from domain.analytics.gex import Regime, exposure_of
from domain.analytics.parameters import PARAMETERS
from domain.analytics.quotes import effective_age, is_wide, two_sided
from domain.analytics.surface import ChainClock, Surface, evaluate
from domain.events.analytics import Quality
from domain.instruments import Right, occ_symbol
from domain.pricing.black_scholes import greeks
from domain.pricing.dividends import forward_of
from tests.domain.analytics.build import (
    DAY,
    EXPIRIES,
    OPEN,
    RATE,
    expiry_of,
    opening,
    quote_of,
    smile,
    strikes_of,
    years_to,
)

AT = OPEN + timedelta(minutes=30)
NOW = AT.timestamp()
SPOT = 660.0


def filled_table(expiries: tuple[int, ...] = EXPIRIES, *, shift: float = 0.0) -> ChainTable:
    table = ChainTable()
    for days in expiries:
        for strike in strikes_of("SPY"):
            for right in Right:
                call = right is Right.CALL
                slot = table.add(expiry_of(days), strike, right)
                bid, ask = quote_of("SPY", days, strike, call, SPOT + shift, AT)
                table.quote(slot, bid, ask, NOW, Source.SNAPSHOT)
                table.open_interest[slot] = 1_000.0
    return table


def clock(table: ChainTable, layout: Layout, **changes: object) -> ChainClock:
    closes = [opening(e) + timedelta(hours=6.5) for e in layout.expiries]
    fields: dict[str, object] = {
        "now": NOW,
        "session_date": DAY,
        "spot": SPOT,
        "spot_fresh": True,
        "forwards": [forward_of(SPOT, [], AT, close, RATE) for close in closes],
        "age_limits": (15.0, 90.0, 180.0),
        "quiet_max": 10.0,
        "exposure_iv_age_max": 900.0,
        "premiums_max": 0,
        "forward_tolerance_short": 0.001,
        "forward_tolerance_long": 0.003,
    }
    return ChainClock(**(fields | changes))  # type: ignore[arg-type]


def surface_of(table: ChainTable, **changes: object) -> Surface:
    layout = layout_of(table, DAY, 75)
    return evaluate(table, layout, clock(table, layout, **changes))


def test_layout_pairs_calls_and_puts_in_ascending_order() -> None:
    table = ChainTable()
    put = table.add(expiry_of(3), 650.0, Right.PUT)
    call = table.add(expiry_of(3), 650.0, Right.CALL)
    lone = table.add(expiry_of(0), 655.0, Right.CALL)
    table.add(expiry_of(-1), 655.0, Right.CALL)
    layout = layout_of(table, DAY, 60)
    assert layout.expiries == (expiry_of(0), expiry_of(3))
    assert layout.strike.tolist() == [655.0, 650.0]
    assert layout.call.tolist() == [lone, call]
    assert layout.put.tolist() == [-1, put]
    assert layout.starts.tolist() == [0, 1, 2]


def test_table_knows_a_contract_by_symbol_and_by_con_id() -> None:
    table = ChainTable()
    occ = occ_symbol("SPY", expiry_of(3), Right.PUT, Decimal("650.5"))
    slot = table.slot_of_symbol(occ)
    assert table.add(expiry_of(3), 650.5, Right.PUT, 77) == slot
    assert table.slot_of_con_id(77) == slot == table.slot_of_symbol(occ)
    assert table.count == 1


def test_table_grows_and_keeps_its_columns() -> None:
    table = ChainTable()
    for k in range(700):
        slot = table.add(expiry_of(3), 300.0 + k, Right.CALL)
        table.quote(slot, 1.0 + k, 2.0 + k, NOW, Source.TRADE)
    assert table.bid[:700].tolist() == [1.0 + k for k in range(700)]


def test_open_line_is_not_overwritten_by_a_snapshot() -> None:
    table = ChainTable()
    slot = table.add(expiry_of(0), 650.0, Right.CALL)
    table.on_line[slot] = True
    table.line_ticks(slot, [(1, 1.00, 5), (2, 1.02, 6)], NOW, SPOT)
    table.quote(slot, 0.5, 2.0, NOW + 1, Source.SNAPSHOT)
    assert (table.bid[slot], table.ask[slot], table.source[slot]) == (1.00, 1.02, Source.LINE)
    table.on_line[slot] = False
    table.quote(slot, 0.5, 2.0, NOW + 1, Source.SNAPSHOT)
    assert (table.bid[slot], table.source[slot]) == (0.5, Source.SNAPSHOT)
    assert np.isnan(table.bid_size[slot])


def test_first_tick_of_a_line_is_not_paired_with_another_source() -> None:
    table = ChainTable()
    slot = table.add(expiry_of(0), 650.0, Right.CALL)
    table.quote(slot, 0.5, 2.0, NOW, Source.TRADE)
    table.line_ticks(slot, [(1, 1.00, 5)], NOW, SPOT)
    assert table.bid[slot] == 1.00 and np.isnan(table.ask[slot])
    table.line_ticks(slot, [(2, 1.02, 5)], NOW, SPOT)
    assert (table.bid[slot], table.ask[slot]) == (1.00, 1.02)


def test_price_of_minus_one_means_no_quote() -> None:
    table = ChainTable()
    slot = table.add(expiry_of(0), 650.0, Right.CALL)
    table.line_ticks(slot, [(1, -1.0, 0), (2, 0.03, 5)], NOW, SPOT)
    assert table.bid[slot] == 0.0


def test_open_interest_is_that_of_the_own_right() -> None:
    table = ChainTable()
    call = table.add(expiry_of(0), 650.0, Right.CALL)
    put = table.add(expiry_of(0), 650.0, Right.PUT)
    table.line_ticks(call, [(27, -1.0, 900.0), (28, -1.0, 0.0), (8, -1.0, 40.0)], NOW, SPOT)
    table.line_ticks(put, [(27, -1.0, 0.0), (28, -1.0, 700.0)], NOW, SPOT)
    assert (table.open_interest[call], table.open_interest[put]) == (900.0, 700.0)
    assert table.volume[call] == 40.0


def test_usable_quotes() -> None:
    bid = np.array([0.01, 0.0, 1.0, 1.1, 1.0, np.nan])
    ask = np.array([0.02, 0.03, 1.0, 1.0, 1.1, 1.0])
    size = np.array([np.nan, 1.0, 1.0, 1.0, 0.0, 1.0])
    assert two_sided(bid, ask, size, size).tolist() == [True, False, False, False, False, False]
    assert is_wide(np.array([1.0, 10.0]), np.array([1.51, 12.0])).tolist() == [True, False]


def test_quiet_line_counts_as_fresh_only_while_the_spot_stands_still() -> None:
    age = np.array([8.0, 8.0, 8.0, 11.0])
    on_line = np.array([True, True, False, True])
    spot_at = np.array([660.0, 659.0, 660.0, 660.0])
    fresh = effective_age(age, on_line, spot_at, 660.0, 10.0, underlying_fresh=True)
    assert fresh.tolist() == [0.0, 8.0, 8.0, 11.0]
    stale = effective_age(age, on_line, spot_at, 660.0, 10.0, underlying_fresh=False)
    assert stale.tolist() == age.tolist()


def test_surface_gives_back_the_smile_it_was_priced_from() -> None:
    surface = surface_of(filled_table())
    for expiry in surface.expiries[2:]:
        assert expiry.quality is Quality.OK
        k = surface.expiries.index(expiry)
        part = surface.layout.slice_of(k)
        x = np.log(surface.layout.strike[part] / expiry.forward)
        own = surface.own[part]
        expected = np.array([smile(v, expiry.years) for v in x])
        assert np.abs(surface.iv[part] - expected)[own].max() < 0.004
        assert expiry.atm_iv == pytest.approx(0.16, abs=0.002)


def test_skew_is_that_of_the_smile() -> None:
    found = surface_of(filled_table()).of_days(24)
    assert found is not None and found.rr25 is not None and found.bf25 is not None

    def at_delta(call: bool) -> float:
        def gap(x: float) -> float:
            strike = found.forward * math.exp(x)
            spot = found.forward * math.exp(-RATE * found.years)
            sigma = smile(x, found.years)
            delta = greeks(spot, strike, found.years, RATE, sigma, call).delta[0]
            return abs(float(delta)) - 0.25

        x = brentq(gap, 0.001, 0.15) if call else brentq(gap, -0.15, -0.001)
        return smile(x, found.years)

    call, put = at_delta(True), at_delta(False)
    assert found.rr25 == pytest.approx(call - put, abs=0.001)
    assert found.bf25 == pytest.approx((call + put) / 2 - 0.16, abs=0.001)


def test_expected_move_is_the_straddle_scaled_to_a_standard_deviation() -> None:
    found = surface_of(filled_table()).of_days(10)
    assert found is not None and found.em_1sd is not None and found.em_mean_abs is not None
    assert found.em_1sd == pytest.approx(math.sqrt(math.pi / 2) * found.em_mean_abs)
    assert found.em_1sd == pytest.approx(SPOT * 0.16 * math.sqrt(found.years), rel=0.03)
    assert found.em_consistent


def test_old_quotes_make_the_expiry_missing() -> None:
    surface = surface_of(filled_table(), now=NOW + 16.0)
    today, tomorrow = surface.of_days(0), surface.of_days(1)
    assert today is not None and tomorrow is not None
    assert (today.quality, today.reason, today.atm_iv) == (Quality.MISSING, "FEW_STRIKES", None)
    assert tomorrow.quality is Quality.OK


def test_exposures_keep_a_volatility_for_fifteen_minutes() -> None:
    table = filled_table((10,))
    surface_of(table)
    later = surface_of(table, now=NOW + 200.0)
    assert not later.own.any()
    assert np.isfinite(later.iv).any()
    assert np.isnan(surface_of(table, now=NOW + 1_000.0).iv).all()


def test_stale_spot_is_a_forward_mismatch() -> None:
    found = surface_of(filled_table(shift=1.5)).of_days(10)
    assert found is not None
    assert (found.quality, found.reason) == (Quality.DEGRADED, "FORWARD_MISMATCH")
    assert not found.forward_ok


def test_wide_quote_gives_no_volatility_but_the_smile_fills_it() -> None:
    table = filled_table((10,))
    slot = table.slot_of_symbol(occ_symbol("SPY", expiry_of(10), Right.CALL, Decimal(662)))
    table.ask[slot] = table.bid[slot] + 4.0
    surface = surface_of(table)
    node = int(np.flatnonzero(surface.layout.strike == 662.0)[0])
    assert not surface.own[node]
    around = surface.iv[[node - 1, node + 1]]
    assert min(around) <= surface.iv[node] <= max(around)


def test_early_exercise_is_taken_out_of_far_puts() -> None:
    plain, cleaned = filled_table((38,)), filled_table((38,))
    before = surface_of(plain)
    after = surface_of(cleaned, premiums_max=500)
    puts = before.own & (before.layout.strike < 655) & (before.layout.strike > 640)
    assert puts.any()
    assert (after.iv[puts] < before.iv[puts]).all()
    assert (before.iv[puts] - after.iv[puts] < 0.003).all()
    calls = before.layout.strike > 665
    assert np.array_equal(after.iv[calls], before.iv[calls])


def test_premiums_are_cached_for_a_minute_and_limited_a_refresh() -> None:
    table = filled_table((38,))
    surface_of(table, premiums_max=3)
    assert np.count_nonzero(np.isfinite(table.premium)) == 3
    surface_of(table, premiums_max=3)
    assert np.count_nonzero(np.isfinite(table.premium)) == 6
    at = table.premium_at.copy()
    surface_of(table, premiums_max=500)
    surface_of(table, premiums_max=500, now=NOW + 59.0)
    known = np.isfinite(at)
    assert np.array_equal(table.premium_at[known], at[known])


def test_what_a_refresh_has_no_place_for_is_marked_as_not_checked() -> None:
    """Ten a refresh, 60 s old at most: of the far puts those are unchecked that had no turn yet,
    and all again a minute later. Calls, near puts and short expiries never are."""
    table = filled_table((3, 38))
    none = surface_of(table).premium_unchecked
    far = np.count_nonzero(none)
    layout = layout_of(table, DAY, 75)
    assert far > 10
    assert (layout.expiry_index[none] == 1).all() and (layout.strike[none] < SPOT + 5).all()
    first = surface_of(table, premiums_max=10).premium_unchecked
    assert np.count_nonzero(first) == far - 10
    assert not (first & ~none).any()
    assert not surface_of(table, premiums_max=500).premium_unchecked.any()
    assert np.count_nonzero(surface_of(table, now=NOW + 59.0).premium_unchecked) == 0
    assert np.count_nonzero(surface_of(table, now=NOW + 60.0).premium_unchecked) == far


def test_the_shipped_budget_keeps_the_premiums_of_96_puts_young() -> None:
    """Eight a refresh of 5 s and 60 s each: after the first minute none is ever unchecked."""
    shipped = next(p for p in PARAMETERS if p.name == "early_exercise_per_refresh").default
    assert isinstance(shipped, float)
    table = filled_table((24, 38, 66))
    far = np.count_nonzero(surface_of(table).premium_unchecked)
    assert 24 < far <= 12 * shipped
    left = [
        np.count_nonzero(
            surface_of(table, premiums_max=int(shipped), now=NOW + 5.0 * n).premium_unchecked
        )
        for n in range(30)
    ]
    assert left[0] == far - shipped and not any(left[12:])


def expiry(years: float, atm: float, quality: Quality = Quality.OK) -> ExpirySurface:
    days = round(years * 365)
    return ExpirySurface(
        expiry_of(days), days, years, 660.0, RATE, quality, "", 9, atm, None, None, None, None,
        True, True, "",
    )  # fmt: skip


def test_constant_maturity_is_linear_in_total_variance() -> None:
    near, far = expiry(7 / 365, 0.20), expiry(14 / 365, 0.16)
    total = (0.04 * 7 + 0.16**2 * 14) / 2
    assert constant_maturity([near, far], 10.5) == pytest.approx(math.sqrt(total / 10.5))
    assert constant_maturity([near, far], 7) == pytest.approx(0.20)


def test_constant_maturity_is_flat_outside_and_needs_both_neighbours() -> None:
    near, far = expiry(7 / 365, 0.20), expiry(14 / 365, 0.16)
    assert constant_maturity([near, far], 1) == 0.20
    assert constant_maturity([near, far], 60) == 0.16
    assert constant_maturity([near, expiry(14 / 365, 0.16, Quality.MISSING)], 10) is None
    assert constant_maturity([expiry(3 / (24 * 365), 0.5), near], 1) == 0.20
    assert constant_maturity([], 30) is None


def exposed(changes: dict[tuple[str, float], float]) -> tuple[ChainTable, Surface]:
    """A 10-day chain without open interest but for `changes`."""
    table = filled_table((10,))
    table.open_interest[: table.count] = 0.0
    for (right, strike), interest in changes.items():
        table.open_interest[
            table.slot_of_symbol(
                occ_symbol("SPY", expiry_of(10), Right(right), Decimal(str(strike)))
            )
        ] = interest
    return table, surface_of(table)


def test_exposure_of_one_contract_is_the_formula() -> None:
    table, surface = exposed({("C", 664.0): 2_000.0})
    found = exposure_of(table, surface, 45)
    node = int(np.flatnonzero(surface.layout.strike == 664.0)[0])
    gamma = greeks(SPOT, 664.0, years_to(10, AT), RATE, surface.iv[node], True).gamma[0]
    assert found.total == pytest.approx(gamma * 2_000 * 100 * SPOT**2 * 0.01, rel=1e-9)
    assert (found.call_wall, found.put_wall, found.flip) == (664.0, None, None)
    assert found.coverage == 1.0 and found.is_warm


def test_put_exposure_is_negative_and_equal_amounts_cancel() -> None:
    table, surface = exposed({("P", 650.0): 500.0})
    assert exposure_of(table, surface, 45).total < 0
    table, surface = exposed({("P", 650.0): 500.0, ("C", 650.0): 500.0})
    found = exposure_of(table, surface, 45)
    assert found.total == 0.0
    assert found.call_wall == found.put_wall == 650.0


def test_flip_is_where_the_profile_crosses_zero() -> None:
    table, surface = exposed({("P", 648.0): 3_000.0, ("C", 672.0): 3_000.0})
    found = exposure_of(table, surface, 45)
    years = years_to(10, AT)

    def net(spot: float) -> float:
        total = 0.0
        for strike, sign in ((648.0, -1), (672.0, 1)):
            node = int(np.flatnonzero(surface.layout.strike == strike)[0])
            total += sign * float(
                greeks(spot, strike, years, RATE, surface.iv[node], True).gamma[0]
            )
        return total

    assert found.flip == pytest.approx(brentq(net, 640.0, 680.0), abs=0.05)
    assert found.flip in found.roots


def test_walls_tie_to_the_nearest_and_ignore_far_strikes() -> None:
    table, surface = exposed({("C", 694.0): 1e9, ("C", 668.0): 1_000.0, ("P", 652.0): 700.0})
    assert exposure_of(table, surface, 45).call_wall == 694.0
    near = surface_of(
        table, spot=620.0, forwards=[forward_of(620.0, [], AT, AT + timedelta(days=10), RATE)]
    )
    assert exposure_of(table, near, 45).call_wall == 668.0


def test_unknown_open_interest_keeps_exposure_in_warm_up() -> None:
    table = filled_table((10,))
    table.open_interest[: table.count] = np.nan
    found = exposure_of(table, surface_of(table), 45)
    assert (found.coverage, found.is_warm, found.total) == (0.0, False, 0.0)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ([0.019], "NEUTRAL"),
        ([0.021], "POS"),
        ([0.021, 0.011], "POS"),
        ([0.021, 0.010], "NEUTRAL"),
        ([0.021, -0.021], "NEG"),
        ([-0.03, -0.011], "NEG"),
        ([-0.03, -0.010], "NEUTRAL"),
        ([-0.03, 0.03], "POS"),
    ],
)
def test_regime_has_hysteresis(values, name) -> None:
    regime = Regime()
    for value in values:
        regime.update(value, 0.02, 0.01)
    assert regime.name == name


def test_side_of_the_flip_stays_between_its_margins() -> None:
    regime = Regime()
    regime.update_side(660.0, 660.1, 1.0)
    assert regime.flip_side == "BELOW"
    regime.update_side(660.2, 660.1, 1.0)
    assert regime.flip_side == "BELOW"
    regime.update_side(660.5, 660.1, 1.0)
    assert regime.flip_side == "ABOVE"
    regime.update_side(660.0, 660.1, 1.0)
    assert regime.flip_side == "ABOVE"
    regime.update_side(660.0, None, -1.0)
    assert regime.flip_side == "BELOW"
