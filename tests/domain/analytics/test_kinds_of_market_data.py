"""Which ticks of the broker count: live ones, of a symbol that trades, in their own unit."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from domain.analytics.stage import AnalyticsStage
from domain.events.analytics import Metric, MetricComputed, Quality
from domain.events.feed_health import SizeUnitChecked
from domain.events.feeds import UwTradingHaltReceived
from domain.events.market_facts import HaltEnded, HaltStarted
from domain.stage import Consumer
from tests.domain.analytics.build import OPEN, Tape, bar, book_ticks, contract, frame_fields, ticks
from tests.domain.analytics.day_build import start
from tests.domain.analytics.stage_runs import at


def consumer() -> Consumer[Any]:
    return Consumer("signals", "build-1", [AnalyticsStage()])


def spot_mid(tape: Tape, worker: Consumer[Any]) -> Metric:
    """The newest one that is reported."""
    emitted = [event.body for one in tape.events for event in worker.step(one)]
    report = [b for b in emitted if isinstance(b, MetricComputed) and b.symbol == "SPY"][-1]
    return next(metric for metric in report.metrics if metric.name == "spot_mid")


@pytest.mark.parametrize("kind", [0, 2, 3, 4])
def test_unknown_frozen_and_delayed_data_never_count(kind: int) -> None:
    """Of an underlying and of an option line; delayed tick types count under no type."""
    tape = Tape()
    start(tape)
    option = contract("SPY", 0, 660.0, True)
    line = ticks("SPY", at(3), [(1, 2.0, 5.0), (2, 2.1, 5.0)], option)
    for packet in (book_ticks("SPY", at(3), 660.0), line):
        tape.add(msgspec.structs.replace(packet, market_data_type=kind), at(3))
        delayed = [(tick, 600.0, 5.0) for tick in range(66, 91)]
        tape.add(msgspec.structs.replace(packet, ticks=delayed), at(4))
    tape.add(bar("SPY", OPEN, 660.0), at(5))
    worker = consumer()
    assert spot_mid(tape, worker).value is None
    table = worker.states[0].symbols["SPY"].chain.table
    slot = table.slot_of_con_id(option.con_id)
    assert slot is not None and math.isnan(table.bid[slot]) and math.isnan(table.ask[slot])


def test_a_halt_that_the_broker_tells_makes_a_symbol_stale_until_it_ends() -> None:
    for value, quality in ((1.0, Quality.STALE), (2.0, Quality.STALE), (0.0, Quality.OK)):
        tape = Tape()
        start(tape)
        tape.add(book_ticks("SPY", at(1), 660.0), at(1))
        tape.add(ticks("SPY", at(2), [(49, 1.0, 0.0)]), at(2))
        tape.add(ticks("SPY", at(3), [(49, value, 0.0)]), at(3))
        tape.add(book_ticks("SPY", at(4), 660.0), at(4))
        tape.add(bar("SPY", OPEN, 660.0), at(5))
        assert spot_mid(tape, consumer()).quality is quality


def test_a_halt_begins_with_the_first_that_tells_it_and_ends_with_the_last() -> None:
    """Entries are open again five minutes after the end, by market time."""
    tape = Tape()
    start(tape)
    tape.add(ticks("SPY", at(2), [(49, 0.0, 0.0)]), at(2))
    vendor = {"ticker": "SPY", "state": "halted", "reason": "T1", "time": at(3).isoformat()}
    resumed = vendor | {"state": "trading", "reason": ""}
    halted = UwTradingHaltReceived(**frame_fields("trading_halts", at(3), vendor))
    tape.add(halted, at(3))
    tape.add(ticks("SPY", at(4), [(49, 1.0, 0.0)]), at(4))
    tape.add(UwTradingHaltReceived(**frame_fields("trading_halts", at(5), resumed)), at(5))
    tape.add(ticks("SPY", at(6), [(49, 0.0, 0.0)]), at(6))
    worker = consumer()
    emitted = [one.body for event in tape.events for one in worker.step(event)]
    assert [body for body in emitted if isinstance(body, HaltStarted | HaltEnded)] == [
        HaltStarted(symbol="SPY", source="vendor", at=at(3)),
        HaltEnded(symbol="SPY", at=at(6), entries_from=at(6) + timedelta(minutes=5)),
    ]


def test_sizes_count_what_the_comparison_with_the_book_says() -> None:
    tape = Tape()
    start(tape)
    tape.add(SizeUnitChecked(symbol="SPY", size_multiplier=100, quotes_compared=40), at(1))
    tape.add(book_ticks("SPY", at(2), 660.0, (5, 4)), at(2))
    worker = consumer()
    for event in tape.events:
        worker.step(event)
    book = worker.states[0].symbols["SPY"].book
    assert (book.bid_size, book.ask_size) == (500.0, 400.0)
