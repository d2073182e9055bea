"""What the reports say when quotes are crossed or old, vendors silent or wrong, and time is up."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from domain.events.analytics import ChainEvaluated, MetricComputed, Quality
from tests.domain.analytics.build import (
    EXPIRIES,
    OPEN,
    Tape,
    bar,
    book_ticks,
    news,
    plan,
    snapshot,
    ticks,
    tide,
    trade,
    vendor_gex,
)
from tests.domain.analytics.day_build import start
from tests.domain.analytics.stage_runs import (
    at,
    chain_tape,
    consumer,
    metric,
    reports,
    run,
    value,
)


def quoted(bid: float, ask: float, moment: datetime):  # type: ignore[no-untyped-def]
    return ticks("SPY", moment, [(1, bid, 5), (2, ask, 5)])


def last_report(tape: Tape) -> MetricComputed:
    return reports(run(tape.events))[-1]


def test_crossed_underlying_is_degraded_after_three_seconds() -> None:
    tape = Tape()
    start(tape)
    tape.add(quoted(660.0, 660.02, at(0.5)), at(0.5))
    tape.add(quoted(660.05, 660.02, at(1)), at(1))
    tape.add(quoted(660.06, 660.02, at(4)), at(4))
    tape.add(bar("SPY", OPEN, 660.0), at(5))
    report = last_report(tape)
    assert (metric(report, "spot_bid").quality, metric(report, "spot_bid").reason) == (
        Quality.DEGRADED,
        "LOCKED_OR_CROSSED",
    )
    assert value(report, "spot_mid") == pytest.approx(660.01)
    assert metric(report, "micro_price").value is None


def test_good_mid_of_a_crossed_book_grows_stale_after_two_seconds() -> None:
    tape = Tape()
    start(tape)
    tape.add(quoted(660.0, 660.02, at(2.5)), at(2.5))
    tape.add(quoted(660.05, 660.02, at(4)), at(4))
    tape.add(bar("SPY", OPEN, 660.0), at(5))
    found = metric(last_report(tape), "spot_mid")
    assert (found.quality, found.reason) == (Quality.STALE, "NO_GOOD_QUOTE")


def test_old_quote_is_stale_and_the_chain_falls_back_on_the_bar() -> None:
    tape = Tape()
    start(tape)
    tape.add(book_ticks("SPY", at(1), 660.0), at(1))
    for days in EXPIRIES:
        tape.add(snapshot("SPY", at(4), 660.0, days), at(4))
    tape.add(bar("SPY", OPEN, 660.0), at(5))
    report = last_report(tape)
    assert metric(report, "spot_mid").quality is Quality.STALE
    found = metric(report, "gex_total")
    assert (found.quality, found.reason) == (Quality.DEGRADED, "SPOT_FROM_BAR")
    assert found.value is not None


def test_vendor_gamma_of_the_other_sign_makes_the_regime_neutral() -> None:
    plain = last_report(chain_tape())
    assert value(plain, "gex_regime") == "POS" and value(plain, "gex_total") > 0
    against = last_report(chain_tape((4.0, vendor_gex("SPY", at(4), -1e9))))
    assert value(against, "gex_total") == value(plain, "gex_total")
    regime = metric(against, "gex_regime")
    assert (regime.value, regime.quality, regime.reason) == (
        "NEUTRAL",
        Quality.DEGRADED,
        "VENDOR_SIGN",
    )
    assert value(against, "gex_vendor_ratio") < 0
    agreeing = last_report(
        chain_tape((4.0, vendor_gex("SPY", at(4), 1.1 * value(plain, "gex_total"))))
    )
    assert metric(agreeing, "gex_total").quality is Quality.OK


def test_halted_underlying_makes_quote_metrics_stale() -> None:
    from domain.events.feeds import UwTradingHaltReceived
    from tests.domain.analytics.build import frame_fields

    payload = {"ticker": "SPY", "state": "halted", "reason": "T1", "time": at(4).isoformat()}
    halt = UwTradingHaltReceived(**frame_fields("trading_halts", at(4), payload))
    report = last_report(chain_tape((4.0, halt)))
    for name in ("spot_mid", "spot_bid", "atm_iv_0dte"):
        found = metric(report, name)
        assert (found.quality, found.reason) == (Quality.STALE, "HALTED")


def test_news_puts_its_symbols_on_caution() -> None:
    tape = chain_tape((4.0, news(at(4), "FOMC statement: rate cut")))
    found = metric(last_report(tape), "news_state")
    assert (found.value, found.quality, found.reason) == ("NEWS_CAUTION", Quality.OK, "rates")


def test_silent_flow_is_stale_after_thirty_seconds() -> None:
    tape = Tape()
    start(tape)
    for k in range(8 * 12):
        begin = at(5 * k)
        if k < 84:
            tape.add(trade("SPY", begin, spot=660.0), begin)
        tape.add(bar("SPY", begin, 660.0), begin + timedelta(seconds=5))
    found = reports(run(tape.events))
    assert metric(found[83], "fi_s").quality is Quality.WARMUP
    assert metric(found[-1], "fi_s").quality is Quality.STALE
    assert value(found[-1], "ncp") == 84 * 2_000.0


def test_tide_is_the_same_for_all_symbols_and_sums_increments() -> None:
    tape = chain_tape((1.0, tide(at(1), 500.0, 200.0)), (3.0, tide(at(3), -100.0, 50.0)))
    found = metric(last_report(tape), "tide")
    assert (found.value, found.quality) == (150.0, Quality.OK)


def test_unreadable_vendor_payload_is_counted_and_harms_nothing() -> None:
    broken = trade("SPY", at(4), executed_at="never")
    odd = tide(at(4), 1.0, 1.0)
    odd = msgspec.structs.replace(odd, payload=msgspec.Raw(b'{"net_call_premium":[]}'))
    deep = msgspec.structs.replace(broken, payload=msgspec.Raw(b"[" * 2_000 + b"]" * 2_000))
    worker = consumer()
    emitted = run(chain_tape((4.0, broken), (4.0, odd), (4.0, deep)).events, worker)
    assert worker.states[0].unreadable == 3
    assert value(reports(emitted)[-1], "gex_total") is not None


def test_greeks_of_the_last_minute_are_floored_and_expired_ones_are_null() -> None:
    close = plan().day.close_at
    for seconds, quality in ((-30, None), (300, Quality.EXPIRED)):
        tape = Tape()
        start(tape)
        begin = close + timedelta(seconds=seconds - 5)
        now = begin + timedelta(seconds=5)
        tape.add(book_ticks("SPY", now, 660.0), now)
        tape.add(snapshot("SPY", now, 660.0, 10), now)
        tape.add(bar("SPY", begin, 660.0), now)
        emitted = run(tape.events)
        chain = next(e.body for e in emitted if isinstance(e.body, ChainEvaluated))
        if quality is None:
            assert chain.years == pytest.approx(30 / (365 * 86_400))
            assert chain.time_floored
        else:
            assert (chain.quality, chain.years < 0) == (quality, True)
            assert not chain.time_floored
            assert metric(reports(emitted)[-1], "atm_iv_0dte").quality is Quality.EXPIRED
            assert value(reports(emitted)[-1], "v_rem") == 0.0
