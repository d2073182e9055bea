"""Money that comes or goes is no profit or loss: asked for by the operator, decided by risk."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from domain.events.controls import ControlRefused
from domain.events.risk import CashFlowRecorded, CashFlowRequested
from tests.domain.risk.build import none, one
from tests.domain.risk.desk_story import ready


def request(amount: str = "-60000.00", **changes: Any) -> CashFlowRequested:
    asked = CashFlowRequested(
        amount=Decimal(amount),
        evidence="wire 8841 of today",
        who="ann",
        route="api",
        reason="the rent",
        reauthenticated=True,
    )
    return asked.model_copy(update=changes)


def test_a_withdrawal_is_recorded_with_who_why_and_where_it_is_written() -> None:
    recorded = one(ready().when(request()), CashFlowRecorded)
    assert recorded == CashFlowRecorded(
        amount=Decimal("-60000.00"), who="ann", reason="the rent (wire 8841 of today)"
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"amount": Decimal(0)}, "other than 0"),
        ({"amount": Decimal("1.005")}, "dollars and cents"),
        ({"reason": " "}, "name both"),
        ({"evidence": ""}, "name both"),
        ({"reauthenticated": False}, "give the password"),
    ],
)
def test_a_flow_that_is_not_said_in_full_is_refused_with_what_to_do(
    changes: dict[str, Any], told: str
) -> None:
    emitted = ready().when(request(**changes))
    assert told in one(emitted, ControlRefused).reason
    assert none(emitted, CashFlowRecorded)


def test_the_same_flow_is_not_recorded_twice_before_the_account_shows_it() -> None:
    """A press that is repeated would forgive a loss of the same amount."""
    desk = ready()
    desk.when(request())
    emitted = desk.when(request())
    assert "ask for a second one when it has" in one(emitted, ControlRefused).reason
    assert none(emitted, CashFlowRecorded)
