"""What cannot be evaluated refuses an entry and is named; it never passes as nothing."""

from __future__ import annotations

from datetime import timedelta

from domain.events.signals import Result
from domain.risk.decide import SCENARIO_CODES
from tests.domain.risk.build import DAY, call_vertical, leg_quote, signal
from tests.domain.risk.desk_story import C, decide, denied, ready


def test_a_proposal_of_an_unplanned_expiry_is_not_left_out_of_the_scenarios() -> None:
    """Scenarios without the proposal would pass whatever it may lose."""
    far = call_vertical(expiry=DAY + timedelta(days=300))
    decision = decide(ready(), signal(far))
    for code in SCENARIO_CODES:
        assert denied(decision, code)
        row = next(check for check in decision.checks if check.code == code)
        assert row.result is Result.UNEVALUABLE
        assert row.input == f"missing: session plan up to {DAY + timedelta(days=300)}"


def test_a_proposal_without_volatility_is_named_and_refused() -> None:
    blind = tuple(
        leg_quote(leg.contract.con_id).model_copy(update={"implied_volatility": 0.0})
        for leg in call_vertical().legs
    )
    decision = decide(ready(), signal(legs=blind))
    assert denied(decision, C.SCENARIO_NEAR) and denied(decision, C.GREEK_DELTA)
    row = next(check for check in decision.checks if check.code == C.SCENARIO_NEAR)
    assert row.input == "missing: volatility of sig-1"


def test_a_signal_of_another_build_is_refused() -> None:
    """Half of a desk on new code and half on old is how a firm was lost in 45 minutes."""
    desk = ready()
    desk.state.build = "another"
    decision = decide(desk)
    assert denied(decision, C.BUILD_AGREES)
    row = next(check for check in decision.checks if check.code == C.BUILD_AGREES)
    assert (row.limit, row.value) == ("another", "test")
