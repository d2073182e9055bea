"""The vendor's gamma stands in while ours is missing, marked, and is never mixed with ours."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from domain.events.analytics import Metric, MetricComputed, Quality
from domain.events.feeds import UwRestReceived
from tests.domain.analytics.build import (
    EXPIRIES,
    Tape,
    bar,
    book_ticks,
    raw,
    snapshot,
    vendor_gex,
)
from tests.domain.analytics.day_build import start
from tests.domain.analytics.stage_runs import at, metric, reports, run

OURS_AND_THEIRS = (
    "gex_total", "gex_norm", "gex_flip", "call_wall", "put_wall", "gex_regime", "flip_side",
)  # fmt: skip
OURS_ALONE = ("gex_0dte", "vanna_exposure", "charm_exposure", "gex_vendor_ratio")


def levels(flip: str | None = "657.5") -> UwRestReceived:
    body = {"call_wall": "670", "put_wall": "645.0", "gamma_magnet": "660", "gamma_flip": flip}
    return replace(
        snapshot("SPY", at(1), 660.0, 0),
        endpoint="/api/stock/{ticker}/gex-levels",
        path="/api/stock/SPY/gex-levels",
        payload=raw({"data": body | {"date": "2026-10-06", "source": "oi"}}),
    )


def beginning(*, history: bool = True, chain: bool = False) -> Tape:
    tape = Tape()
    start(tape, history=history)
    tape.add(book_ticks("SPY", at(1), 660.0), at(1))
    if chain:
        for days in EXPIRIES:
            tape.add(snapshot("SPY", at(1), 660.0, days), at(1))
    return tape


def report_at(tape: Tape, begin: float) -> MetricComputed:
    tape.add(book_ticks("SPY", at(begin + 4), 660.0), at(begin + 4))
    tape.add(bar("SPY", at(begin), 660.0), at(begin + 5))
    return reports(run(tape.events))[-1]


def seen(report: MetricComputed) -> dict[str, Metric]:
    return {name: metric(report, name) for name in (*OURS_AND_THEIRS, *OURS_ALONE)}


def without_interest(tape: Tape) -> Tape:
    """Before the contracts' open interest is known ours is warming up."""
    tape.events = [e for e in tape.events if "uw.option-contracts" not in str(e.body)[:400]]
    return tape


def test_while_ours_is_missing_the_vendors_is_used_and_named() -> None:
    tape = without_interest(beginning(chain=True))
    tape.add(levels(), at(2))
    tape.add(vendor_gex("SPY", at(3), 3.0e9), at(3))
    found = seen(report_at(tape, 0))
    assert [found[name].value for name in ("gex_total", "gex_flip", "call_wall", "put_wall")] == [
        3.0e9, 657.5, 670.0, 645.0,
    ]  # fmt: skip
    # 3e9 over 60 million shares a day at 660.005.
    assert found["gex_norm"].value == pytest.approx(3.0e9 / (60e6 * 660.005))
    assert (found["gex_regime"].value, found["flip_side"].value) == ("POS", "ABOVE")
    for name in OURS_AND_THEIRS:
        assert (found[name].quality, found[name].reason) == (Quality.DEGRADED, "SOURCE_VENDOR")
    for name in OURS_ALONE:
        assert found[name].quality in (Quality.WARMUP, Quality.MISSING), name


def test_ours_is_used_alone_where_it_is_known() -> None:
    """Nothing of the vendor's stands beside ours, not even its flip where our profile has none."""
    ours = seen(report_at(beginning(chain=True), 0))
    tape = beginning(chain=True)
    tape.add(levels(), at(2))
    total = ours["gex_total"].value
    assert isinstance(total, float)
    tape.add(vendor_gex("SPY", at(3), 2.0 * total), at(3))
    both = seen(report_at(tape, 0))
    assert both["gex_vendor_ratio"].value == pytest.approx(2.0)
    for name in OURS_AND_THEIRS:
        assert both[name] == ours[name], name
    assert both["gex_total"].quality is Quality.OK
    assert (both["gex_flip"].value, both["gex_flip"].reason) == (None, "NO_ROOT")


def test_the_vendors_total_without_its_levels_names_no_flip_and_no_wall() -> None:
    tape = without_interest(beginning(chain=True))
    tape.add(vendor_gex("SPY", at(3), -3.0e9), at(3))
    found = seen(report_at(tape, 0))
    assert found["gex_regime"].value == "NEG"
    for name in ("gex_flip", "call_wall", "put_wall", "flip_side"):
        assert found[name].value is None
        assert (found[name].quality, found[name].reason) == (Quality.MISSING, "NO_VENDOR_LEVELS")


@pytest.mark.parametrize(("total", "side"), [(3.0e9, "ABOVE"), (-3.0e9, "BELOW")])
def test_without_a_flip_of_the_vendor_the_sign_gives_the_side(total: float, side: str) -> None:
    tape = without_interest(beginning(chain=True))
    tape.add(levels(flip=None), at(2))
    tape.add(vendor_gex("SPY", at(3), total), at(3))
    found = seen(report_at(tape, 0))
    assert (found["gex_flip"].value, found["flip_side"].value) == (None, side)


def test_an_old_total_of_the_vendor_stands_in_for_nothing() -> None:
    tape = without_interest(beginning(chain=True))
    tape.add(levels(), at(2))
    tape.add(vendor_gex("SPY", at(3), 3.0e9), at(3))
    found = seen(report_at(tape, 120))
    for name in OURS_AND_THEIRS:
        assert (found[name].value, found[name].quality) == (None, Quality.WARMUP), name


def test_without_average_volume_the_vendors_total_has_no_norm_and_no_regime() -> None:
    tape = beginning(history=False, chain=True)
    tape.add(vendor_gex("SPY", at(3), 3.0e9), at(3))
    found = seen(report_at(tape, 0))
    assert found["gex_total"].value == 3.0e9
    assert (found["gex_norm"].value, found["gex_norm"].reason) == (None, "NO_ADV20")
    assert found["gex_regime"].value is None
