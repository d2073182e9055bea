"""What each tier is told: built from an allow-list, never by deleting from the full message.

`Trade` is all that publication knows of a trade. Each tier has its own builder that reads the
few fields its row of the policy allows and makes a new `Message`. Account facts (equity, dollars,
contract counts, order ids, fill times) are in no tier.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

from domain.events.positions import ExitReason
from domain.events.publication import Tier
from domain.events.signals import SignalValidated
from domain.instruments import Leg, Strategy, Structure, StructureKind

POLICY_VERSION = 1
NOT_ADVICE = "Educational information, not investment advice. Options involve risk."
BAND = Decimal("0.05")

_FREE_BUCKET = {
    Strategy.ZERO_DTE: "same day",
    Strategy.ONE_DTE: "short dated",
    Strategy.FOURTEEN_DTE: "swing",
    Strategy.CLOSING: "close",
}
_FREE_SENTENCE = {
    Strategy.ZERO_DTE: "An intraday setup in the index fund met our rules.",
    Strategy.ONE_DTE: "A short-dated setup met our rules.",
    Strategy.FOURTEEN_DTE: "A multi-week setup met our rules.",
    Strategy.CLOSING: "A closing-auction setup met our rules.",
}
_FAMILY = {
    StructureKind.LONG_OPTION: "long option",
    StructureKind.DEBIT_VERTICAL: "debit spread",
    StructureKind.CREDIT_VERTICAL: "credit spread",
    StructureKind.IRON_CONDOR: "condor",
    StructureKind.ROLL: "roll",
}
_EXACT = {
    StructureKind.LONG_OPTION: "single long option",
    StructureKind.DEBIT_VERTICAL: "debit vertical",
    StructureKind.CREDIT_VERTICAL: "credit vertical",
    StructureKind.IRON_CONDOR: "iron condor",
    StructureKind.ROLL: "roll",
}
_REASON_FAMILY = {
    ExitReason.KILL: "risk",
    ExitReason.FORCED_FLAT: "time",
    ExitReason.ASSIGNMENT_GUARD: "risk",
    ExitReason.BROKER_MARGIN: "risk",
    ExitReason.STOP: "stop",
    ExitReason.INVALIDATED: "stop",
    ExitReason.TRAIL: "stop",
    ExitReason.TARGET: "target",
    ExitReason.TIME: "time",
    ExitReason.PROTECTIVE_STOP: "stop",
    ExitReason.OPERATOR: "risk",
}


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it will be sent."""

    title: str
    body: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade as publication knows it. Prices are of the structure, a share."""

    public_id: str
    signal: SignalValidated
    entry_price: Decimal
    risk_units: Decimal
    delayed: bool = False


@dataclass(frozen=True, slots=True)
class Exit:
    """How a trade ended. `result` is P&L over maximum loss."""

    reason: ExitReason
    price: Decimal
    result: Decimal


def _percent(value: Decimal, step: Decimal) -> Decimal:
    return (value * 100 / step).to_integral_value(ROUND_HALF_UP) * step


def _legs(legs: Iterable[Leg]) -> str:
    words = []
    for leg in legs:
        side = "long" if leg.ratio > 0 else "short"
        right = "call" if leg.contract.right.value == "C" else "put"
        words.append(f"{side} {leg.contract.strike.normalize():f} {right}")
    return ", ".join(words)


def _range(price: Decimal) -> str:
    """Entry price +-10 %, ends rounded outward to 0.05; of the credit for credits."""
    size = abs(price)
    low = (size * Decimal("0.9") / BAND).to_integral_value(ROUND_FLOOR) * BAND
    high = (size * Decimal("1.1") / BAND).to_integral_value(ROUND_CEILING) * BAND
    return f"{low:.2f} to {high:.2f}" + (" credit" if price < 0 else "")


def _distance(signal: SignalValidated) -> str:
    """Distance of the nearest short (else long) strike from spot in steps of 0.5 %."""
    legs = signal.structure.legs
    shorts = [leg for leg in legs if leg.ratio < 0] or list(legs)
    spot = signal.risk_inputs.underlying_price
    nearest = min(abs(float(leg.contract.strike) / spot - 1) for leg in shorts)
    steps = math.floor(nearest * 100 / 0.5 + 0.5) * 0.5
    return f"about {steps:.1f} % from spot"


def _reward_to_risk(signal: SignalValidated) -> str:
    ratio = signal.risk_inputs.target_usd / max(signal.risk_inputs.stop_usd, 0.01)
    return f"{math.floor(ratio * 2 + 0.5) / 2:.1f}"


def _confidence_band(confidence: float) -> str:
    if confidence < 56:
        return "low"
    return "medium" if confidence <= 62 else "high"


def _top_features(signal: SignalValidated, count: int) -> list[tuple[str, float]]:
    ranked = sorted(signal.features, key=lambda f: (-abs(f.contribution), f.name))
    return [(f.name, f.contribution) for f in ranked[:count] if f.contribution]


def _result_word(result: Decimal) -> str:
    rounded = _percent(result, Decimal(1))
    if rounded == 0:
        return "flat"
    return "win" if rounded > 0 else "loss"


def _entry_premium(trade: Trade) -> Message:
    signal, plan = trade.signal, trade.signal.exit_plan
    features = ", ".join(f"{name} {value:+.3f}" for name, value in _top_features(signal, 5))
    return Message(
        title=f"{signal.symbol} {signal.direction.value} {signal.strategy.value}",
        body=f"{signal.rationale}\n\nLargest contributions: {features or 'none'}.\n{NOT_ADVICE}",
        fields={
            "Structure": _EXACT[signal.structure.kind],
            "Expiry": signal.structure.expiry.isoformat(),
            "Legs": _legs(signal.structure.legs),
            "Entry": f"{trade.entry_price:.2f}",
            "Size": f"{trade.risk_units:.2f} R",
            "Stop": f"{plan.stop_price:.2f}",
            "Target": f"{plan.target_price:.2f}",
            "Time stop": f"{plan.time_stop_at:%H:%M} UTC",
            "Confidence": f"{signal.confidence:.0f}",
            "Trade": trade.public_id,
        },
    )


def _entry_basic(trade: Trade) -> Message:
    signal = trade.signal
    names = " and ".join(name for name, _ in _top_features(signal, 2)) or "no single feature"
    return Message(
        title=f"{signal.symbol} {signal.direction.value} {signal.strategy.value}",
        body=f"Led by {names}. Delayed by one minute.\n{NOT_ADVICE}",
        fields={
            "Structure": _FAMILY[signal.structure.kind],
            "Strike": _distance(signal),
            "Entry": _range(trade.entry_price),
            "Size": "small" if trade.risk_units < Decimal("0.75") else "normal",
            "Reward to risk": _reward_to_risk(signal),
            "Confidence": _confidence_band(signal.confidence),
            "Trade": trade.public_id,
        },
    )


def _entry_free(trade: Trade) -> Message:
    signal = trade.signal
    return Message(
        title=f"{signal.symbol} {signal.direction.value}, {_FREE_BUCKET[signal.strategy]}",
        body=f"{_FREE_SENTENCE[signal.strategy]} Delayed by five minutes.\n{NOT_ADVICE}",
        fields={"Structure": "options trade", "Trade": trade.public_id},
    )


def _stop_premium(trade: Trade, stop: Decimal) -> Message:
    return Message(
        title=f"{trade.signal.symbol}: stop moved",
        body=f"The stop follows the trade.\n{NOT_ADVICE}",
        fields={"Stop": f"{stop:.2f}", "Trade": trade.public_id},
    )


def _stop_basic(trade: Trade) -> Message:
    return Message(
        title=f"{trade.signal.symbol}: risk reduced",
        body=f"The stop follows the trade.\n{NOT_ADVICE}",
        fields={"Trade": trade.public_id},
    )


def _rolled_premium(trade: Trade, before: Structure, price: Decimal) -> Message:
    signal, plan = trade.signal, trade.signal.exit_plan
    now = signal.structure
    return Message(
        title=f"{signal.symbol}: one side rolled",
        body=f"The untested side came closer for a credit.\n{NOT_ADVICE}",
        fields={
            "Closed": _legs(leg for leg in before.legs if leg not in now.legs),
            "Opened": _legs(leg for leg in now.legs if leg not in before.legs),
            "Credit": f"{-price:.2f}",
            "Legs": _legs(now.legs),
            "Credit in all": f"{-trade.entry_price:.2f}",
            "Stop": f"{plan.stop_price:.2f}",
            "Target": f"{plan.target_price:.2f}",
            "Trade": trade.public_id,
        },
    )


def _rolled_basic(trade: Trade) -> Message:
    return Message(
        title=f"{trade.signal.symbol}: one side rolled",
        body=f"The untested side came closer for a credit.\n{NOT_ADVICE}",
        fields={"Trade": trade.public_id},
    )


def _updated_free(trade: Trade) -> Message:
    return Message(
        title=f"{trade.signal.symbol}: updated",
        body=f"The trade was updated.\n{NOT_ADVICE}",
        fields={"Trade": trade.public_id},
    )


def _pnl_premium(trade: Trade, result: Decimal) -> Message:
    return Message(
        title=f"{trade.signal.symbol}: open result",
        body=f"Marked result of the open trade.\n{NOT_ADVICE}",
        fields={
            "Result": f"{_percent(result, Decimal('0.1')):+.1f} % of risk",
            "Trade": trade.public_id,
        },
    )


def _pnl_basic(trade: Trade, result: Decimal) -> Message:
    return Message(
        title=f"{trade.signal.symbol}: open result",
        body=f"Marked result of the open trade.\n{NOT_ADVICE}",
        fields={
            "Result": f"about {_percent(result, Decimal(5)):+.0f} % of risk",
            "Trade": trade.public_id,
        },
    )


def _exit_premium(trade: Trade, ended: Exit) -> Message:
    return Message(
        title=f"{trade.signal.symbol}: closed",
        body=f"Closed on {ended.reason.value}.\n{NOT_ADVICE}",
        fields={
            "Exit": f"{ended.price:.2f}",
            "Result": f"{_percent(ended.result, Decimal('0.1')):+.1f} % of risk",
            "Trade": trade.public_id,
        },
    )


def _exit_basic(trade: Trade, ended: Exit) -> Message:
    return Message(
        title=f"{trade.signal.symbol}: closed",
        body=f"Closed by {_REASON_FAMILY[ended.reason]} rule.\n{NOT_ADVICE}",
        fields={
            "Result": f"about {_percent(ended.result, Decimal(5)):+.0f} % of risk",
            "Trade": trade.public_id,
        },
    )


def _exit_free(trade: Trade, ended: Exit) -> Message:
    return Message(
        title=f"{trade.signal.symbol}: closed",
        body=f"The trade is closed.\n{NOT_ADVICE}",
        fields={"Result": _result_word(ended.result), "Trade": trade.public_id},
    )


def entry(tier: Tier, trade: Trade) -> Message:
    """The announcement of a trade, after its first fill."""
    by_tier: dict[Tier, Callable[[Trade], Message]] = {
        Tier.PREMIUM: _entry_premium,
        Tier.BASIC: _entry_basic,
        Tier.FREE: _entry_free,
    }
    return by_tier[tier](trade)


def stop_moved(tier: Tier, trade: Trade, stop: Decimal) -> Message:
    """A stop change worth a message."""
    if tier is Tier.PREMIUM:
        return _stop_premium(trade, stop)
    return _stop_basic(trade) if tier is Tier.BASIC else _updated_free(trade)


def rolled(tier: Tier, trade: Trade, before: Structure, price: Decimal) -> Message:
    """The untested side of a condor was rolled at `price`; `trade` is as it is now."""
    if tier is Tier.PREMIUM:
        return _rolled_premium(trade, before, price)
    return _rolled_basic(trade) if tier is Tier.BASIC else _updated_free(trade)


def pnl(tier: Tier, trade: Trade, result: Decimal) -> Message:
    """The marked result crossed a further step. `result` is P&L over maximum loss."""
    if tier is Tier.PREMIUM:
        return _pnl_premium(trade, result)
    return _pnl_basic(trade, result) if tier is Tier.BASIC else _updated_free(trade)


def closed(tier: Tier, trade: Trade, ended: Exit) -> Message:
    """The end of a trade."""
    if tier is Tier.PREMIUM:
        return _exit_premium(trade, ended)
    return _exit_basic(trade, ended) if tier is Tier.BASIC else _exit_free(trade, ended)


def reopened(trade: Trade) -> Message:
    """A closed trade is held again. It names no figure, so that every tier may read it."""
    return Message(
        title=f"{trade.signal.symbol}: open again",
        body=f"A fill came late: the trade is open again until it is closed anew.\n{NOT_ADVICE}",
        fields={"Trade": trade.public_id},
    )


def post_text(trade: Trade, ended: Exit, mode: str) -> str:
    """The public post about a closed trade: what the free tier knows, with one cashtag, and
    whether money was at stake.

    The trade's public id makes two posts with equal words differ, because X refuses duplicates.
    """
    signal = trade.signal
    return (
        f"${signal.symbol} {_FREE_BUCKET[signal.strategy]} {signal.direction.value} options trade "
        f"closed: {_result_word(ended.result)}. Members saw it live. "
        f"{mode.capitalize()} trading. Not investment advice. Ref {trade.public_id}"
    )
