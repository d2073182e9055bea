"""Every move of the order state machine, possible or not, and what callbacks may change."""

from __future__ import annotations

import pytest

from domain.events.orders import OrderState
from domain.execution.order_state import (
    MOVES,
    IllegalMove,
    check_move,
    standing,
    state_after_status,
)

S = OrderState
# Rows: from. Columns: to, in the order of COLUMNS. x is possible.
COLUMNS = tuple(OrderState)
TABLE = {
    #                INT SEN WOR HEL CRQ UNK FIL CAN REJ LAP ABA
    S.INTENDED: "         .   x   x   x   x   x   x   x   x   x   . ",
    S.SENT: "             .   .   x   x   x   x   x   x   x   .   . ",
    S.WORKING: "          .   .   .   x   x   x   x   x   x   .   . ",
    S.HELD: "             .   .   x   .   x   x   x   x   x   .   . ",
    S.CANCEL_REQUESTED: " .   .   x   x   .   x   x   x   x   .   . ",
    S.UNKNOWN: "          .   .   x   x   x   .   x   x   x   x   x ",
    S.FILLED: "           .   .   x   x   x   x   .   x   x   .   . ",
    S.CANCELLED: "        .   .   x   x   x   .   x   .   .   .   . ",
    S.REJECTED: "         .   .   x   x   x   .   x   x   .   .   . ",
    S.LAPSED: "           .   .   .   .   .   .   .   .   .   .   . ",
    S.ABANDONED: "        .   .   x   x   x   .   x   x   x   .   . ",
}
ROWS = [
    (before, after, mark == "x")
    for before, marks in TABLE.items()
    for after, mark in zip(COLUMNS, marks.split(), strict=True)
    if before is not after
]


def test_the_table_names_every_state() -> None:
    assert set(TABLE) == set(OrderState) == set(MOVES)


@pytest.mark.parametrize(("before", "after", "possible"), ROWS)
def test_a_move_is_possible_exactly_when_the_table_says_so(
    before: OrderState, after: OrderState, possible: bool
) -> None:
    if possible:
        check_move("x", before, after)
    else:
        with pytest.raises(IllegalMove, match=f"from {before.value}"):
            check_move("x", before, after)


@pytest.mark.parametrize("state", list(OrderState))
def test_staying_in_a_state_is_no_move(state: OrderState) -> None:
    check_move("x", state, state)


@pytest.mark.parametrize("state", [S.FILLED, S.CANCELLED, S.REJECTED, S.LAPSED])
@pytest.mark.parametrize("status", ["Submitted", "PreSubmitted", "Cancelled", "Inactive", "Filled"])
def test_a_late_callback_never_revives_an_ended_order(state: OrderState, status: str) -> None:
    assert state_after_status(state, status, was_refused=True) is state


def test_a_status_of_filled_is_no_fill() -> None:
    assert state_after_status(S.WORKING, "Filled", was_refused=False) is S.WORKING


def test_inactive_without_an_error_is_unknown_and_not_a_rejection() -> None:
    assert state_after_status(S.SENT, "Inactive", was_refused=False) is S.UNKNOWN
    assert state_after_status(S.SENT, "Inactive", was_refused=True) is S.REJECTED


def test_an_abandoned_order_that_turns_up_is_taken_at_its_word() -> None:
    assert state_after_status(S.ABANDONED, "Submitted", was_refused=False) is S.WORKING
    assert state_after_status(S.ABANDONED, "Inactive", was_refused=False) is S.ABANDONED


def test_a_requested_cancel_is_not_forgotten_when_an_older_status_comes() -> None:
    assert state_after_status(S.CANCEL_REQUESTED, "Submitted", was_refused=False) is (
        S.CANCEL_REQUESTED
    )


@pytest.mark.parametrize("status", ["", "Sleeping", "PendingSubmit", "ValidationError"])
def test_a_status_that_proves_nothing_changes_nothing(status: str) -> None:
    assert standing(status).value == "pending"
    assert state_after_status(S.SENT, status, was_refused=False) is S.SENT
