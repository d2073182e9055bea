"""The closing auction through the stage: samples at ticks, scores over sessions, learned impact."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from domain.analytics.auction import NOTHING_USUAL, AuctionRun, Usual, usual_of
from domain.analytics.auction_sessions import AuctionSessions, ImpactScale, bucket_of
from domain.analytics.closing_auction import auction_now
from domain.analytics.daily import DailyBar
from domain.analytics.ewma import EwMoments
from domain.analytics.ingest import read_history
from domain.analytics.stage import AnalyticsStage
from domain.analytics.state import AnalyticsState
from domain.events.analytics import MetricComputed, Quality
from domain.events.sessions import AuctionSessionClosed
from domain.events.system import ClockTicked
from tests.domain.analytics.build import DAY, Tape, bar, book_ticks, parameters, session, ticks
from tests.domain.analytics.day_build import history_events, imported
from tests.domain.analytics.stage_runs import metric

CLOSE = session().close_at


def before(seconds: float) -> datetime:
    return CLOSE - timedelta(seconds=seconds)


def run_with(values: dict[int, float]) -> AuctionRun:
    return AuctionRun(by_bucket=values)


def test_stretches_of_ten_seconds_end_at_the_close() -> None:
    assert [bucket_of(s) for s in (600.0, 599.9, 590.1, 590.0, 10.0, 0.1)] == [
        59,
        59,
        59,
        58,
        0,
        0,
    ]
    assert bucket_of(0.0) == -1 and bucket_of(-9.9) == -1 and bucket_of(-10.0) == -2


def test_imbalance_is_scored_against_the_same_seconds_of_twenty_sessions() -> None:
    """By hand: EW mean and variance over sessions with half-life 20, before the new value."""
    sessions = AuctionSessions()
    values = [0.001 * ((k * 7) % 5 - 2) for k in range(20)]
    alpha, mean, variance = 1 - 2 ** (-1 / 20), values[0], 0.0
    for value in values[1:]:
        difference = value - mean
        variance = (1 - alpha) * (variance + alpha * difference**2)
        mean += alpha * difference
    for k, value in enumerate(values):
        assert sessions.score(0.002, 595.0) is None, f"after {k} sessions"
        sessions.absorb(run_with({59: value}))
    assert sessions.score(0.002, 595.0) == pytest.approx((0.002 - mean) / math.sqrt(variance))
    assert sessions.score(0.002, 585.0) is None, "other seconds have seen nothing"
    assert sessions.score(1.0, 595.0) == 4.0
    sessions.absorb(run_with({}))
    assert sessions.sessions == 20, "a session without an imbalance is none"


def test_learned_impact_starts_at_the_parameter_and_follows_realised_moves() -> None:
    scale = ImpactScale()
    assert scale.value(0.5) == 0.5
    decay = 2 ** (-1 / 20)
    scale.add(30.0, 20.0, 0.5)
    assert scale.value(0.5) == pytest.approx((10.0 * decay + 30.0) / (20.0 * decay + 20.0))
    for _ in range(19):
        scale.add(20.0, 20.0, 0.5)
    weights = [decay**age for age in range(21)]
    expected = sum(weights[:19]) * 20 + weights[19] * 30 + weights[20] * 10
    assert scale.value(0.5) == pytest.approx(expected / (20 * sum(weights)))
    for _ in range(400):
        scale.add(-5.0, 20.0, 0.5)
    assert scale.value(0.5) == 0.0, "it may fall to 0, which stops the strategy"
    for _ in range(400):
        scale.add(500.0, 20.0, 0.5)
    assert scale.value(0.5) == 1.5


def closing_tape(q: float = 40_000.0) -> Tape:
    """IWM's own auction carries half of it, and one member the rest."""
    tape = Tape()
    at = before(800)
    tape.add(parameters(), at)
    tape.add(session().plan, at)
    for body in history_events():
        tape.add(body, at)
    tape.add(bar("IWM", before(700), 245.0), before(695))
    tape.add(book_ticks("IWM", before(601), 245.0), before(601))
    for k in range(40):
        now = before(600 - k / 4)
        tape.add(ticks("IWM", now, [(36, -1.0, q), (34, -1.0, q), (35, 245.1, 0.0)]), now)
    tape.add(bar("IWM", before(595), 245.0), before(590))
    tape.add(bar("IWM", before(5), 245.49), before(0))
    tape.add(ClockTicked(worker="signals"), before(-60))
    tape.add(ClockTicked(worker="signals"), before(-61))
    return tape


def played(tape: Tape) -> tuple[AnalyticsState, list[Any]]:
    stage = AnalyticsStage()
    state, told = stage.initial(), []
    for event in tape.events:
        state = stage.evolve(state, event)
        told.extend(emission.body for emission in stage.react(state, event))
    return state, told


def test_auction_ticks_sample_at_most_once_a_second() -> None:
    state, told = played(closing_tape())
    run = state.symbols["IWM"].auction
    assert run.samples == 11, "ten at ticks within ten seconds, and the bar after them"
    assert run.held_seconds == pytest.approx(10.0, abs=1.01)
    assert run.first_at == before(600) and list(run.by_bucket) == [59, 58]
    report = [b for b in told if isinstance(b, MetricComputed)][1]
    adv = 60_000_000.0
    assert metric(report, "auction_imb_adv").value == pytest.approx(40_000 / adv)
    assert metric(report, "auction_imb_notional").value == pytest.approx(40_000 * 245.005)
    assert metric(report, "auction_d_imb").value == 0.0
    assert metric(report, "auction_z").quality is Quality.WARMUP_MODEL


def test_a_minute_after_the_close_the_session_is_told_once() -> None:
    state, told = played(closing_tape())
    closed = [b for b in told if isinstance(b, AuctionSessionClosed)]
    assert [b.symbol for b in closed] == ["IWM"]
    found = closed[0]
    q = 40_000 / 60_000_000
    assert found.session_date == DAY and found.published_at == before(600)
    assert found.first_q == pytest.approx(q) and found.close == 245.49
    assert found.moved_bps == pytest.approx(1e4 * (245.49 / 245.005 - 1))
    past = state.symbols["IWM"].past
    assert past is not None and past.forecast is not None
    unit = 1e4 * math.sqrt(past.forecast.rv_hat) * math.sqrt(q)
    assert found.unit_move_bps == pytest.approx(unit)
    decay = 2 ** (-1 / 20)
    expected = (0.5 * decay + found.moved_bps / unit) / (decay + 1)
    assert found.impact_scale == pytest.approx(min(1.5, expected))
    assert found.seconds_before_close == (600, 590) and found.q == (found.first_q,) * 2
    assert found.sessions == 1


def test_a_move_against_a_selling_imbalance_counts_negative() -> None:
    _, told = played(closing_tape(q=-40_000.0))
    found = next(b for b in told if isinstance(b, AuctionSessionClosed))
    assert found.moved_bps is not None and found.moved_bps < 0 and found.impact_scale < 0.5


def test_scored_by_earlier_sessions_once_there_are_twenty() -> None:
    stage = AnalyticsStage()
    state = stage.initial()
    moments = EwMoments(20.0, 20.0)
    for k in range(20):
        moments.update(0.0005 * (k % 3 - 1), 1.0)
    state.symbols["IWM"].auctions.buckets[58] = moments
    q = 40_000 / 60_000_000
    expected = moments.score(q)
    reports: list[MetricComputed] = []
    for event in closing_tape().events:
        state = stage.evolve(state, event)
        told = stage.react(state, event)
        reports += [e.body for e in told if isinstance(e.body, MetricComputed)]
    at_bar = metric(reports[1], "auction_z")
    assert at_bar.quality is Quality.OK
    assert at_bar.value == pytest.approx(expected)


def test_regulatory_imbalance_is_no_sample() -> None:
    tape = closing_tape()
    now = before(300)
    tape.events = tape.events[:-45]
    tape.add(ticks("IWM", now, [(61, -1.0, 5_000.0)]), now)
    state, _ = played(tape)
    assert state.symbols["IWM"].auction.samples == 0


def test_regulatory_imbalance_makes_no_old_imbalance_fresh() -> None:
    tape = closing_tape()
    told = played(tape)[0].auction_ticks["IWM"].at
    later = before(100)
    tape.add(ticks("IWM", later, [(61, -1.0, 5_000.0)]), later)
    state, _ = played(tape)
    assert state.auction_ticks["IWM"].at == told < later.timestamp()


def test_a_member_without_a_price_counts_against_the_share_that_is_known() -> None:
    """IWM alone is 2/3 of its basket's weight with one member of the same dollar volume, 1/2 with
    two: below 60 % there is no imbalance."""
    for members, known in ((1, True), (2, False)):
        tape = closing_tape()
        tape.events = tape.events[:-4]
        at = before(600)
        for k in range(members):
            rows = [["2026-10-02", 245.0, 246.0, 244.0, 245.0, 60_000_000.0, 245.0, 1]]
            tape.add(imported("ib", "ib.bars.1day", f"M{k}", DAY, rows), at)
        state, _ = played(tape)
        for k in range(members):
            state.member_venues[f"M{k}"] = "NYSE"
        read_history(state)
        found = auction_now(state, state.symbols["IWM"], before(591).timestamp())
        assert (found.q is not None) is known, members


def test_a_member_usually_trades_what_its_last_full_sessions_did_and_weighs_its_last_close() -> (
    None
):
    days = [date(2026, 9, day) for day in range(1, 25)]
    bars = {day: DailyBar(day, 1.0, 1.0, 1.0, 10.0 + day.day, 1e6 * day.day) for day in days}
    assert usual_of(bars, days[22], {days[21]}) == Usual(1e6 * sum(range(2, 22)) / 20, 32.0)
    assert usual_of(bars, days[0], ()) == NOTHING_USUAL


def test_daily_bars_that_come_late_weigh_from_the_next_bar_on() -> None:
    tape = closing_tape()
    rows = [["2026-10-02", 245.0, 246.0, 244.0, 245.0, 60_000_000.0, 245.0, 1]]
    tape.events = tape.events[:-4]
    tape.add(imported("ib", "ib.bars.1day", "M0", DAY, rows), before(585))
    assert "M0" not in played(tape)[0].usual
    tape.add(bar("IWM", before(585), 245.0), before(580))
    assert played(tape)[0].usual["M0"] == Usual(60_000_000.0, 245.0)
