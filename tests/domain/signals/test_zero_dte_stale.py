"""What ends a 0DTE signal: age, the market, its quotes, halts and a closed clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from domain.events.analytics import Quality
from domain.events.controls import TradingHalted, TradingReleased
from domain.events.market_facts import HaltEnded, HaltStarted
from domain.events.orders import BrokerDisconnected
from domain.events.signals import SignalInvalidated
from domain.events.system import ClockStarted
from domain.instruments import Direction
from domain.signals.evaluate import evaluate_key
from tests.domain.risk.build import DAY, HALT, NOON, desk_events, none, one, session_planned
from tests.domain.signals.build import Strategy, chain_body, contracts
from tests.domain.signals.day import signals, valid


@pytest.mark.parametrize(("seconds", "stale"), [(19.9, False), (20.0, False), (20.1, True)])
def test_signal_is_stale_by_age(seconds: float, stale: bool) -> None:
    strategy, _ = valid()
    emitted = strategy.tick(after=seconds)
    assert (signals(emitted) == ["SignalInvalidated"]) is stale
    if stale:
        assert one(emitted, SignalInvalidated).condition == "age"


MOVE = 0.15 * 2.2e-5**0.5 * 600


@pytest.mark.parametrize(
    ("moved", "stale"), [(MOVE - 1e-6, False), (MOVE + 1e-6, True), (-MOVE - 1e-6, True)]
)
def test_signal_is_stale_when_the_underlying_moved_either_way(moved: float, stale: bool) -> None:
    strategy, _ = valid()
    body = chain_body(strategy.at)
    emitted = strategy.evaluate(body=body, spot_mid=600.0 + moved)
    assert (signals(emitted) == ["SignalInvalidated"]) is stale
    if stale:
        assert one(emitted, SignalInvalidated).condition == "underlying"


def quoted(bid_shift: float, ask_shift: float) -> Any:
    """The chain with the long leg's quote moved."""
    body = chain_body(NOON)
    at = body.con_id.index(next(c.con_id for c in contracts() if c.strike == 600))
    assert body.bid[at] is not None and body.ask[at] is not None
    body.bid[at] = round((body.bid[at] or 0) + bid_shift, 3)
    body.ask[at] = round((body.ask[at] or 0) + ask_shift, 3)
    return body


@pytest.mark.parametrize(
    ("bid", "ask", "condition"),
    [
        (0.02, 0.02, None),
        (0.021, 0.021, "structure_mid"),
        (-0.5, -0.5, None),
        (-0.005, 0.005, None),
        (-0.006, 0.006, "leg_spread"),
    ],
)
def test_signal_is_stale_when_its_mid_runs_away_or_a_spread_widens(
    bid: float, ask: float, condition: str | None
) -> None:
    strategy, _ = valid()
    emitted = strategy.evaluate(body=quoted(bid, ask))
    if condition is None:
        assert signals(emitted) == []
    else:
        assert one(emitted, SignalInvalidated).condition == condition


@pytest.mark.parametrize(
    ("change", "condition"),
    [
        ({"gex_regime": "NEUTRAL"}, "gex_regime"),
        ({"flip_side": "ABOVE"}, "flip_side"),
        ({"news_state": "SHOCK"}, "shock"),
        ({"calendar_state": "BLACKOUT"}, "blackout"),
        ({"spot_mid": None}, "underlying"),
    ],
)
def test_signal_is_stale_when_the_market_is_another(change: dict[str, Any], condition: str) -> None:
    strategy, _ = valid()
    emitted = strategy.evaluate(body=chain_body(strategy.at), **change)
    assert one(emitted, SignalInvalidated).condition == condition


@pytest.mark.parametrize(("slack", "stale"), [(0.021, False), (0.019, True)])
def test_signal_is_stale_when_its_probability_fell_below_the_threshold_less_slack(
    slack: float, stale: bool
) -> None:
    weak: dict[str, Any] = {"fi_s": -0.9, "delta_flow_z": -4.0, "sweep_z": -4.0, "peers_x": -1.0}
    probe = Strategy()
    probe.evaluate()
    made = probe.evaluate(after=0.0, **weak)
    assert none(made, SignalInvalidated)
    found = evaluate_key(probe.state, ("SPY", Direction.BULLISH), probe.at)
    assert found is not None
    strategy, _ = valid(signals__0dte__trend__p_min=found.case.p_side + 0.02,
                        signals__0dte__stale__p_slack=slack)  # fmt: skip
    emitted = strategy.evaluate(**weak)
    assert (signals(emitted) == ["SignalInvalidated"]) is stale


def test_signal_is_stale_when_a_feature_fails_and_coverage_falls_below_its_minimum() -> None:
    strategy, _ = valid()
    names = ("fi_s", "delta_flow_z", "sweep_z", "tide_slope_z")
    fine = dict.fromkeys(names, Quality.STALE)
    assert signals(strategy.evaluate(qualities=fine, after=0.0)) == []
    emitted = strategy.evaluate(qualities={**fine, "ofi_5m_z": Quality.STALE})
    assert one(emitted, SignalInvalidated).condition == "coverage"


def test_halt_and_a_closed_clock_invalidate_at_once() -> None:
    strategy, _ = valid()
    assert one(strategy.when(HALT), SignalInvalidated).condition == "halt"
    strategy, _ = valid()
    clock = ClockStarted(base_market_time=NOON, speed=60, session_date=DAY, entries_open=False)
    assert one(strategy.when(clock), SignalInvalidated).condition == "clock"


def test_a_halt_of_the_underlying_ends_its_signal_and_blocks_entries_five_minutes_more() -> None:
    strategy, valid_one = valid()
    other = "IWM" if valid_one.symbol == "SPY" else "SPY"
    assert signals(strategy.when(HaltStarted(symbol=other, source="vendor", at=NOON))) == []
    halt = HaltStarted(symbol=valid_one.symbol, source="broker", at=NOON)
    assert one(strategy.when(halt), SignalInvalidated).condition == "halt"
    until = NOON + timedelta(minutes=5)
    strategy.when(HaltEnded(symbol=valid_one.symbol, at=NOON, entries_from=until))
    strategy.tick_forward(298.0)
    for body in desk_events():
        strategy.when(body)
    assert signals(strategy.evaluate(after=2.0)) == ["SignalRaised"]
    assert signals(strategy.evaluate()) == ["SignalValidated"]


def test_a_halt_of_yesterday_is_told_again_or_stands_no_more() -> None:
    strategy = Strategy()
    strategy.when(HaltStarted(symbol="SPY", source="broker", at=NOON))
    assert strategy.state.market_halts.told("SPY", NOON) == "halted"
    strategy.when(session_planned(DAY + timedelta(days=1)))
    assert strategy.state.market_halts.told("SPY", NOON + timedelta(days=1)) == ""


def test_halted_desk_keeps_candidates_and_validates_none_until_the_release() -> None:
    strategy = Strategy()
    strategy.when(TradingHalted(who="op", reason="x"))
    assert signals(strategy.evaluate()) == ["SignalRaised"]
    strategy.when(TradingReleased(who="op", reason="ok"))
    assert signals(strategy.evaluate()) == ["SignalValidated"]
    other = Strategy()
    other.when(BrokerDisconnected(connection="c", reason="lost"))
    assert signals(other.evaluate()) == ["SignalRaised"]


def test_closed_clock_ends_a_candidate_once_though_numbers_come_in_the_same_second() -> None:
    strategy = Strategy()
    strategy.when(TradingHalted(who="op", reason="x"))
    assert signals(strategy.evaluate()) == ["SignalRaised"]
    strategy.when(
        ClockStarted(base_market_time=NOON, speed=60, session_date=DAY, entries_open=False)
    )
    assert signals(strategy.evaluate(after=0.0)) == []
    assert signals(strategy.tick()) == ["SignalExpired"]
    assert signals(strategy.evaluate()) == []
