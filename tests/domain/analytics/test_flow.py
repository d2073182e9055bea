"""Option flow: sides, exclusions, imbalance, sweeps, against worked numbers."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain.analytics.flow import (
    Flow,
    SweepIntensity,
    Trade,
    is_directional,
    quote_side,
    ratio,
    seed_delta_flow,
)
from domain.analytics.hot_frames import read_trade
from domain.payloads.unusual_whales import PayloadError, read_option_trade
from tests.domain.analytics.build import DAY, OPEN, trade


def make(**changes: object) -> Trade:
    fields: dict[str, object] = {
        "contract": "SPY261006C00660000",
        "is_call": True,
        "side": 1,
        "price": 2.0,
        "size": 10,
        "premium": 2_000.0,
        "delta": 0.5,
        "spot": 600.0,
        "exchange": "XCBO",
        "executed_ms": 0,
        "is_sweep": False,
        "directional": True,
    }
    return Trade(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("price", "bid", "ask", "side"),
    [
        ("1.10", "1.00", "1.10", 1),
        ("1.06", "1.00", "1.10", 1),
        ("1.05", "1.00", "1.10", 0),
        ("1.04", "1.00", "1.10", -1),
        ("1.00", "1.00", "1.10", -1),
        ("1.20", "1.00", "1.10", 1),
        ("1.00", "1.00", "1.00", 0),
        ("1.00", "1.10", "1.00", 0),
        ("0.05", "0.00", "0.10", 0),
        ("0.06", "0.00", "0.10", 1),
        ("0.04", "0.00", "0.10", -1),
    ],
)
def test_quote_rule_signs_in_exact_decimals(price, bid, ask, side) -> None:
    assert quote_side(Decimal(price), Decimal(bid), Decimal(ask)) == side


def test_vendor_tag_goes_before_the_quote_rule() -> None:
    at = OPEN + timedelta(minutes=1)
    for side, expected in (("bid_side", -1), ("", 1)):
        payload = bytes(trade("SPY", at, side=side, price=2.0).payload)
        assert read_trade(payload, DAY).trade.side == expected


def test_a_trade_of_flow_is_what_the_codec_of_the_channel_reads() -> None:
    """Frames that the codec refuses are refused here, and an unusual form reads the same."""
    at = OPEN + timedelta(minutes=1)
    payload = bytes(trade("SPY", at, side="", price=2.0).payload)
    fields = json.loads(payload)
    read, typed = read_trade(payload, DAY), read_option_trade(payload)
    assert (read.trade.price, read.trade.size) == (float(typed.price), typed.size)
    assert (read.trade.premium, read.trade.delta) == (float(typed.premium), typed.delta)
    assert read.trade.executed_ms == typed.executed_at.timestamp() * 1_000
    unusual = fields | {"price": 2.0, "executed_at": typed.executed_at.isoformat(), "delta": ""}
    unusual |= {"premium": None}
    found = read_trade(json.dumps(unusual).encode(), DAY)
    assert found.trade == replace(read.trade, delta=None)
    for bad in ({"price": "nan"}, {"size": None}, {"premium": 10**400}, {"nbbo_bid": "1_0"}):
        with pytest.raises(PayloadError):
            read_trade(json.dumps(fields | bad).encode(), DAY)


@pytest.mark.parametrize(
    ("codes", "flags", "days", "price", "kept"),
    [
        (("auto",), [], 0, 1.0, True),
        (("mlat",), [], 0, 1.0, False),
        (("slan", "isoi"), [], 0, 1.0, True),
        (("tlet",), [], 0, 1.0, False),
        (("auto",), ["canceled"], 0, 1.0, False),
        (("late",), [], 0, 1.0, False),
        (("auto",), ["multi_leg"], 0, 1.0, False),
        (("auto",), [], 61, 1.0, False),
        (("auto",), [], 60, 0.02, False),
        (("auto",), ["cross_trade"], 60, 0.03, True),
    ],
)
def test_excluded_trades_do_not_count_as_directional(codes, flags, days, price, kept) -> None:
    assert is_directional(codes, flags, days, price) is kept


def test_excluded_trades_stay_in_volume() -> None:
    flow = Flow()
    flow.add(make(directional=False), 0.0)
    assert (flow.call_volume, flow.ncp, flow.classified) == (10, 0.0, 0)


def test_flow_imbalance_is_net_over_absolute_premium() -> None:
    flow = Flow()
    for _ in range(40):
        flow.add(make(), 0.0)
    for _ in range(20):
        flow.add(make(is_call=False, side=1, premium=1_000.0), 0.0)
    # NCP 80,000; NPP 20,000; absolute 100,000.
    assert flow.imbalances() == (60, pytest.approx(0.6), pytest.approx(0.6 * 60 / 200))
    assert (flow.ncp, flow.npp) == (80_000.0, 20_000.0)


def test_imbalance_is_null_under_fifty_classified_trades() -> None:
    flow = Flow()
    for _ in range(49):
        flow.add(make(), 0.0)
    flow.add(make(side=0), 0.0)
    assert flow.imbalances() == (49, None, None)
    flow.add(make(), 0.0)
    assert flow.imbalances() == (50, 1.0, 0.25)


def test_imbalance_forgets_after_thirty_minutes_of_bars() -> None:
    flow = Flow()
    for _ in range(60):
        flow.add(make(), 0.0)
    for bar in range(360):
        flow.close_bar(bar * 5.0, 5.0)
    assert flow.imbalances() == (60, 1.0, 0.3)
    flow.close_bar(1_805.0, 5.0)
    assert flow.imbalances() == (0, None, None)


def test_the_thirty_minutes_of_an_imbalance_pass_while_bars_are_missing() -> None:
    """The trades of bar 0 are in the 360 bars up to bar 359, however many of them came."""
    flow = Flow()
    for _ in range(60):
        flow.add(make(), 0.0)
    flow.close_bar(5.0, 5.0)
    flow.close_bar(1_800.0, 5.0, missing=358)
    assert flow.imbalances() == (60, 1.0, 0.3)
    flow.close_bar(1_805.0, 5.0)
    assert flow.imbalances() == (0, None, None)
    assert flow.bars == 361


def test_what_came_while_bars_were_missing_counts_as_if_it_had_come_evenly() -> None:
    """Five minutes, which is a half-life, at 500 dollars a bar after a bar of 1,000: 750."""
    flow = Flow()
    flow.add(make(premium=1_000.0), 0.0)
    flow.close_bar(5.0, 5.0)
    flow.add(make(premium=500.0 * 60), 100.0)
    flow.close_bar(305.0, 5.0, missing=59)
    assert flow.calls_fast.mean == pytest.approx(750.0, rel=1e-12)
    assert flow.calls_slow.mean == pytest.approx(500.0 + 500.0 * 2 ** (-1 / 6), rel=1e-12)
    assert flow.delta_scores.observed == 305.0


def test_delta_flow_counts_dollars_of_delta_a_bar() -> None:
    flow = Flow()
    flow.add(make(side=-1, delta=-0.4, size=5, is_call=False), 0.0)
    flow.close_bar(5.0, 5.0)
    assert flow.delta_slow.mean == pytest.approx(-1 * -0.4 * 5 * 100 * 600.0)


def test_seeded_delta_flow_is_warm_and_scores() -> None:
    flow = Flow()
    seed_delta_flow(flow, [[1_000.0, -1_000.0] * 195] * 5, 23_400.0)
    assert flow.delta_scores.is_warm
    flow.close_bar(5.0, 5.0)
    assert flow.delta_z is not None and abs(flow.delta_z) <= 4


def test_sweep_tag_and_block_count_once_and_decay() -> None:
    sweeps = SweepIntensity()
    sweeps.add(make(is_sweep=True, size=600, premium=300_000.0), 0.0)
    weight = math.log(1 + 300_000 / 25_000)
    assert sweeps.calls == pytest.approx(weight)
    sweeps.decay(180.0)
    assert sweeps.net == pytest.approx(weight / 2)


def test_a_late_report_of_an_older_print_makes_no_sweep() -> None:
    """Executed 101 ms before the other two of its side, and told after them."""
    sweeps = SweepIntensity()
    for executed_ms, exchange in ((1_101, "A"), (1_101, "B"), (1_000, "C")):
        sweeps.add(make(executed_ms=executed_ms, exchange=exchange, size=10, premium=1e4), 1.0)
    assert sweeps.net == 0.0


def test_three_prints_on_two_exchanges_within_100_ms_are_a_sweep() -> None:
    sweeps = SweepIntensity()
    for ms, exchange in ((0, "XCBO"), (60, "XCBO"), (100, "EDGO")):
        sweeps.add(make(executed_ms=ms, exchange=exchange, is_call=False), 0.0)
    assert sweeps.puts == pytest.approx(3 * math.log(1 + 2_000 / 25_000))
    assert sweeps.net == pytest.approx(-sweeps.puts)


def test_prints_on_one_exchange_or_too_far_apart_are_no_sweep() -> None:
    sweeps = SweepIntensity()
    for ms in (0, 10, 20, 30):
        sweeps.add(make(executed_ms=ms), 0.0)
    for ms, exchange in ((200, "XCBO"), (260, "EDGO"), (361, "AMXO")):
        sweeps.add(make(executed_ms=ms, exchange=exchange), 0.0)
    assert sweeps.calls == 0.0


def test_put_call_ratio_needs_a_hundred_contracts() -> None:
    assert ratio(50, 99, 99) is None
    assert ratio(50, 100, 100) == 0.5


def test_new_session_starts_sums_anew_and_keeps_scores() -> None:
    flow = Flow()
    flow.add(make(), 0.0)
    flow.close_bar(5.0, 5.0)
    flow.begin_session()
    assert (flow.ncp, flow.bars, len(flow.window), flow.last_trade_at) == (0.0, 0, 0, None)
    assert flow.delta_scores.count == 1
