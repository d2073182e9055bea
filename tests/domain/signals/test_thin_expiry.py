"""Too little open interest at the strikes a candidate would take: the next expiry is tried."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from domain.event import Body
from domain.events.signals import ExpiryPassedOver, Result, SignalRaised, SignalValidated
from domain.instruments import Direction
from domain.signals.reading import chain_of
from domain.signals.structure import interest_is_enough
from tests.domain.risk.build import DAY, NOON, none, one, parameters
from tests.domain.signals.build import Strategy, chain_body, metrics
from tests.domain.signals.test_fourteen_dte import thin
from tests.domain.signals.weeks import EXPIRY, RISING, noon, results

BULLISH = ("SPY", Direction.BULLISH)
OTHER = DAY + timedelta(days=38)
FULL = chain_body(NOON, volatility=0.10, expiry=EXPIRY)


def next_chain(strategy: Strategy) -> list[Body]:
    """What the next refresh brings once the nearest expiry is passed over."""
    listed = replace(chain_body(strategy.at, volatility=0.10, expiry=EXPIRY), expiry=OTHER)
    strategy.when(listed)
    return strategy.when(metrics(RISING, strategy.at))


def test_an_expiry_whose_chosen_strikes_are_thin_is_passed_over_and_the_next_one_traded() -> None:
    """589 is sold against 583: 999 contracts are too few, and nothing of it is traded."""
    strategy = noon(RISING)
    emitted = strategy.evaluate(body=thin(FULL, 999, 583))
    told: ExpiryPassedOver = one(emitted, ExpiryPassedOver)
    assert (told.symbol, told.expiry) == ("SPY", EXPIRY)
    assert told.reason == "open interest of 583P 999, least 1000"
    assert told.signal_id == one(emitted, SignalRaised).signal_id
    none(emitted, SignalValidated)
    assert results(strategy, BULLISH)["NO_EXPIRY"] == "fail", "until the next one is there"
    none(strategy.when(metrics(RISING, strategy.at)), ExpiryPassedOver)
    strategy.tick_forward(5)
    signal: SignalValidated = one(next_chain(strategy), SignalValidated)
    assert signal.structure.expiry == OTHER


def test_strikes_too_thin_to_be_candidates_at_all_pass_their_expiry_over_too() -> None:
    """None near the wanted delta has 500 contracts of interest or volume: no structure, but not
    because of prices."""
    body = replace(FULL, open_interest=[499] * len(FULL.con_id), volume=[0] * len(FULL.con_id))
    strategy = noon(RISING)
    told: ExpiryPassedOver = one(strategy.evaluate(body=body), ExpiryPassedOver)
    assert told.reason == "open interest of 583P 499, 589P 499, least 1000"


@pytest.mark.parametrize("volume", [0, 50_000])
def test_no_expiry_is_passed_over_before_its_open_interest_is_known(volume: int) -> None:
    """It is published before the open; when it comes late, the day is not lost for that."""
    count = len(FULL.con_id)
    body = replace(FULL, open_interest=[None] * count, volume=[volume] * count)
    strategy = noon(RISING)
    emitted = strategy.evaluate(body=body)
    none(emitted, ExpiryPassedOver)
    none(emitted, SignalValidated)
    gates = {gate.code: gate for gate in one(emitted, SignalRaised).gates}
    assert gates["OPEN_INTEREST"].result is Result.UNEVALUABLE
    if volume:
        assert gates["OPEN_INTEREST"].reason == "missing: open interest of 589P, 583P"


def test_an_expiry_with_interest_is_kept_also_where_no_structure_fits() -> None:
    strategy = noon(RISING, signals__14d__credit_min=0.5)
    none(strategy.evaluate(body=FULL), ExpiryPassedOver)
    assert results(strategy, BULLISH)["NO_STRIKE"] == "fail"
    none(noon(RISING).evaluate(body=thin(FULL, 1_000, 589, 583)), ExpiryPassedOver)


def test_thin_strikes_that_no_candidate_would_take_pass_nothing_over() -> None:
    none(noon(RISING).evaluate(body=thin(FULL, 10, 560, 570, 600)), ExpiryPassedOver)


def test_an_expiry_on_which_a_signal_of_the_symbol_is_being_entered_is_not_passed_over() -> None:
    """The legs of a valid signal are watched on its chain."""
    strategy = noon(RISING)
    one(strategy.evaluate(body=FULL), SignalValidated)
    falling: dict[str, float | str | None] = {
        **RISING, "fi_s": -0.5, "delta_flow_z": -1.5, "tide_slope_z": -1.5, "sma20": 612.0,
    }  # fmt: skip
    body = replace(FULL, open_interest=[999] * len(FULL.con_id), evaluated_at=strategy.at)
    strategy.when(body)
    emitted = strategy.when(metrics(falling, strategy.at))
    assert one(emitted, SignalRaised).direction is Direction.BEARISH
    none(emitted, ExpiryPassedOver)


def test_another_strategys_expiry_is_none_of_its_business() -> None:
    strategy = Strategy()
    strategy.evaluate()
    assert "SPY" in strategy.state.chains
    told: ExpiryPassedOver = one(noon(RISING).evaluate(body=thin(FULL, 999, 583)), ExpiryPassedOver)
    strategy.when(told)
    assert "SPY" in strategy.state.chains


@pytest.mark.parametrize(("interest", "told"), [(700, 700), (None, 0)])
def test_risk_is_told_the_open_interest_of_each_leg_and_none_where_none_is_known(
    interest: int | None, told: int
) -> None:
    body = chain_body(NOON)
    body = replace(body, open_interest=[interest] * len(body.con_id))
    signal: SignalValidated = one(Strategy().evaluate(body=body), SignalValidated)
    assert {leg.open_interest for leg in signal.risk_inputs.legs} == {told}


def test_unknown_open_interest_is_not_one_contract() -> None:
    row = chain_of(replace(FULL, open_interest=[None] * len(FULL.con_id))).rows[0]
    quiet = replace(row, volume=0)
    assert not interest_is_enough(quiet, parameters(signals__liquidity__interest_min=1.0))
    one_held = replace(quiet, open_interest=1)
    assert interest_is_enough(one_held, parameters(signals__liquidity__interest_min=1.0))
