"""The directional score: feature table, contributions that add up, coverage (rules, 4.2).

Called at every evaluation point. A missing feature has x = 0 and lowers coverage; a feature that
a rule switches off counts as available with x = 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.events.analytics import Quality
from domain.events.signals import Feature
from domain.numbers import significant
from domain.parameter import ParameterState
from domain.session import Session
from domain.signals.bucket import Bucket
from domain.signals.reading import AVAILABLE, Reading

SWITCHED_OFF = "OFF"


def clip(value: float, low: float, high: float) -> float:
    return min(high, max(low, value))


def logistic(log_odds: float) -> float:
    """1/(1 + e^-L), without overflow."""
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    grown = math.exp(log_odds)
    return grown / (1 + grown)


def rounded(value: float) -> float:
    """12 significant digits: later steps use the number that goes into the event."""
    number = significant(value)
    assert number is not None, f"a number must be finite, was {value}"
    # Adding zero turns a negative zero into a plain one.
    return number + 0.0


@dataclass(frozen=True, slots=True)
class Measured:
    """A feature before weighting. `x` None: missing."""

    raw: float | None
    unit: str
    x: float | None
    as_of: datetime | None
    quality: str


def _of(reading: Reading, name: str, x: float | None, raw: float | None = None) -> Measured:
    """`x` None under a quality that counts as available: there is no value all the same, or another
    metric that it needs is not there."""
    metric, quality = reading.metrics.get(name), reading.quality(name)
    if x is None and quality in AVAILABLE:
        quality = Quality.MISSING.value
    return Measured(
        raw if raw is not None else reading.number(name),
        "" if metric is None else metric.unit,
        x,
        None if metric is None else metric.as_of,
        quality,
    )


def _plain(reading: Reading, name: str, scale: float) -> Measured:
    """clip(value * scale, -1, 1)."""
    value = reading.number(name)
    return _of(reading, name, None if value is None else clip(value * scale, -1.0, 1.0))


def _squashed(reading: Reading, name: str) -> Measured:
    """tanh(value / 2): for z-scores and deviations."""
    value = reading.number(name)
    return _of(reading, name, None if value is None else math.tanh(value / 2))


_BREAKS = {"UP": 1.0, "DOWN": -1.0, "NONE": 0.0}


def opening_break(reading: Reading) -> float | None:
    """-1, 0 or 1, whether the metric says it as a number or as a word."""
    word = reading.text("or_break")
    if word is not None:
        return _BREAKS.get(word.upper())
    value = reading.number("or_break")
    return None if value is None else clip(value, -1.0, 1.0)


def _opening_break(reading: Reading) -> Measured:
    x = opening_break(reading)
    return _of(reading, "or_break", x, x)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What features are measured from. `expiration`: options of a quarter, or an index, end with
    this day. `em_1sd`: the metric of the traded expiry's expected move."""

    reading: Reading
    session: Session
    em_1sd: str
    expiration: bool = False


def _gamma_gate(inputs: Inputs) -> Measured:
    reading = inputs.reading
    gamma, noise = reading.number("gex_norm"), _plain(reading, "noise_x", 1 / 1.5).x
    x = None if gamma is None or noise is None else -clip(gamma / 0.10, -1.0, 1.0) * noise
    measured = _of(reading, "gex_norm", x)
    if gamma is not None and noise is None:
        return _of(reading, "noise_x", None)
    return measured


def _walls(inputs: Inputs) -> Measured:
    """Only in the POS regime: pull of the put wall less pull of the call wall.

    Off in the last hour of an expiration day: the gamma behind the walls expires with it.
    """
    reading, name = inputs.reading, inputs.em_1sd
    if inputs.expiration and reading.at >= inputs.session.before_close(minutes=60):
        return Measured(None, "", 0.0, None, SWITCHED_OFF)
    regime = reading.text("gex_regime")
    if regime is None:
        return _of(reading, "gex_regime", None)
    if regime != "POS":
        return Measured(None, "", 0.0, None, SWITCHED_OFF)
    spot, move = reading.number("spot_mid"), reading.number(name)
    call, put = reading.number("call_wall"), reading.number("put_wall")
    if spot is None or move is None or move <= 0 or call is None or put is None:
        absent = name if move is None or move <= 0 else "call_wall"
        return _of(reading, absent, None)
    scale = 0.25 * move
    x = math.exp(-abs(spot - put) / scale) - math.exp(-abs(call - spot) / scale)
    return _of(reading, "call_wall", x)


def _late_momentum(inputs: Inputs) -> Measured:
    if inputs.reading.at < inputs.session.before_close(minutes=30):
        return Measured(None, "", 0.0, None, SWITCHED_OFF)
    return _plain(inputs.reading, "late_mom_x", 1.0)


def _trend_x(reading: Reading) -> float | None:
    """clip((S/SMA20 - 1)/(2 sd20), -1, 1), sd20 as a share of SMA20."""
    spot, mean, deviation = (reading.number(name) for name in ("spot_mid", "sma20", "sd20"))
    if spot is None or mean is None or deviation is None or mean <= 0 or deviation <= 0:
        return None
    return clip((spot / mean - 1) / (2 * deviation), -1.0, 1.0)


def _trend(inputs: Inputs) -> Measured:
    return _of(inputs.reading, "sma20", _trend_x(inputs.reading))


def _pullback(inputs: Inputs) -> Measured:
    """Against the 5-day return, while that goes against the trend; else 0."""
    reading = inputs.reading
    trend, spot = _trend_x(reading), reading.number("spot_mid")
    before, deviation = reading.number("close_5d_ago"), reading.number("sd5")
    if trend is None or spot is None or before is None or deviation is None:
        absent = next(
            (n for n in ("close_5d_ago", "sd5", "spot_mid") if reading.number(n) is None), "sma20"
        )
        return _of(reading, absent, None)
    if before <= 0 or deviation <= 0:
        return _of(reading, "sd5", None)
    change = math.log(spot / before)
    x = -clip(change / (2 * deviation), -1.0, 1.0) if change * trend < 0 else 0.0
    return _of(reading, "close_5d_ago", x, change)


def _plainly(name: str, scale: float) -> Callable[[Inputs], Measured]:
    return lambda inputs: _plain(inputs.reading, name, scale)


def _squashing(name: str) -> Callable[[Inputs], Measured]:
    return lambda inputs: _squashed(inputs.reading, name)


def _imbalance_persistence(inputs: Inputs) -> Measured:
    """The persistence of the imbalance's side, less when little of it is paired."""
    reading = inputs.reading
    persist, paired = (reading.number(n) for n in ("auction_persist", "auction_paired_ratio"))
    if persist is None:
        return _of(reading, "auction_persist", None)
    if paired is None:
        return _of(reading, "auction_paired_ratio", None)
    return _of(reading, "auction_persist", persist * min(1.0, paired))


def _indicative_deviation(inputs: Inputs) -> Measured:
    value = inputs.reading.number("auction_ind_dev_bps")
    x = None if value is None else math.tanh(value / 5)
    return _of(inputs.reading, "auction_ind_dev_bps", x)


def _moved_already(inputs: Inputs) -> Measured:
    """Against the imbalance's side, by the share of its expected move that has been made."""
    reading = inputs.reading
    moved, expected = (reading.number(n) for n in ("auction_moved_bps", "auction_k_bps"))
    if moved is None:
        return _of(reading, "auction_moved_bps", None)
    if expected is None:
        return _of(reading, "auction_k_bps", None)
    side = float((expected > 0) - (expected < 0))
    share = 0.0 if expected == 0 else clip(moved * side / abs(expected), 0.0, 1.0)
    return _of(reading, "auction_moved_bps", -side * share)


MEASURES: Mapping[str, Callable[[Inputs], Measured]] = {
    "noise": _plainly("noise_x", 1 / 1.5),
    "vwap": _squashing("vwap_dev"),
    "or_break": lambda inputs: _opening_break(inputs.reading),
    "ofi_5m": _squashing("ofi_5m_z"),
    "flow": _plainly("fi_s", 1.0),
    "delta_flow": _squashing("delta_flow_z"),
    "sweeps": _squashing("sweep_z"),
    "tide": _squashing("tide_slope_z"),
    "gamma_gate": _gamma_gate,
    "walls": _walls,
    "late_mom": _late_momentum,
    "peers": _plainly("peers_x", 1.0),
    "skew_chg": _squashing("skew_chg_z"),
    "trend_20d": _trend,
    "pullback": _pullback,
    "tide_5d": _squashing("tide_5d_z"),
    "imb": _squashing("auction_z"),
    "imb_persist": _imbalance_persistence,
    "ind_dev": _indicative_deviation,
    "moved_already": _moved_already,
}
"""How each feature of the table is measured; a bucket names those that have a weight in it."""


@dataclass(frozen=True, slots=True)
class Score:
    """`log_odds` = bias + contributions + clip_adjust, of the price being higher."""

    raw: float
    log_odds: float
    probability_up: float
    bias: float
    clip_adjust: float
    coverage: float
    features: tuple[Feature, ...]
    a: float
    b: float

    @property
    def impaired(self) -> tuple[str, ...]:
        """Features whose quality is not OK, WARMUP_MODEL or switched off."""
        fine = ("OK", "WARMUP_MODEL", SWITCHED_OFF)
        return tuple(f.name for f in self.features if f.quality not in fine)


def score(bucket: Bucket, inputs: Inputs, a: float, b: float, parameters: ParameterState) -> Score:
    """The recalibrated score L = a + b s_raw with its parts."""
    bias = parameters.number("signals.bias")
    edge = parameters.number("signals.score_clip")
    features: list[Feature] = []
    weighted, available, whole = bias, 0.0, 0.0
    for name, parameter in bucket.weights:
        weight = parameters.number(parameter)
        one = MEASURES[name](inputs)
        whole += abs(weight)
        available += 0.0 if one.x is None else abs(weight)
        x = rounded(0.0 if one.x is None else one.x)
        weighted += weight * x
        features.append(
            Feature(
                name=name,
                raw=significant(one.raw),
                unit=one.unit,
                x=x,
                weight=weight,
                contribution=rounded(b * weight * x),
                as_of=one.as_of,
                quality=one.quality,
            )
        )
    raw = rounded(clip(weighted, -edge, edge))
    log_odds = rounded(a + b * raw)
    own_bias = rounded(a + b * bias)
    total = sum(feature.contribution for feature in features)
    adjust = log_odds - own_bias - total
    return Score(
        raw=raw,
        log_odds=log_odds,
        probability_up=rounded(logistic(log_odds)),
        bias=own_bias,
        clip_adjust=rounded(adjust) if abs(adjust) > 1e-9 else 0.0,
        coverage=rounded(available / whole) if whole > 0 else 0.0,
        features=tuple(features),
        a=a,
        b=b,
    )
