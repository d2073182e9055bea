"""The checks that only the processes' lives have: each is fed a corrupt history and fires."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.interactive_brokers.sandbox.state import LedgerView
from domain.event import Body, Recorded
from domain.events.controls import FlattenRequested, HaltRequested
from domain.events.orders import IntentLapsed
from tests.crash.trader_verdict import no_entry_after_a_request, no_exit_refused
from tests.domain.risk.build import Driven
from tests.sim.clock import START
from tests.sim.history import History
from tests.sim.wire import PLACE, Frame

ENTRY, EXIT, STOP = (f"P0123456789abcdef-{kind}1" for kind in "EXS")


def recorded(body: Body, second: float) -> Recorded:
    return Driven().recorded(body, START + timedelta(seconds=second))


def sent(order_ref: str, second: float) -> Frame:
    return Frame(second, 0, PLACE, 7, order_ref)


@pytest.mark.parametrize("kind", [HaltRequested, FlattenRequested])
def test_an_entry_that_leaves_later_than_a_second_after_the_request_is_found(
    kind: type[HaltRequested] | type[FlattenRequested],
) -> None:
    log = (recorded(kind(who="operator", route="api", reason="drill"), 5.0),)
    in_time = (sent(ENTRY, 4.0), sent(ENTRY, 5.9), sent(EXIT, 9.0), sent(STOP, 9.0))
    assert no_entry_after_a_request(History(log, LedgerView(), in_time, ())) == []
    late = (*in_time, sent(ENTRY, 6.1))
    [wrong] = no_entry_after_a_request(History(log, LedgerView(), late, ()))
    assert "left at 6.100, a halt was asked at 5.000" in wrong


def test_an_exit_or_a_stop_that_a_halt_kept_back_is_found() -> None:
    def lapsed(order_ref: str, reason: str) -> Recorded:
        body = IntentLapsed(
            order_ref=order_ref, order_id=7, intent_id="", request="place", reason=reason
        )
        return recorded(body, 6.0)

    sound = (lapsed(ENTRY, "halt: drill"), lapsed(EXIT, "its connection c is gone"))
    assert no_exit_refused(History(sound, LedgerView(), (), ())) == []
    corrupt = (*sound, lapsed(EXIT, "halt: drill"), lapsed(STOP, "halt: drill"))
    assert len(no_exit_refused(History(corrupt, LedgerView(), (), ()))) == 2
