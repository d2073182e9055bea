"""The reason of a signal in words, from the very numbers that decided it.

Called when a signal becomes valid; published to subscribers by tier. Dealer gamma is named
assumed, because its sign is a convention.
"""

from __future__ import annotations

from domain.events.signals import Feature, ModelRecord
from domain.instruments import Direction, StructureKind
from domain.signals.case import Case
from domain.signals.neutral import NeutralScore
from domain.signals.structure import Choice

HONEST_NOTE = (
    "Published evidence finds a variance premium in same-day index options, but mean returns of"
    " most static structures are indistinguishable from zero."
)
TOP_FEATURES = 4
_LABELS = {
    "noise": "position in the noise area",
    "vwap": "distance from VWAP",
    "or_break": "opening-range break",
    "ofi_5m": "order-flow imbalance",
    "flow": "option flow imbalance",
    "delta_flow": "delta flow",
    "sweeps": "sweeps and blocks",
    "tide": "market tide slope",
    "gamma_gate": "assumed dealer gamma with the noise position",
    "walls": "assumed dealer gamma walls",
    "late_mom": "late momentum",
    "peers": "peers",
    "skew_chg": "change of skew",
    "trend_20d": "trend of 20 days",
    "pullback": "pullback against the trend",
    "tide_5d": "market tide of five days",
    "imb": "closing imbalance of the basket",
    "imb_persist": "persistence of the imbalance",
    "ind_dev": "indicative closing prices",
    "moved_already": "move since the first publication",
    "c_vrp": "variance premium of the range",
    "c_gamma": "assumed dealer gamma",
    "c_trend": "directional pressure",
    "c_term": "term structure",
    "c_news": "news",
}


def _features(features: tuple[Feature, ...]) -> str:
    ranked = sorted(features, key=lambda f: (-abs(f.contribution), f.name))
    told = [
        f"{_LABELS.get(f.name, f.name)} {f.contribution:+.3f}"
        for f in ranked[:TOP_FEATURES]
        if f.contribution != 0
    ]
    return ", ".join(told) or "none"


def _number(value: float | None, digits: int = 2) -> str:
    return "unknown" if value is None else f"{value:.{digits}f}"


def _legs(choice: Choice) -> str:
    words = []
    for leg in choice.structure.legs:
        side = "long" if leg.ratio > 0 else "short"
        words.append(f"{side} {leg.contract.strike.normalize():f} {leg.contract.right.value}")
    return ", ".join(words)


def _price(choice: Choice) -> str:
    mid = choice.net_mid
    return f"credit {-mid:.2f}" if mid < 0 else f"debit {mid:.2f}"


_KINDS = {
    StructureKind.LONG_OPTION: "single long option",
    StructureKind.DEBIT_VERTICAL: "debit vertical",
    StructureKind.CREDIT_VERTICAL: "credit vertical",
    StructureKind.IRON_CONDOR: "iron condor",
}


def record_text(record: ModelRecord) -> str:
    """How the model has done, most of all where it said what it says now."""
    skill = "not known" if record.skill is None else f"{record.skill:+.3f}"
    text = f"Record of the model: {record.n_eff:.1f} effective outcomes, skill {skill}"
    if record.bin_hit_rate is None:
        return f"{text}, none of a probability like this one."
    return (
        f"{text}; of {record.bin_count} like this one, from {100 * record.bin_low:.0f} to"
        f" {100 * record.bin_high:.0f} %, {100 * record.bin_hit_rate:.0f} % came true."
    )


def rationale(case: Case, choice: Choice, neutral: NeutralScore | None, record: ModelRecord) -> str:
    """A few sentences: what, why, at which odds, how the model has done, what is not known."""
    assert case.odds is not None and case.p_win is not None, "a valid signal has its odds"
    reading, odds = case.reading, case.odds
    lead = {
        Direction.BULLISH: "Bullish",
        Direction.BEARISH: "Bearish",
        Direction.NEUTRAL: "Neutral",
    }[case.direction]
    features = case.score.features if neutral is None else neutral.features
    score = case.score.raw if neutral is None else neutral.raw
    parts = [
        f"{lead} {case.variant.value} on {reading.symbol}: {_KINDS[choice.structure.kind]}"
        f" ({_legs(choice)}) for a {_price(choice)}.",
        f"Score {score:+.3f}, probability {100 * case.p_side:.1f} %"
        f" (coverage {100 * case.score.coverage:.0f} %); largest contributions: "
        f"{_features(features)}.",
        f"Spot {_number(reading.number('spot_mid'))}, VWAP {_number(reading.number('vwap'))},"
        f" noise position {_number(reading.number('noise_x'))},"
        f" variance ratio {_number(reading.number(case.bucket.metrics.vrp))}, assumed dealer gamma"
        f" {reading.text('gex_regime') or 'unknown'}.",
        f"Target {odds.target_usd:.0f} against stop {odds.stop_usd:.0f} dollars a unit, odds"
        f" {100 * case.p_win:.1f} %, expected value"
        f" {odds.expected_value(case.p_win):+.2f} dollars after {odds.cost_usd:.2f} of cost.",
    ]
    parts.append(record_text(record))
    note = case.bucket.notes.get(case.variant)
    if note is not None:
        parts.append(note)
    return " ".join(parts)
