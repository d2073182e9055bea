"""The premium-selling score: is the range dear enough, and is it likely to hold (rules, 4.2).

Called with a chosen structure that sells premium: a condor has two terms of touching, a one-sided
credit has one and is shifted by the log-odds of its direction too. Without the variance term there
is no neutral signal; any other term whose input is missing is 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from domain.analytics.touch import p_touch
from domain.events.signals import Feature
from domain.instruments import Structure
from domain.numbers import significant
from domain.signals.bucket import ExpiryMetrics
from domain.signals.reading import Reading
from domain.signals.score import clip, rounded


@dataclass(frozen=True, slots=True)
class NeutralScore:
    """s_n and its terms. log_odds = bias + contributions; bias holds a and the fair odds."""

    raw: float
    edge: float
    bias: float
    features: tuple[Feature, ...]
    direction_log_odds: float = 0.0
    """Of a one-sided credit: what its direction adds to the edge; part of `bias`."""


def _logit(p: float) -> float:
    return math.log(p / (1 - p))


def inside_probability(spot: float, shorts: Sequence[float], variance: float) -> float:
    """q(v): no short strike is touched to expiry, kept in [0.02, 0.98]."""
    touched = sum(p_touch(spot, strike, variance) for strike in shorts)
    return clip(1 - touched, 0.02, 0.98)


def variance_term(structure: Structure, spot: float, forecast: float, implied: float) -> float:
    """logit q(forecast variance) - logit q(implied variance)."""
    shorts = [float(leg.contract.strike) for leg in structure.legs if leg.ratio < 0]
    shorts.sort(reverse=True)
    return _logit(inside_probability(spot, shorts, forecast)) - _logit(
        inside_probability(spot, shorts, implied)
    )


@dataclass(frozen=True, slots=True)
class NeutralInputs:
    """What the score rests on beside the structure. `years` is the time to expiry."""

    reading: Reading
    metrics: ExpiryMetrics
    score_raw: float
    years: float
    fair_log_odds: float
    direction_log_odds: float = 0.0
    """Of a one-sided credit: L of its direction, above 0 when for the structure."""


def neutral_score(
    structure: Structure, inputs: NeutralInputs, a: float, b: float
) -> NeutralScore | None:
    """None when spot, forecast or implied variance is missing."""
    reading, score_raw, years = inputs.reading, inputs.score_raw, inputs.years
    spot = reading.number("spot_mid")
    forecast = reading.number(inputs.metrics.variance)
    volatility = reading.number(inputs.metrics.atm_iv)
    if spot is None or forecast is None or volatility is None:
        return None
    gamma, term = reading.number("gex_norm"), reading.number("term_slope")
    caution = reading.text("news_state") == "NEWS_CAUTION"
    terms = (
        (
            "c_vrp",
            inputs.metrics.variance,
            forecast,
            variance_term(structure, spot, forecast, volatility * volatility * years),
        ),
        (
            "c_gamma",
            "gex_norm",
            gamma,
            0.0 if gamma is None else 0.20 * clip(gamma / 0.10, -1.0, 1.0),
        ),
        ("c_trend", "spot_mid", score_raw, -0.30 * abs(score_raw)),
        ("c_term", "term_slope", term, -0.25 if term is not None and term > 0.03 else 0.0),
        ("c_news", "news_state", None, -0.40 if caution else 0.0),
    )
    features = tuple(
        Feature(
            name=name,
            raw=significant(raw),
            unit="log-odds",
            x=rounded(value),
            weight=1.0,
            contribution=rounded(b * rounded(value)),
            as_of=reading.metrics[metric].as_of if metric in reading.metrics else None,
            quality=reading.quality(metric),
        )
        for name, metric, raw, value in terms
    )
    raw = rounded(sum(feature.x for feature in features))
    return NeutralScore(
        raw=raw,
        edge=rounded(a + b * raw + inputs.direction_log_odds),
        bias=rounded(a + inputs.fair_log_odds + inputs.direction_log_odds),
        features=features,
        direction_log_odds=inputs.direction_log_odds,
    )
