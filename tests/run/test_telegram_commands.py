"""Commands about one position on Telegram: said in full or not at all."""

from __future__ import annotations

from decimal import Decimal

import pytest

from domain.events.controls import TradeCancelRequested
from domain.events.positions import ExitPlanChangeRequested
from run.telegram import trade_request

POSITION = "P00000000000000aa"


def test_closing_names_who_why_and_route() -> None:
    assert trade_request("/close", f"{POSITION} bad news", "ann") == TradeCancelRequested(
        position_id=POSITION, signal_id="", who="ann", route="telegram", reason="bad news"
    )


@pytest.mark.parametrize(
    ("command", "stop", "target"),
    [("/stop", Decimal("1.90"), None), ("/target", None, Decimal("1.90"))],
)
def test_a_price_changes_what_the_command_names(
    command: str, stop: Decimal | None, target: Decimal | None
) -> None:
    asked = trade_request(command, f"{POSITION} 1.90 bad news", "ann")
    assert asked == ExitPlanChangeRequested(
        position_id=POSITION,
        stop_price=stop,
        target_price=target,
        time_stop_at=None,
        who="ann",
        route="telegram",
        reason="bad news",
    )


@pytest.mark.parametrize(
    ("command", "argument"),
    [
        ("/close", ""),
        ("/close", "everything"),
        ("/stop", POSITION),
        ("/stop", f"{POSITION} all"),
        ("/target", f"{POSITION} 1e9 fat finger"),
        ("/stops", f"{POSITION} 1.90"),
    ],
)
def test_a_command_that_is_not_said_in_full_changes_nothing(command: str, argument: str) -> None:
    assert trade_request(command, argument, "ann") is None
