"""Features whose inputs are missing or without sense, what they say of themselves, and the parts
of a score that only show when bias and recalibration are not zero."""

from __future__ import annotations

import math

import pytest

from domain.events.analytics import Quality
from domain.signals.bucket import Bucket
from domain.signals.closing import CLOSING
from domain.signals.one_dte import ONE_DTE
from domain.signals.reading import Reading
from domain.signals.score import Measured, rounded
from domain.signals.zero_dte_parameters import WEIGHT_SOURCES
from tests.domain.risk.build import NOON, parameters
from tests.domain.signals.build import TREND, measure, metrics, reading, scored

WALLS: dict[str, float | str | None] = {
    "gex_regime": "POS",
    "put_wall": 597.0,
    "call_wall": 606.0,
    "em_1sd_0dte": 4.0,
}
DAYS: dict[str, float | str | None] = {
    "spot_mid": 606.0,
    "sma20": 600.0,
    "sd20": 0.01,
    "sd5": 0.02,
    "close_5d_ago": 606.0 * math.exp(0.02),
}
"""A rise over the days, and a week against it."""
AUCTION: dict[str, float | str | None] = {
    "auction_persist": 0.5,
    "auction_paired_ratio": 0.8,
    "auction_moved_bps": 2.0,
    "auction_k_bps": 8.0,
}


def feature(
    name: str,
    values: dict[str, float | str | None],
    bucket: Bucket,
    qualities: dict[str, Quality] | None = None,
) -> Measured:
    body = metrics({**TREND, **values}, qualities=qualities)
    found = Reading("SPY", NOON, {metric.name: metric for metric in body.metrics})
    return measure(found, name, bucket=bucket)


def x(name: str, values: dict[str, float | str | None], bucket: Bucket = ONE_DTE) -> float | None:
    return feature(name, values, bucket).x


@pytest.mark.parametrize(
    "change",
    [
        {"gex_regime": None},
        {"spot_mid": None},
        {"em_1sd_0dte": None},
        {"em_1sd_0dte": 0.0},
        {"call_wall": None},
        {"put_wall": None},
    ],
)
def test_the_pull_of_walls_is_missing_without_any_one_of_its_inputs(
    change: dict[str, float | str | None],
) -> None:
    assert measure(reading(**WALLS), "walls").x == pytest.approx(math.exp(-3) - math.exp(-6))
    assert measure(reading(**{**WALLS, **change}), "walls").x is None


@pytest.mark.parametrize(
    ("stale", "quality"),
    [("em_1sd_0dte", "STALE"), ("call_wall", "STALE"), ("gex_regime", "STALE")],
)
def test_a_missing_pull_of_walls_has_the_quality_of_what_it_waits_for(
    stale: str, quality: str
) -> None:
    body = metrics({**TREND, **WALLS}, qualities={stale: Quality.STALE})
    found = Reading("SPY", NOON, {metric.name: metric for metric in body.metrics})
    assert measure(found, "walls").quality == quality


def test_an_expected_move_of_zero_is_what_the_pull_of_walls_waits_for() -> None:
    body = metrics(
        {**TREND, **WALLS, "em_1sd_0dte": 0.0}, qualities={"em_1sd_0dte": Quality.DEGRADED}
    )
    found = Reading("SPY", NOON, {metric.name: metric for metric in body.metrics})
    pull = measure(found, "walls")
    assert (pull.raw, pull.quality) == (0.0, "MISSING")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("walls", {"put_wall": None}),
        ("walls", {"spot_mid": None}),
        ("trend_20d", {"sd20": None}),
        ("trend_20d", {"spot_mid": None}),
        ("pullback", {"sd20": None}),
    ],
)
def test_a_feature_without_one_of_its_inputs_is_missing_in_the_table_whatever_the_others_are(
    name: str, change: dict[str, float | str | None]
) -> None:
    """An OK beside an x of nothing would read as a measured nothing."""
    whole = {**WALLS, **DAYS}
    assert measure(reading(**whole), name).quality == "OK"
    assert measure(reading(**{**whole, **change}), name).quality == "MISSING"


@pytest.mark.parametrize("value", [None, 0.0])
@pytest.mark.parametrize("name", ["sma20", "sd20"])
def test_a_trend_needs_a_mean_and_a_deviation_of_more_than_nothing(
    name: str, value: float | None
) -> None:
    assert x("trend_20d", DAYS) == pytest.approx(0.5)
    assert x("trend_20d", {**DAYS, name: value}) is None
    assert x("trend_20d", {**DAYS, "spot_mid": None}) is None


@pytest.mark.parametrize("name", ["sma20", "spot_mid", "close_5d_ago", "sd5"])
def test_a_pullback_is_missing_without_any_one_of_its_inputs(name: str) -> None:
    assert x("pullback", DAYS) == pytest.approx(0.5)
    assert x("pullback", {**DAYS, name: None}) is None


@pytest.mark.parametrize("name", ["close_5d_ago", "sd5"])
def test_a_pullback_needs_a_close_and_a_deviation_of_more_than_nothing(name: str) -> None:
    assert x("pullback", {**DAYS, name: 0.0}) is None


@pytest.mark.parametrize("stale", ["close_5d_ago", "sd5", "sma20"])
def test_a_missing_pullback_has_the_quality_of_what_it_waits_for(stale: str) -> None:
    found = feature("pullback", DAYS, ONE_DTE, {stale: Quality.STALE})
    assert (found.x, found.quality) == (None, "STALE")


def test_a_week_without_a_trend_to_go_against_is_no_pullback() -> None:
    """At the mean of twenty days the trend is zero, whatever the week did."""
    found = feature("pullback", {**DAYS, "spot_mid": 600.0}, ONE_DTE)
    assert found.x == 0.0 and found.raw == pytest.approx(math.log(600 / 606) - 0.02)


@pytest.mark.parametrize("end", [1.0, -1.0])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("noise", {"noise_x": 9.0}),
        ("flow", {"fi_s": 3.0}),
        ("or_break", {"or_break": 3.0}),
        ("peers", {"peers_x": 1.5}),
    ],
)
def test_a_feature_ends_at_one_on_either_side(
    name: str, value: dict[str, float], end: float
) -> None:
    assert measure(reading(**{k: v * end for k, v in value.items()}), name).x == end


@pytest.mark.parametrize("end", [1.0, -1.0])
def test_features_of_days_and_gamma_end_at_one_on_either_side(end: float) -> None:
    noise = {"noise_x": 1.5}
    assert x("gamma_gate", {**noise, "gex_norm": -0.9 * end}) == end
    assert x("trend_20d", {**DAYS, "spot_mid": 600.0 * (1 + 0.5 * end)}) == end
    week = {**DAYS, "spot_mid": 600.0 * (1 + 0.01 * end), "close_5d_ago": 600.0 * (1 + 0.5 * end)}
    assert x("pullback", week) == end


def test_a_price_beyond_a_wall_is_pulled_back_by_its_distance() -> None:
    """Three dollars above the call wall and nine above the put wall, of a scale of one dollar."""
    above = measure(reading(**{**WALLS, "call_wall": 597.0, "put_wall": 591.0}), "walls").x
    assert above == pytest.approx(math.exp(-9) - math.exp(-3))
    below = measure(reading(**{**WALLS, "call_wall": 609.0, "put_wall": 603.0}), "walls").x
    assert below == pytest.approx(math.exp(-3) - math.exp(-9))


def test_a_price_of_less_than_a_dollar_has_a_trend_and_a_pullback_and_walls() -> None:
    small: dict[str, float | str | None] = {
        "spot_mid": 0.606, "sma20": 0.6, "close_5d_ago": 0.606 * math.exp(0.02),
    }  # fmt: skip
    assert x("trend_20d", {**DAYS, **small}) == pytest.approx(0.5)
    assert x("pullback", {**DAYS, **small}) == pytest.approx(0.5)
    walls = {**WALLS, "em_1sd_0dte": 0.8, "put_wall": 599.9, "call_wall": 601.0}
    assert measure(reading(**walls), "walls").x == pytest.approx(math.exp(-0.5) - math.exp(-5))
    body = metrics(
        {**TREND, **walls}, qualities={"call_wall": Quality.STALE, "em_1sd_0dte": Quality.OK}
    )
    found = Reading("SPY", NOON, {metric.name: metric for metric in body.metrics})
    assert measure(found, "walls").quality == "STALE"


def test_walls_and_late_momentum_that_are_switched_off_count_as_nothing() -> None:
    for name in ("walls", "late_mom"):
        found = measure(reading(gex_regime="NEG", late_mom_x=0.9), name)
        assert (found.x, found.quality) == (0.0, "OFF")


@pytest.mark.parametrize("name", ["spot_mid", "sma20", "sd20"])
def test_a_trend_is_missing_without_any_one_of_its_inputs(name: str) -> None:
    assert x("trend_20d", {**DAYS, name: None}) is None


def test_a_feature_tells_the_number_it_is_made_of() -> None:
    """Its metric as it is; of a pullback the return, of a break the number that its word means."""
    assert feature("flow", {"fi_s": -0.4}, ONE_DTE).raw == -0.4
    assert feature("pullback", DAYS, ONE_DTE).raw == pytest.approx(-0.02)
    assert measure(reading(or_break="DOWN"), "or_break").raw == -1.0


def test_a_metric_that_never_came_makes_its_feature_missing_without_a_time() -> None:
    known = reading().metrics
    absent = Reading("SPY", NOON, {n: m for n, m in known.items() if n != "fi_s"})
    found = measure(absent, "flow")
    assert (found.x, found.raw, found.unit, found.as_of) == (None, None, "", None)
    assert found.quality == "MISSING"
    assert measure(reading(), "flow").as_of == NOON


def test_a_degraded_metric_without_a_value_is_missing_in_the_table() -> None:
    """DEGRADED counts as available; a feature that reads so must have counted."""
    found = feature("skew_chg", {"skew_chg_z": None}, ONE_DTE, {"skew_chg_z": Quality.DEGRADED})
    assert (found.x, found.quality) == (None, "MISSING")
    some = feature("skew_chg", {"skew_chg_z": 1.0}, ONE_DTE, {"skew_chg_z": Quality.DEGRADED})
    assert (some.x, some.quality) == (math.tanh(0.5), "DEGRADED")


@pytest.mark.parametrize("name", ["gex_norm", "noise_x"])
def test_gamma_and_noise_must_both_be_known_and_the_missing_one_is_named(name: str) -> None:
    values = {**TREND, "gex_norm": -0.05, "noise_x": 1.5}
    found = feature("gamma_gate", values, ONE_DTE, {name: Quality.STALE})
    assert (found.x, found.quality) == (None, "STALE")


def test_without_an_opening_break_there_is_none_to_score() -> None:
    assert measure(reading(or_break=None), "or_break").x is None


@pytest.mark.parametrize(("paired", "expected"), [(0.8, 0.4), (1.0, 0.5), (3.0, 0.5), (None, None)])
def test_persistence_counts_less_when_little_is_paired(
    paired: float | None, expected: float | None
) -> None:
    found = x("imb_persist", {**AUCTION, "auction_paired_ratio": paired}, CLOSING)
    assert found == (None if expected is None else pytest.approx(expected))


def test_persistence_is_missing_without_its_side() -> None:
    assert x("imb_persist", {**AUCTION, "auction_persist": None}, CLOSING) is None


@pytest.mark.parametrize(
    ("moved", "expected_move", "share"),
    [
        (2.0, 8.0, -0.25),
        (-2.0, -8.0, 0.25),
        (-2.0, 8.0, 0.0),
        (20.0, 8.0, -1.0),
        (0.25, 0.5, -0.5),
        (-0.25, -0.5, 0.5),
        (0.5, 1.0, -0.5),
        (2.0, 0.0, 0.0),
        (None, 8.0, None),
        (2.0, None, None),
    ],
)
def test_what_has_moved_already_counts_against_the_side_of_the_expected_move(
    moved: float | None, expected_move: float | None, share: float | None
) -> None:
    values = {"auction_moved_bps": moved, "auction_k_bps": expected_move}
    assert x("moved_already", values, CLOSING) == share


def test_an_indicative_price_is_missing_where_none_is_published() -> None:
    assert x("ind_dev", {"auction_ind_dev_bps": None}, CLOSING) is None
    assert x("ind_dev", {"auction_ind_dev_bps": 5.0}, CLOSING) == pytest.approx(math.tanh(1))


@pytest.mark.parametrize(("a", "bias"), [(0.2, 0.1), (-0.3, 0.4), (0.2, -0.1)])
def test_offset_bias_and_contributions_add_up_to_the_log_odds(a: float, bias: float) -> None:
    found = scored(reading(), parameters(signals__bias=bias), a=a, b=0.5)
    assert found.bias == pytest.approx(a + 0.5 * bias)
    assert found.log_odds == pytest.approx(a + 0.5 * found.raw)
    total = found.bias + found.clip_adjust + sum(f.contribution for f in found.features)
    assert found.log_odds == pytest.approx(total, abs=1e-9)
    assert found.clip_adjust == 0.0, "nothing was clipped"


def weighed(**weights: float) -> dict[str, float]:
    """Every weight zero but these."""
    whole = {**dict.fromkeys(WEIGHT_SOURCES, 0.0), **weights}
    return {f"signals__0dte__weight__{name}": weight for name, weight in whole.items()}


def test_what_is_clipped_is_that_by_which_the_contributions_exceed_the_log_odds() -> None:
    """Offset, bias and two weights of a half at their ends: 1.2 is clipped to 0.5."""
    used = parameters(
        signals__bias=0.2, signals__score_clip=0.5, **weighed(noise=0.5, or_break=0.5)
    )
    found = scored(reading(noise_x=9.0, or_break=1.0), used, a=0.1, b=1.0)
    assert (found.raw, found.log_odds) == (0.5, 0.6)
    assert found.bias == pytest.approx(0.3) and found.clip_adjust == pytest.approx(-0.7)


def test_a_rest_of_a_billionth_is_rounding_and_no_clip() -> None:
    used = parameters(signals__score_clip=0.5, **weighed(noise=0.5, or_break=0.5))
    clipped = reading(noise_x=9.0, or_break=1.0)
    assert scored(clipped, used, b=2e-9).clip_adjust == 0.0
    assert scored(clipped, used, b=2.1e-9).clip_adjust == pytest.approx(-1.05e-9)


def test_without_any_weight_nothing_is_covered() -> None:
    assert scored(reading(), parameters(**weighed())).coverage == 0.0


def test_a_weight_of_either_sign_counts_for_coverage_and_a_missing_feature_for_none() -> None:
    used = parameters(**weighed(noise=-0.5, flow=0.3))
    assert scored(reading(), used).coverage == 1.0
    missing = scored(reading(fi_s=None), used)
    assert missing.coverage == pytest.approx(0.625)
    flow = next(feature for feature in missing.features if feature.name == "flow")
    assert (flow.x, flow.contribution) == (0.0, 0.0)


def test_impaired_are_features_of_poor_quality_and_not_those_switched_off() -> None:
    assert scored(reading(gex_regime="NEG"), parameters()).impaired == ()
    body = metrics(TREND, qualities={"fi_s": Quality.DEGRADED, "peers_x": Quality.STALE})
    found = Reading("SPY", NOON, {metric.name: metric for metric in body.metrics})
    assert scored(found, parameters()).impaired == ("flow", "peers")


def test_a_negative_zero_is_told_as_a_plain_one() -> None:
    assert math.copysign(1.0, rounded(-0.0)) == 1.0
