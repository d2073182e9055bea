"""The stage: what it emits, that it is a function of its events, warm-up, staleness, edge cases."""

from __future__ import annotations

import math
from collections import Counter
from datetime import date, timedelta

import pytest
from msgspec.structs import replace

from domain.analytics.catalogue import METRICS
from domain.analytics.stage import AnalyticsStage
from domain.event import Recorded, body_class, decode_body, encode_body
from domain.events.analytics import ChainEvaluated, Quality
from domain.events.feeds import IbBarReceived, LinesWanted
from domain.events.system import ClockStarted, ClockTicked
from domain.numbers import significant
from tests.domain.analytics.build import (
    DAY,
    OPEN,
    RATE,
    SPOTS,
    Tape,
    bar,
    parameters,
    plan,
    recorded,
)
from tests.domain.analytics.day_build import path, start, started
from tests.domain.analytics.stage_runs import (
    consumer,
    day_emissions,
    day_tape,
    metric,
    reports,
    run,
    value,
)


def test_one_report_a_symbol_and_bar_with_the_chain_before_it() -> None:
    emitted = day_emissions()
    kinds = Counter(e.type for e in emitted)
    assert kinds["MetricComputed"] == 3 * 24
    chains = [e for e in emitted if isinstance(e.body, ChainEvaluated)]
    of_today = [e for e in chains if e.body.expiry == DAY]  # type: ignore[union-attr]
    assert len(of_today) == 3 * 24
    pairs = [e for e in emitted if e in of_today or e.type == "MetricComputed"]
    for chain, report in zip(pairs[::2], pairs[1::2], strict=True):
        assert (chain.type, report.type) == ("ChainEvaluated", "MetricComputed")
        assert chain.input_position == report.input_position
        assert report.stream == f"metrics/{report.body.symbol}"  # type: ignore[union-attr]


def test_report_has_exactly_the_catalogue_with_units_and_reasons() -> None:
    every = [m for m in METRICS if m.module != "auction"]
    specs = {m.name: m.unit for m in every}
    for report in reports(list(day_emissions())):
        ends_minute = metric(report, "last_close").as_of.second == 0
        expected = {m.name for m in every if ends_minute or m.reported == "bar"}
        assert sorted(m.name for m in report.metrics) == sorted(expected)
        for found in report.metrics:
            assert found.unit == specs[found.name]
            if found.value is None:
                assert found.quality is not Quality.OK and found.reason, found
            elif isinstance(found.value, float):
                assert math.isfinite(found.value) and found.value == significant(found.value)


def test_evolving_alone_gives_the_state_of_live_work() -> None:
    tape = day_tape()
    cut = len(tape.events) - 400
    live = consumer()
    run(tape.events[:cut], live)
    folded = consumer()
    for event in tape.events[:cut]:
        folded.fold(event, [])
    assert run(tape.events[cut:], folded) == run(tape.events[cut:], live)


def test_reacting_twice_says_the_same_and_changes_nothing() -> None:
    stage = AnalyticsStage()
    state = stage.initial()
    tape = day_tape()
    asked = 0
    for event in tape.events:
        state = stage.evolve(state, event)
        first = stage.react(state, event)
        if first:
            asked += 1
            assert stage.react(state, event) == first
    assert asked > 60


def test_recorded_emissions_verify_without_difference() -> None:
    tape = day_tape()
    by_input: dict[int, list[Recorded]] = {}
    for emitted in day_emissions():
        assert emitted.input_position is not None
        stored = decode_body(emitted.type, emitted.schema, encode_body(emitted.body))
        own = replace(emitted, body=stored)
        by_input.setdefault(emitted.input_position, []).append(own)
    checker = consumer()
    for event in tape.events:
        assert checker.verify(event, by_input.get(event.position, [])) == []


def test_events_survive_the_log_bit_for_bit() -> None:
    for emitted in day_emissions()[-3:]:
        again = decode_body(emitted.type, 1, encode_body(emitted.body))
        assert again == emitted.body
    assert body_class("ChainEvaluated") is ChainEvaluated


def test_inputs_read_back_from_the_log_give_the_same_emissions() -> None:
    stored = [
        replace(event, body=decode_body(event.type, event.schema, encode_body(event.body)))
        for event in day_tape().events
    ]
    assert tuple(run(stored)) == day_emissions()


def test_chain_columns_fit_together_and_agree_with_the_quotes() -> None:
    chain = [
        e.body
        for e in day_emissions()
        if isinstance(e.body, ChainEvaluated) and e.body.symbol == "SPY" and e.body.expiry == DAY
    ][-1]
    count = len(chain.con_id)
    columns = [
        getattr(chain, name)
        for name in chain.__struct_fields__
        if isinstance(getattr(chain, name), list)
    ]
    assert count > 10 and all(len(column) == count for column in columns)
    assert len(chain.right) == count and chain.right[:4] == "CPCP"
    assert chain.strike == sorted(chain.strike)
    assert chain.expiry == DAY and chain.quality is Quality.OK
    assert all(abs(strike / chain.spot - 1) <= 0.03 for strike in chain.strike)
    near = [k for k, strike in enumerate(chain.strike) if abs(strike - chain.spot) <= 4]
    for k in near:
        bid, ask, delta = chain.bid[k], chain.ask[k], chain.delta[k]
        assert chain.from_line[k] and chain.usable[k] and chain.own_volatility[k]
        assert bid is not None and ask is not None and bid < ask
        assert chain.quote_age_seconds[k] is not None
        assert delta is not None and (delta > 0) == (chain.right[k] == "C")
        assert chain.implied_volatility[k] == pytest.approx(0.16, abs=0.03)
    assert chain.rate == RATE
    assert all(interest is not None and interest >= 50 for interest in chain.open_interest)


def test_lines_are_wanted_for_the_strikes_nearest_the_spot() -> None:
    wanted = [e.body for e in day_emissions() if isinstance(e.body, LinesWanted)]
    last = wanted[-1]
    assert last.requester == "analytics"
    contracts = [line.contract for line in last.lines]
    assert Counter(c.symbol for c in contracts) == dict.fromkeys(SPOTS, 16)
    assert all(c.expiry == DAY for c in contracts)
    strikes = sorted({float(c.strike) for c in contracts if c.symbol == "SPY"})
    assert min(strikes) <= 660 <= max(strikes) and max(strikes) - min(strikes) == 14
    assert len(wanted) <= 6


def test_market_values_are_those_of_the_feeds() -> None:
    report = reports(list(day_emissions()))[-1]
    close = path("SPY", 24)[-1]
    assert value(report, "last_close") == significant(close)
    assert value(report, "minute_close") == significant(close)
    assert value(report, "spot_mid") == pytest.approx(close, abs=0.011)
    assert value(report, "spot_ask") > value(report, "spot_bid")
    assert value(report, "quote_age_s") == 1.0
    assert value(report, "rho") == pytest.approx(1 - 0.154 * 2 / 30)
    assert value(report, "gex_total") > 0
    norm = value(report, "gex_total") / (60_000_000 * value(report, "spot_mid"))
    assert value(report, "gex_norm") == pytest.approx(norm, rel=1e-9)
    assert value(report, "forward_ok_0dte") == 1.0
    assert value(report, "atm_iv_30d") == pytest.approx(0.16, abs=0.003)
    slope = value(report, "atm_iv_9d") / value(report, "atm_iv_30d") - 1
    assert value(report, "term_slope") == pytest.approx(slope)
    assert value(report, "calendar_today") == "DATA_1000"
    assert value(report, "vrp_0dte") == pytest.approx(math.sqrt(value(report, "vr_0dte")))


def test_peers_are_the_mean_of_the_other_two() -> None:
    last = {s: reports(list(day_emissions()), s)[-1] for s in SPOTS}
    clipped = {s: max(-1.0, min(1.0, value(r, "noise_x") / 1.5)) for s, r in last.items()}
    # IWM reports last, when both others have closed the same minute.
    expected = (clipped["SPY"] + clipped["QQQ"]) / 2
    assert value(last["IWM"], "peers_x") == pytest.approx(expected)


def test_warm_up_of_the_first_minutes() -> None:
    report = reports(list(day_emissions()))[-1]
    for name in ("vwap", "sigma_1m", "atr_1m", "rv_today", "or_break", "ofi_5m_z", "fi_s"):
        assert metric(report, name).quality is Quality.WARMUP, name
    for name in ("sweep_z", "skew_chg_z", "tide_slope"):
        assert (metric(report, name).value, metric(report, name).quality) == (None, Quality.WARMUP)
    for name in ("noise_x", "rv_hat_day", "beta", "gex_regime"):
        assert metric(report, name).quality is Quality.OK, name
    imported = metric(report, "tide_5d_z")
    assert (imported.quality, imported.reason) == (Quality.WARMUP_MODEL, "IMPORTED")
    seeded = metric(report, "iv_rank")
    assert (seeded.quality, seeded.reason) == (Quality.WARMUP_MODEL, "VENDOR_SEED")


def bars_only(tape: Tape, minutes: int, first: int = 0) -> None:
    closes = path("SPY", (first + minutes) * 12)
    for k in range(first * 12, (first + minutes) * 12):
        begin = OPEN + timedelta(seconds=5 * k)
        tape.add(bar("SPY", begin, closes[k]), begin + timedelta(seconds=5))


def test_measures_of_minutes_are_warm_after_half_an_hour() -> None:
    tape = Tape()
    start(tape)
    bars_only(tape, 31)
    found = reports(run(tape.events))
    assert metric(found[60 - 1], "vwap").quality is Quality.OK
    early, late = found[29 * 12 - 1], found[31 * 12 - 1]
    for name in ("rv_today", "sigma_1m", "ewma_vol_1m", "atr_1m", "or_high", "or_break"):
        assert metric(early, name).quality is Quality.WARMUP, name
        assert metric(late, name).quality is Quality.OK, name
    assert metric(late, "vrp_0dte").value is None
    assert metric(late, "spot_mid").quality is Quality.MISSING


def test_without_history_the_day_still_reports_and_names_what_is_missing() -> None:
    tape = Tape()
    start(tape, history=False)
    bars_only(tape, 1)
    report = reports(run(tape.events))[-1]
    expected = {
        "prev_close": "NO_HISTORY",
        "rv_hat_day": "NO_FORECAST",
        "noise_x": "NO_PREVIOUS_CLOSE",
        "iv_rank": "NO_SEED",
    }
    for name, reason in expected.items():
        assert (metric(report, name).value, metric(report, name).reason) == (None, reason)
    calendar = metric(report, "calendar_state")
    assert (calendar.value, calendar.reason) == ("BLACKOUT", "DATA_0830,CALENDAR_MISSING")


def test_nothing_is_evaluated_before_parameters_are_on_the_log() -> None:
    tape = Tape()
    tape.add(plan(), OPEN - timedelta(hours=1))
    bars_only(tape, 1)
    assert run(tape.events) == []


def test_parameters_take_effect_at_the_next_evaluation() -> None:
    tape = Tape()
    start(tape)
    bars_only(tape, 1)
    tape.add(
        parameters(opening_range_minutes=5.0).model_copy(update={"version": 2}),
        OPEN + timedelta(minutes=1),
    )
    bars_only(tape, 6, first=1)
    found = reports(run(tape.events))
    assert (found[11].params_version, found[12].params_version) == (1, 2)
    assert metric(found[-1], "or_high").quality is Quality.OK


def test_old_bar_is_ignored_with_an_event_and_changes_nothing() -> None:
    tape = Tape()
    start(tape)
    bars_only(tape, 1)
    worker = consumer()
    run(tape.events, worker)
    at = OPEN + timedelta(seconds=61)
    vwap = worker.states[0].symbols["SPY"].bars.vwap.volume
    again = worker.step(recorded(bar("SPY", OPEN + timedelta(seconds=30), 700.0), at, 90_000))
    assert [e.type for e in again] == ["BarIgnored"]
    assert worker.states[0].symbols["SPY"].bars.vwap.volume == vwap
    assert worker.states[0].symbols["SPY"].bars.close != 700.0


def test_bars_that_come_twice_late_or_of_yesterday_change_no_report() -> None:
    """Each is told as ignored; those of another session say nothing of this one."""
    clean, disturbed = Tape(), Tape()
    for tape in (clean, disturbed):
        start(tape)
        bars_only(tape, 2)
    prefix = len(started())
    events: list[Recorded] = list(disturbed.events[:prefix])
    for event in disturbed.events[prefix:]:
        body = event.body
        assert isinstance(body, IbBarReceived)
        earlier = replace(body, start=body.start - timedelta(days=1), close=1.0)
        late = replace(body, start=body.start - timedelta(seconds=5), high=9_999.0)
        events += [
            event,
            recorded(body, event.market_time, 50_000 + 4 * event.position),
            recorded(late, event.market_time, 50_001 + 4 * event.position),
            recorded(earlier, event.market_time, 50_002 + 4 * event.position),
        ]
    told = run(events)
    assert reports(told) == reports(run(clean.events))
    assert Counter(e.type for e in told)["BarIgnored"] >= 3 * (len(events) - prefix) // 4 - 3


def test_thinned_stretch_reports_once_a_minute_without_the_chain() -> None:
    tape = Tape()
    start(tape)
    tape.add(ClockStarted(base_market_time=OPEN, speed=600.0, session_date=DAY, thinned=True), OPEN)
    bars_only(tape, 3)
    emitted = run(tape.events)
    assert Counter(e.type for e in emitted if e.type != "LinesWanted") == {"MetricComputed": 3}
    assert value(reports(emitted)[-1], "minute_close") == significant(path("SPY", 36)[-1])


def test_thinned_and_full_stretches_agree_on_what_bars_say() -> None:
    full, thin = Tape(), Tape()
    start(full)
    start(thin)
    thin.add(ClockStarted(base_market_time=OPEN, speed=600.0, session_date=DAY, thinned=True), OPEN)
    bars_only(full, 31)
    bars_only(thin, 31)
    names = ("vwap", "rv_today", "sigma_1m", "atr_1m", "or_high", "noise_x", "v_rem")
    last = [reports(run(tape.events))[-1] for tape in (full, thin)]
    for name in names:
        assert value(last[0], name) == value(last[1], name), name


def test_stopped_bars_are_reported_stale_once() -> None:
    tape = Tape()
    start(tape)
    bars_only(tape, 1)
    for second in range(61, 100):
        tape.add(ClockTicked("signals"), OPEN + timedelta(seconds=second))
    found = reports(run(tape.events))
    assert len(found) == 13
    assert metric(found[-1], "last_close").quality is Quality.STALE
    assert value(found[-1], "bar_age_s") == 13.0


def test_bars_outside_the_session_are_not_evaluated() -> None:
    tape = Tape()
    start(tape)
    early = OPEN - timedelta(minutes=5)
    tape.add(bar("SPY", early, 660.0), early + timedelta(seconds=5))
    late = plan().day.close_at + timedelta(minutes=15)
    tape.add(bar("SPY", late, 660.0), late + timedelta(seconds=5))
    assert run(tape.events) == []


def test_new_session_starts_anew_and_keeps_listed_contracts() -> None:
    worker = consumer()
    run(day_tape().events, worker)
    before = worker.states[0].symbols["SPY"]
    known = before.chain.table.count
    following = date(2026, 10, 7)
    morning = OPEN + timedelta(hours=22)
    worker.step(recorded(plan(following), morning, 100_000))
    after = worker.states[0].symbols["SPY"]
    assert after.bars.close is None and after.bars.vwap.price is None
    assert after.flow.ncp == 0.0 and after.minutes.squares.count > 0
    assert 0 < after.chain.table.count < known
    first = worker.step(
        recorded(
            bar("SPY", OPEN + timedelta(days=1), 661.0),
            OPEN + timedelta(days=1, seconds=5),
            100_001,
        )
    )
    report = reports(first)[-1]
    assert value(report, "last_close") == 661.0
    assert metric(report, "prev_close").quality is Quality.OK
