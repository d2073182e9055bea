"""Commands on Telegram: carried out when said in full, else answered with how they are said."""

from __future__ import annotations

from decimal import Decimal

import pytest

from domain.events.controls import FlattenRequested, HaltRequested, TradeCancelRequested
from domain.events.positions import ExitPlanChangeRequested
from run.telegram_commands import NO_REASON, understood

POSITION = "P00000000000000aa"


def test_closing_names_who_why_and_route() -> None:
    assert understood(f"/close {POSITION} bad news", "ann").request == TradeCancelRequested(
        position_id=POSITION, signal_id="", who="ann", route="telegram", reason="bad news"
    )


@pytest.mark.parametrize(
    ("command", "stop", "target"),
    [("/stop", Decimal("1.90"), None), ("/target", None, Decimal("1.90"))],
)
def test_a_price_changes_what_the_command_names(
    command: str, stop: Decimal | None, target: Decimal | None
) -> None:
    asked = understood(f"{command} {POSITION} 1.90 bad news", "ann").request
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
def test_a_command_that_is_not_said_in_full_does_nothing_and_is_told_its_usage(
    command: str, argument: str
) -> None:
    said = understood(f"{command} {argument}", "ann")
    assert said.request is None
    assert "does nothing" in said.reply or "Nothing was done" in said.reply
    assert "POSITION" in said.reply and "REASON" in said.reply


@pytest.mark.parametrize("text", ["/hlat now", "halt", "close it", "/"])
def test_a_mistyped_command_is_told_that_nothing_was_done(text: str) -> None:
    said = understood(text, "ann")
    assert said.request is None
    assert "does nothing" in said.reply and "/halt REASON stops entries" in said.reply


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("/halt", NO_REASON),
        ("/Halt@striketape_bot quotes look wrong", "quotes look wrong"),
        ("  /halt   now ", "now"),
    ],
)
def test_a_halt_needs_no_reason_and_may_name_the_bot(text: str, reason: str) -> None:
    halt = HaltRequested(who="ann", route="telegram", reason=reason)
    assert understood(text, "ann").request == halt


def test_a_flatten_is_asked_for_by_its_name_alone() -> None:
    assert understood("/flatten leaving", "ann").request == FlattenRequested(
        who="ann", route="telegram", reason="leaving"
    )
