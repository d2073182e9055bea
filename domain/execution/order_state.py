"""The order state machine: which moves are possible, and what a broker's status means.

An illegal move is a defect. Late, repeated and reordered callbacks are no moves at all:
`state_after_status` decides what a status may change. Used by order_book.py and reconcile.py.
"""

from __future__ import annotations

from enum import StrEnum

from domain.events.orders import OrderState

_S = OrderState
_LIVE = frozenset({_S.WORKING, _S.HELD, _S.CANCEL_REQUESTED})
_ENDED = frozenset({_S.FILLED, _S.CANCELLED, _S.REJECTED})

MOVES: dict[OrderState, frozenset[OrderState]] = {
    _S.INTENDED: _LIVE | _ENDED | {_S.SENT, _S.LAPSED, _S.UNKNOWN},
    _S.SENT: _LIVE | _ENDED | {_S.UNKNOWN},
    _S.WORKING: _LIVE | _ENDED | {_S.UNKNOWN},
    _S.HELD: _LIVE | _ENDED | {_S.UNKNOWN},
    _S.CANCEL_REQUESTED: _LIVE | _ENDED | {_S.UNKNOWN},
    _S.UNKNOWN: _LIVE | _ENDED | {_S.LAPSED, _S.ABANDONED},
    # A bust takes a fill back: the order stays ended. A list may show it with more units than we
    # knew of: then it is not full, and works.
    _S.FILLED: _LIVE | {_S.CANCELLED, _S.REJECTED, _S.UNKNOWN},
    _S.CANCELLED: _LIVE | {_S.FILLED},
    _S.REJECTED: _LIVE | {_S.FILLED, _S.CANCELLED},
    _S.LAPSED: frozenset(),
    _S.ABANDONED: _LIVE | _ENDED,
}
"""From each state, the states that evidence can lead to; staying is always allowed."""


class IllegalMove(AssertionError):
    """An order was moved where it cannot go: a defect, the process must stop."""


def check_move(order_ref: str, before: OrderState, after: OrderState) -> None:
    """Raises IllegalMove."""
    if after is not before and after not in MOVES[before]:
        raise IllegalMove(
            f"{order_ref}: from {before.value} the state must become one of "
            f"{sorted(s.value for s in MOVES[before])}, was {after.value}"
        )


class Standing(StrEnum):
    """What a broker's status text says about an order."""

    PENDING = "pending"
    """On its way: no evidence yet that it works."""
    LIVE = "live"
    WAITING = "waiting"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FILLED = "filled"
    REFUSED = "refused"
    """Inactive: refused, or asleep; a later status can revive it."""


_STANDINGS = {
    "PendingSubmit": Standing.PENDING,
    "ApiPending": Standing.PENDING,
    "ValidationError": Standing.PENDING,
    "PreSubmitted": Standing.WAITING,
    "Submitted": Standing.LIVE,
    "PendingCancel": Standing.CANCELLING,
    "Cancelled": Standing.CANCELLED,
    "ApiCancelled": Standing.CANCELLED,
    "Filled": Standing.FILLED,
    "Inactive": Standing.REFUSED,
}


def standing(status: str) -> Standing:
    """A status text that this build does not know proves nothing: PENDING."""
    return _STANDINGS.get(status, Standing.PENDING)


def state_after_status(state: OrderState, status: str, *, was_refused: bool) -> OrderState:
    """Our state after a status callback. `was_refused`: the broker gave a refusal as well.

    An ended order is never revived by a callback, which may be an old one repeated: only a
    snapshot can do that (reconcile.py). An abandoned one is taken at its word at once, because
    it must be cancelled on sight. Filled is reached by counting executions, not by a status.
    """
    if state.is_final and state is not _S.ABANDONED:
        return state
    match standing(status):
        case Standing.PENDING | Standing.FILLED:
            return state
        case Standing.LIVE | Standing.WAITING if state is _S.CANCEL_REQUESTED:
            return state
        case Standing.LIVE:
            return _S.WORKING
        case Standing.WAITING:
            return _S.HELD
        case Standing.CANCELLING:
            return _S.CANCEL_REQUESTED
        case Standing.CANCELLED:
            return _S.CANCELLED
        case Standing.REFUSED:
            if was_refused:
                return _S.REJECTED
            return state if state is _S.ABANDONED else _S.UNKNOWN
