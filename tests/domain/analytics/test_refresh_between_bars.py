"""Ticks of the clock evaluate whole chains between bars; the bar evaluates what it trades."""

from __future__ import annotations

import itertools
from datetime import date, timedelta
from decimal import Decimal
from functools import cache

import pytest

from domain.events.analytics import ChainEvaluated, MetricComputed, Quality
from domain.events.feeds import LineOpened, LinesWanted
from domain.events.signals import ExpiryPassedOver
from domain.events.system import ClockTicked
from domain.instruments import OptionContract, Right, Strategy
from tests.domain.analytics.build import DAY, OPEN, Tape, bar, plan, recorded
from tests.domain.analytics.day_build import market, start
from tests.domain.analytics.stage_runs import chain_tape, consumer, metric, reports, run


@cache
def quiet_and_ticking() -> tuple[Tape, Tape]:
    """Two minutes of the same market without ticks, and with one each second, at its middle."""
    quiet, ticking = Tape(), Tape()
    start(quiet)
    market(quiet, 2)
    second = 1
    for event in quiet.events:
        at = OPEN + timedelta(seconds=second - 0.5)
        while event.market_time > at:
            ticking.events.append(recorded(ClockTicked("signals"), at, event.position))
            second, at = second + 1, at + timedelta(seconds=1)
        ticking.events.append(event)
    return quiet, ticking


def chains_of_today(tape: Tape) -> list[ChainEvaluated]:
    return [
        e.body
        for e in run(tape.events)
        if isinstance(e.body, ChainEvaluated)
        if e.body.expiry == DAY
    ]


def test_chain_of_today_at_a_bar_is_that_of_a_whole_refresh() -> None:
    """Number for number: with ticks, where the bar evaluates one expiry alone, and without."""
    without, with_ticks = (chains_of_today(tape) for tape in quiet_and_ticking())
    assert len(without) == 72
    assert with_ticks == without


def test_bar_after_a_tick_leaves_the_whole_chain_as_the_tick_found_it() -> None:
    """Exposures are as of the tick, the traded expiry as of the bar, and neither is stale."""
    emitted = run(quiet_and_ticking()[1].events)
    last = reports(emitted)[-1]
    assert metric(last, "gex_total").as_of == last.evaluated_at - timedelta(seconds=1.5)
    assert metric(last, "rr25").as_of == last.evaluated_at - timedelta(seconds=1.5)
    assert metric(last, "atm_iv_0dte").as_of == last.evaluated_at
    assert metric(last, "gex_total").quality is metric(last, "atm_iv_0dte").quality is Quality.OK


def test_life_of_todays_options_is_that_of_a_close_that_was_brought_forward() -> None:
    """The same table of contracts, evaluated once more after the exchange's notice."""
    tape = chain_tape((4.5, plan(half=True)))
    chain = chains_of_today(tape)[-1]
    assert chain.years * 365 * 86_400 == pytest.approx(3.5 * 3_600 - 5)
    sooner = chain_tape()
    sooner.add(plan(half=True), OPEN + timedelta(seconds=6))
    sooner.add(bar("SPY", OPEN + timedelta(seconds=5), 660.0), OPEN + timedelta(seconds=10))
    before, after = chains_of_today(sooner)
    assert before.years * 365 * 86_400 == pytest.approx(6.5 * 3_600 - 5)
    assert after.years * 365 * 86_400 == pytest.approx(3.5 * 3_600 - 10)


def test_refresh_falls_on_no_bar_and_comes_once_for_each() -> None:
    """With a tick each second every bar but the first finds its refresh made."""
    worker = consumer()
    moments = []
    for event in quiet_and_ticking()[1].events:
        run([event], worker)
        refreshed = worker.states[0].symbols["SPY"].chain.refreshed
        if refreshed is not None and (not moments or refreshed != moments[-1]):
            moments.append(refreshed)
    first, *later = [(moment - OPEN).total_seconds() for moment in moments]
    assert first == 5.0
    assert later == [8.5 + 5 * k for k in range(len(later))]
    assert len(later) == 23


def test_swing_chain_and_lines_come_with_the_refresh_of_a_tick() -> None:
    """What no bar of its own evaluates is published when the whole chain is."""
    emitted = run(quiet_and_ticking()[1].events)
    swing = [e for e in emitted if isinstance(e.body, ChainEvaluated) and e.body.expiry != DAY]
    assert {(e.market_time - OPEN).total_seconds() % 5 for e in swing[3:]} == {3.5}
    assert any(isinstance(e.body, LinesWanted) for e in emitted)
    assert sum(isinstance(e.body, MetricComputed) for e in emitted) == 72


def test_swing_chain_comes_with_every_refresh_while_a_leg_of_it_is_on_a_line() -> None:
    """Every fifth second of the symbol whose leg is quoted, every fifteenth of the others."""
    events = quiet_and_ticking()[1].events
    bodies = [e.body for e in run(events) if isinstance(e.body, ChainEvaluated)]
    usual = next(b for b in bodies if b.symbol == "SPY" and b.expiry != DAY)
    leg = OptionContract(
        con_id=usual.con_id[0], symbol="SPY", expiry=usual.expiry,
        strike=Decimal(str(usual.strike[0])), right=Right(usual.right[0]),
    )  # fmt: skip
    at = OPEN + timedelta(seconds=60)
    before = [event for event in events if event.market_time <= at]
    line = recorded(LineOpened(contract=leg), at, before[-1].position)
    emitted = run([*before, line, *events[len(before) :]])
    swing = [
        (e.body.symbol, e.market_time)
        for e in emitted
        if isinstance(e.body, ChainEvaluated) and e.body.expiry != DAY and e.market_time > at
    ]
    moments = {symbol: [t for s, t in swing if s == symbol] for symbol in ("SPY", "QQQ")}
    assert len(moments["SPY"]) == 12 and len(moments["QQQ"]) == 4
    gaps = zip(moments["SPY"], moments["SPY"][1:], strict=False)
    assert {(b - a).total_seconds() for a, b in gaps} == {5.0}


def test_chain_of_an_expiry_that_is_held_is_published_though_nobody_enters_it() -> None:
    """Another one has become the nearest to 35 days: every fifteen seconds, the leg's strike with
    it though it is far away, and marked as no chain to enter."""
    expiry = DAY + timedelta(days=24)
    leg = OptionContract(
        con_id=987_654, symbol="SPY", expiry=expiry, strike=Decimal(590), right=Right.PUT
    )
    events = quiet_and_ticking()[1].events
    at = OPEN + timedelta(seconds=60)
    before = [event for event in events if event.market_time <= at]
    line = recorded(LineOpened(contract=leg), at, before[-1].position)
    usual = [e for e in run(events) if isinstance(e.body, ChainEvaluated)]
    emitted = run([*before, line, *events[len(before) :]])
    chains = [e for e in emitted if isinstance(e.body, ChainEvaluated)]
    held = [e for e in chains if e.body.expiry == expiry]
    assert all(e.body.is_traded for e in usual) and expiry not in {e.body.expiry for e in usual}
    assert [e.body for e in chains if e.body.is_traded] == [e.body for e in usual]
    assert {(e.body.symbol, e.body.is_traded, e.body.quality) for e in held} == {
        ("SPY", False, Quality.OK)
    }
    moments = [e.market_time for e in held]
    assert {(b - a).total_seconds() for a, b in itertools.pairwise(moments)} == {15.0}
    assert len(held) == 4 and all(leg.con_id in e.body.con_id for e in held)


def test_an_expiry_that_is_passed_over_gives_its_place_to_the_next_nearest_for_the_day() -> None:
    """Chain and metrics of the swing are those of the other one from the next refresh on."""
    events = quiet_and_ticking()[1].events
    usual = [e.body for e in run(events) if isinstance(e.body, ChainEvaluated)]
    first = {b.symbol: b.expiry for b in usual if b.expiry != DAY}
    told = ExpiryPassedOver(
        strategy=Strategy.FOURTEEN_DTE,
        symbol="SPY",
        signal_id="s",
        expiry=first["SPY"],
        reason="thin",
    )
    at = OPEN + timedelta(seconds=60)
    before = [event for event in events if event.market_time <= at]
    passed = recorded(told, at, before[-1].position)
    emitted = run([*before, passed, *events[len(before) :]])
    swing: dict[str, set[date]] = {"SPY": set(), "QQQ": set()}
    for event in emitted:
        late = event.market_time > at + timedelta(seconds=5)
        if late and isinstance(event.body, ChainEvaluated) and event.body.expiry != DAY:
            swing.setdefault(event.body.symbol, set()).add(event.body.expiry)
    assert len(swing["SPY"]) == 1 and first["SPY"] not in swing["SPY"]
    assert swing["QQQ"] == {first["QQQ"]}, "of other symbols it stays"
    assert metric(reports(emitted)[-1], "atm_iv_14d").quality is Quality.OK
