"""No signal without all gates, and no gate that passes on what is missing or stale.

Metrics and legs are masked at random on days on which each strategy would trade, and driven through
its stage; every gate of every direction is then asked what it passed on.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.events.analytics import ChainEvaluated, Quality
from domain.events.signals import Result, SignalValidated
from domain.instruments import Direction
from domain.risk.codes import DenialCode
from domain.signals.case import Case
from domain.signals.closing import ClosingStage
from domain.signals.evaluate import evaluate_key
from domain.signals.gates import all_pass, evaluate
from domain.signals.reading import AVAILABLE
from domain.signals.structure import Choice
from tests.domain.signals import weeks
from tests.domain.signals.build import CHEAP_RANGE, RANGE, TREND, Strategy, chain_body
from tests.domain.signals.night import CALM, FREE, NEARER, RISING, TOMORROW, evening
from tests.domain.signals.test_closing import AT, AUCTION

C = DenialCode
Values = dict[str, float | str | None]
CHEAP_NIGHT: Values = {**RISING, "vrp_1dte": 1.0}
BETWEEN: Values = {**weeks.RISING, "iv_rank": 40.0, "vrp_14d": 1.12}

DAYS: dict[str, tuple[Values, Direction]] = {
    "TREND": (TREND, Direction.BULLISH),
    "RANGE": (RANGE, Direction.NEUTRAL),
    "NIGHT_PREMIUM": (CALM, Direction.NEUTRAL),
    "NIGHT_PREMIUM, one side": (RISING, Direction.BULLISH),
    "NIGHT_DIRECTION": (CHEAP_NIGHT, Direction.BULLISH),
    "CREDIT": (weeks.RISING, Direction.BULLISH),
    "CONDOR": (weeks.DEAR, Direction.NEUTRAL),
    "DEBIT": (weeks.CHEAP, Direction.BULLISH),
    "BETWEEN_CREDIT": (BETWEEN, Direction.BULLISH),
    "BETWEEN_DEBIT": ({**BETWEEN, "vrp_14d": 1.0}, Direction.BULLISH),
    "CLOSING": (AUCTION, Direction.BULLISH),
}
HELD_FOR_WEEKS = ("CREDIT", "CONDOR", "DEBIT", "BETWEEN_CREDIT", "BETWEEN_DEBIT")


def fresh(day: str) -> Strategy:
    values, _ = DAYS[day]
    if day in ("TREND", "RANGE"):
        return Strategy(usual=values, **CHEAP_RANGE)
    if day in HELD_FOR_WEEKS:
        return weeks.noon(values)
    if day == "CLOSING":
        return Strategy(stage=ClosingStage(), at=AT, expiry=TOMORROW, usual=values, **FREE)
    return evening(values, **(NEARER if values is RISING else {}))


@cache
def started(day: str) -> bytes:
    return pickle.dumps(fresh(day).consumer.states)


def strategy_of(day: str) -> Strategy:
    """The day's strategy without the cost of beginning it anew."""
    strategy = template(day)
    strategy.consumer.states = pickle.loads(started(day))  # noqa: S301
    strategy.at = template_at(day)
    return strategy


@cache
def template(day: str) -> Strategy:
    return fresh(day)


@cache
def template_at(day: str) -> Any:
    return fresh(day).at


@dataclass(frozen=True)
class Masks:
    """What is wrong with metrics by name, and with columns of the chain's contracts."""

    qualities: dict[str, Quality]
    gone: frozenset[str]
    columns: dict[str, int]
    chain_age: float

    def chain(self, strategy: Strategy, values: Values) -> ChainEvaluated:
        name = strategy.state.bucket.metrics.atm_iv
        volatility = values.get(name)
        assert isinstance(volatility, float)
        body = chain_body(strategy.at, volatility=volatility, expiry=strategy.expiry)
        changes: dict[str, list[Any]] = {}
        for column, seed in self.columns.items():
            found = list(getattr(body, column))
            wrong = {"quote_age_seconds": 2.001, "from_line": False, "own_volatility": False}
            for index in range(seed % 7, len(found), 2 + seed % 3):
                found[index] = wrong.get(column)
            changes[column] = found
        return replace(body, **changes)


COLUMNS = (
    "bid", "ask", "bid_size", "ask_size", "quote_age_seconds", "from_line", "own_volatility",
    "implied_volatility", "delta", "gamma", "vega", "theta",
)  # fmt: skip
UNAVAILABLE = (Quality.MISSING, Quality.STALE, Quality.WARMUP, Quality.EXPIRED)


@st.composite
def masked(draw: st.DrawFn) -> tuple[str, Masks]:
    day = draw(st.sampled_from(sorted(DAYS)))
    names = sorted(DAYS[day][0])
    qualities = draw(
        st.dictionaries(
            st.sampled_from(names), st.sampled_from((*UNAVAILABLE, Quality.DEGRADED)), max_size=4
        )
    )
    gone = draw(st.frozensets(st.sampled_from(names), max_size=3))
    columns = draw(st.dictionaries(st.sampled_from(COLUMNS), st.integers(0, 99), max_size=2))
    age = draw(st.sampled_from((0.0, 0.0, 0.0, 1.4, 1.6, 30.0)))
    return day, Masks(qualities, gone, columns, age)


def needs(case: Case) -> dict[DenialCode, list[str]]:
    """The metrics without which a gate must not pass."""
    names = case.bucket.metrics
    own = {
        "TREND": (["spot_mid", "vwap", names.vrp], []),
        "RANGE": (
            ["spot_mid", "term_slope", names.vrp, names.variance, names.atm_iv],
            ["spot_mid", "put_wall", "call_wall"],
        ),
        "NIGHT_PREMIUM": (
            ["spot_mid", "term_slope", names.vrp, names.variance, names.atm_iv, "gex_regime",
             "calendar_next"],
            [],
        ),
        "NIGHT_DIRECTION": ([], []),
        # Either of rank and ratio may say that premium is sold.
        "CREDIT": ([], []),
        "CONDOR": ([], []),
        "DEBIT": ([names.vrp], []),
        "BETWEEN_CREDIT": (["iv_rank", names.vrp], []),
        "BETWEEN_DEBIT": (["iv_rank", names.vrp], []),
        "CLOSING": (["auction_z", "auction_sign_held_s"], []),
    }  # fmt: skip
    entry, regime = own[case.variant.value]
    structure = list(case.bucket.required)
    odds = [names.variance, names.atm_iv] if case.sells_premium else []
    if case.variant.value in HELD_FOR_WEEKS:
        own_gates = {C.OPEN_INTEREST: structure}
    elif case.variant.value == "CLOSING":
        own_gates = {
            C.NO_AUCTION_DATA: ["auction_q"],
            C.AUCTION_GAIN_LEFT: ["auction_k_bps", "auction_moved_bps", "spot_mid"],
        }
    else:
        own_gates = {C.REGIME: ["gex_regime", *regime]}
    return own_gates | {
        C.BLACKOUT: ["calendar_state"],
        C.NO_SHOCK: ["news_state"],
        C.DATA_FRESH: ["quote_age_s", "bar_age_s", "spot_mid", names.atm_iv, names.valid_strikes],
        C.FORWARD_OK: [names.forward_ok],
        C.ENTRY_SCORE: entry,
        C.NO_STRIKE: structure,
        C.LIQUIDITY: structure,
        C.EV_POSITIVE: [*structure, *odds],
    }


def unsound_legs(case: Case) -> list[str]:
    """Why LIQUIDITY must not pass on the chosen legs."""
    if not isinstance(case.chosen, Choice) or case.chain is None:
        return ["no structure"]
    old = (case.now - case.chain.at).total_seconds()
    return [
        str(row.strike)
        for row, leg in zip(case.chosen.rows, case.chosen.structure.legs, strict=True)
        if row.bid is None
        or row.ask is None
        or (row.ask_size if leg.ratio > 0 else row.bid_size) is None
        or row.age_seconds is None
        or row.age_seconds + old > 2.0
        or not row.on_line
        or not row.has_greeks
        or not row.own_volatility
    ]


def check_gates(case: Case, parameters: Any) -> None:
    gates = {gate.code: gate for gate in evaluate(case, parameters)}
    assert set(gates) >= {code.value for code in needs(case)}
    for code, names in needs(case).items():
        absent = [name for name in names if not available(case, name)]
        if absent:
            assert gates[code.value].result is not Result.PASS, (code, absent, gates[code.value])
    if unsound_legs(case):
        assert gates[C.LIQUIDITY.value].result is not Result.PASS, unsound_legs(case)
    available_weight = sum(abs(f.weight) for f in case.score.features if is_known(case, f.quality))
    whole = sum(abs(f.weight) for f in case.score.features)
    if available_weight / whole < 0.70 - 1e-9:
        assert gates[C.FEATURE_COVERAGE.value].result is not Result.PASS


def is_known(case: Case, quality: str) -> bool:
    return quality == "OFF" or quality in {known.value for known in AVAILABLE}


def available(case: Case, name: str) -> bool:
    metric = case.reading.metrics.get(name)
    return metric is not None and metric.value is not None and metric.quality in AVAILABLE


@settings(max_examples=80, deadline=None)
@given(masked())
def test_no_gate_passes_on_missing_or_stale_input_and_no_signal_without_all_gates(
    given_: tuple[str, Masks],
) -> None:
    day, masks = given_
    values = DAYS[day][0]
    strategy = strategy_of(day)
    body = masks.chain(strategy, values)
    strategy.tick_forward(masks.chain_age)
    kept = {name: None if name in masks.gone else value for name, value in values.items()}
    qualities = {**masks.qualities, **dict.fromkeys(masks.gone, Quality.MISSING)}
    emitted = strategy.evaluate(kept, body=body, qualities=qualities, after=0.0)
    parameters = strategy.state.parameters
    for direction in strategy.state.bucket.directions:
        found = evaluate_key(strategy.state, ("SPY", direction), strategy.at, always_choose=True)
        assert found is not None
        check_gates(found.case, parameters)
    for signal in emitted:
        if isinstance(signal, SignalValidated):
            assert all_pass(signal.gates)
            assert {gate.code for gate in signal.gates} >= {
                C.LIQUIDITY,
                C.DATA_FRESH,
                C.EV_POSITIVE,
            }


def test_without_a_mask_every_day_gives_its_signal() -> None:
    """Else the property would hold for a stage that never signals."""
    for day, (_, direction) in DAYS.items():
        emitted = strategy_of(day).evaluate(after=0.0)
        (signal,) = [body for body in emitted if isinstance(body, SignalValidated)]
        assert signal.direction is direction and day.startswith(signal.variant)
