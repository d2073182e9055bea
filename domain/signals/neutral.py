"""The premium-selling score: is the range dear enough, and is it likely to hold (rules, 4.2).

Called with a chosen condor. Without the variance term there is no neutral signal; any other term
whose input is missing is 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from domain.analytics.touch import p_touch
from domain.events.signals import Feature
from domain.numbers import significant
from domain.signals.reading import Reading
from domain.signals.score import clip, rounded
from domain.signals.structure import Choice


@dataclass(frozen=True, slots=True)
class NeutralScore:
    """s_n and its terms. log_odds = bias + contributions; bias holds a and the fair odds."""

    raw: float
    edge: float
    bias: float
    features: tuple[Feature, ...]


def _logit(p: float) -> float:
    return math.log(p / (1 - p))


def inside_probability(spot: float, upper: float, lower: float, variance: float) -> float:
    """q(v): neither short strike is touched to expiry, kept in [0.02, 0.98]."""
    touched = p_touch(spot, upper, variance) + p_touch(spot, lower, variance)
    return clip(1 - touched, 0.02, 0.98)


def variance_term(choice: Choice, spot: float, forecast: float, implied: float) -> float:
    """logit q(forecast variance) - logit q(implied variance)."""
    _, short_put, short_call, _ = choice.rows
    upper, lower = float(short_call.strike), float(short_put.strike)
    return _logit(inside_probability(spot, upper, lower, forecast)) - _logit(
        inside_probability(spot, upper, lower, implied)
    )


def neutral_score(
    choice: Choice,
    reading: Reading,
    score_raw: float,
    years: float,
    fair_log_odds: float,
    a: float,
    b: float,
) -> NeutralScore | None:
    """None when spot, forecast or implied variance is missing. `years` is time to expiry."""
    spot = reading.number("spot_mid")
    forecast = reading.number("v_to_expiry_0dte")
    volatility = reading.number("atm_iv_0dte")
    if spot is None or forecast is None or volatility is None:
        return None
    gamma, term = reading.number("gex_norm"), reading.number("term_slope")
    caution = reading.text("news_state") == "NEWS_CAUTION"
    terms = (
        (
            "c_vrp",
            "v_to_expiry_0dte",
            forecast,
            variance_term(choice, spot, forecast, volatility * volatility * years),
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
        raw=raw, edge=rounded(a + b * raw), bias=rounded(a + fair_log_odds), features=features
    )
