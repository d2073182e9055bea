"""The benchmarks' own measures: what they call a gap, a median ratio, a goal reached."""

from __future__ import annotations

import pytest

from adapters.interactive_brokers.sandbox.wire import frame
from adapters.unusual_whales.sandbox.ledger import Written
from benchmarks.feeds import growth, missing
from benchmarks.ground import Figure, Rounds, rounded
from benchmarks.latency import Spans
from benchmarks.latency_desk import bars_in, references_in
from benchmarks.order import Watch


def test_a_gap_and_a_reordering_are_both_counted() -> None:
    watch = Watch()
    for position in (1, 2, 5, 3, 4, 6):
        watch.saw(position)
    assert (watch.gaps, watch.reorderings, watch.last) == (1, 2, 6)


def test_a_version_out_of_turn_is_counted() -> None:
    watch = Watch()
    for stream, version in (("a", 1), ("b", 1), ("a", 3), ("b", 2)):
        watch.saw_version(stream, version)
    assert watch.broken_versions == 1


def test_a_ratio_is_the_median_of_rounds_and_not_the_ratio_of_medians() -> None:
    rounds = Rounds()
    for value, floor in ((1, 2), (10, 10), (30, 20)):
        rounds.note("ours", value)
        rounds.note("floor", floor)
    assert rounds.ratio("ours", "floor") == 1.0
    assert rounds.median("ours") / rounds.median("floor") == 1.0
    rounds.note("ours", 90)
    rounds.note("floor", 10)
    assert rounds.ratio("ours", "floor") == pytest.approx(1.25)


@pytest.mark.parametrize(
    ("value", "limit", "is_met"),
    [(0.7, ">= 0.7", True), (0.69, ">= 0.7", False), (3, "<= 3", True), (None, "<= 3", None)],
)
def test_a_limit_is_reached_from_its_own_side(
    value: float | None, limit: str, is_met: bool | None
) -> None:
    assert Figure("x", value, "x", limit).is_met is is_met


def test_counts_stay_whole_and_measures_keep_four_digits() -> None:
    assert (rounded(5_000_012), rounded(0.123456), rounded(None)) == (5_000_012, 0.1235, None)


def test_hops_of_a_path_add_up_to_it() -> None:
    spans = Spans()
    spans.add(10.0, ("quote", 10.002), ("decision", 10.005), ("order", 10.006))
    spans.add(20.0, ("quote", 20.001), ("decision", 20.002), ("order", 20.004))
    assert spans.total == pytest.approx([6.0, 4.0])
    assert {name: sum(took) for name, took in spans.hops.items()} == pytest.approx(
        {"quote": 3.0, "decision": 4.0, "order": 3.0}
    )


def test_bars_and_orders_are_found_in_the_bytes_of_the_wire() -> None:
    quote = frame(1, 6, 3, 1, 1.25, 10, 1)
    bars = b"".join(frame(50, 3, n, 1_791_295_200, 1.0, 2.0, 0.5, 1.5, 10, 1.2, 3) for n in (7, 8))
    assert list(bars_in(quote + bars)) == [1_791_295_200] * 2
    assert list(bars_in(quote)) == []
    placed = frame(3, 10_001, 756733, "SPY", "P0123456789abcdef-X1.1", "DU1234567")
    assert list(references_in(quote + placed)) == ["P0123456789abcdef-X1.1"]


def test_a_message_that_is_lost_altered_or_out_of_turn_is_missed() -> None:
    def of(*payloads: bytes) -> Written:
        written = Written()
        for payload in payloads:
            written.add(payload)
        return written

    told = of(b"a", b"b", b"c")
    assert missing(told, of(b"a", b"b", b"c")) == 0
    assert missing(told, of(b"a")) == 2
    assert missing(told, of(b"a", b"c", b"b")) == 1
    assert missing(told, of(b"ab", b"", b"c")) == 1


def test_growth_is_of_the_last_third_over_the_first() -> None:
    assert growth([9.0, 1.0, 1.0, 50.0, 0.0, 70.0, 4.0, 4.0, 90.0]) == 3.0
    assert growth([1.0, 2.0]) is None
