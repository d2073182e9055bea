"""What must hold after a life of the trader's processes: all that must hold after a simulated one,
and what is promised from the moment at which a halt is asked.
"""

from __future__ import annotations

from domain.events.orders import IntentLapsed
from domain.execution.references import opens
from tests.sim.clock import START
from tests.sim.history import History
from tests.sim.oracle import CHECKS, HALT_SECONDS, no_entry_after_a_halt
from tests.sim.wire import PLACE


def wrongs_of(whole: History, after: int, began_at: float) -> list[str]:
    """Every wrong of a row so far, with the check that found it. What a halt forbids is asked of
    the newest life alone, which began after a position and second: the halts before are released.
    """
    life = History(
        tuple(event for event in whole.log if event.position > after),
        whole.ledger,
        tuple(frame for frame in whole.wire if frame.at >= began_at),
        whole.prices,
    )
    halts = (no_entry_after_a_halt, no_entry_after_a_request, no_exit_refused)
    asked = [(check, whole) for check in CHECKS if check is not no_entry_after_a_halt]
    asked += [(check, life) for check in halts]
    return [f"{check.__name__}: {wrong}" for check, history in asked for wrong in check(history)]


def no_entry_after_a_request(history: History) -> list[str]:
    """From a second after the operator's request is on the log no byte leaves that raises risk,
    also when the trader stood still and decided nothing."""
    asked = [
        (event.recorded_at - START).total_seconds()
        for event in history.log
        if event.type in ("HaltRequested", "FlattenRequested")
    ]
    return [
        f"{frame.order_ref} left at {frame.at:.3f}, a halt was asked at {asked[0]:.3f}"
        for frame in history.wire
        if asked
        and frame.kind == PLACE
        and opens(frame.order_ref)
        and frame.at > asked[0] + HALT_SECONDS
    ]


def no_exit_refused(history: History) -> list[str]:
    """A halt stops entries alone: no exit and no protective stop lapses because of it."""
    return [
        f"{event.body.order_ref} lapsed: {event.body.reason}"
        for event in history.log
        if isinstance(event.body, IntentLapsed)
        and event.body.reason.startswith("halt")
        and not opens(event.body.order_ref)
    ]
