"""The benchmarks' own measures: what they call a gap, a median ratio, a goal reached."""

from __future__ import annotations

import pytest

from benchmarks.ground import Figure, Rounds, rounded
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
