"""More orders than may leave in a second: what waits for room, what is dropped, what never doubles.

The stages and the queue are the real ones. The rest of the shell is played with the one rule that
matters here: twenty messages in any second, and what finds no room lapses.
"""

from __future__ import annotations

from collections import Counter, deque
from datetime import datetime, timedelta
from typing import Any

from domain.event import Recorded
from domain.events.controls import FlattenStarted
from domain.events.orders import (
    IntentLapsed,
    OrderChanged,
    OrderIntended,
    OrderModifyIntended,
    OrderState,
    Purpose,
)
from domain.events.positions import PositionChanged
from domain.instruments import Structure
from run.send_queue import SendQueue
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import (
    contract,
    decision,
    leg_ticks,
    listed,
    long_call,
    underlying_ticks,
)

SENDS_A_SECOND = 20
POSITIONS = 40


class Shell:
    """Hands over what is new on the log of a bench, in the ranks of the real queue and as far as
    there is room; the rest lapses.

    `placed` has every order whose bytes left, with the time at which they did.
    """

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.placed: dict[str, tuple[OrderIntended, datetime]] = {}
        self.lapsed: Counter[str] = Counter()
        self._queue = SendQueue()
        self._left: deque[datetime] = deque()
        self._done = 0

    def turn(self) -> None:
        """One commit is queued as a whole before anything of it leaves."""
        while self._done < len(self.bench.log):
            new, self._done = self.bench.log[self._done :], len(self.bench.log)
            self._enqueue(new)
            while (members := self._queue.next_send()) is not None:
                self._carry_out(members)

    def _enqueue(self, new: list[Recorded]) -> None:
        bracket: list[Recorded] = []
        for event in new:
            match event.body:
                case OrderModifyIntended():
                    self._queue.put_change(event)
                case OrderIntended(transmit=False):
                    bracket.append(event)
                case OrderIntended() as body:
                    is_exit = not bracket and not body.is_entry
                    (self._queue.put_exit if is_exit else self._queue.put_entry)(*bracket, event)
                    bracket = []
                case _:
                    pass

    def _carry_out(self, members: tuple[Recorded, ...]) -> None:
        has_room = self._room() >= len(members)
        for event in members:
            body = event.body
            assert isinstance(body, OrderIntended | OrderModifyIntended)
            if has_room:
                self._left.append(self.bench.now)
                self._send(body)
            else:
                self._lapse(str(event.event_id), body)

    def _room(self) -> int:
        now = self.bench.now
        while self._left and now - self._left[0] > timedelta(seconds=1):
            self._left.popleft()
        return SENDS_A_SECOND - len(self._left)

    def _send(self, body: OrderIntended | OrderModifyIntended) -> None:
        self.bench.sent(body)
        if isinstance(body, OrderIntended):
            self.placed[body.order_ref] = body, self.bench.now
            rests = body.purpose is Purpose.PROTECTIVE_STOP
            row = listed(body, "PreSubmitted", why_held="trigger") if rests else listed(body)
            self.bench.seen(row)
            return
        order, at = self.placed[body.order_ref]
        names = ("quantity", "limit_price", "stop_price")
        shown = order.model_copy(update={name: getattr(body, name) for name in names})
        self.placed[body.order_ref] = shown, at
        self.bench.seen(listed(shown), "openOrder")

    def _lapse(self, intent_id: str, body: OrderIntended | OrderModifyIntended) -> None:
        request = "place" if isinstance(body, OrderIntended) else "modify"
        self.lapsed[request] += 1
        told = IntentLapsed(
            order_ref=body.order_ref,
            order_id=body.order_id,
            intent_id=intent_id,
            request=request,
            reason="sends must be at most 20 a second, was one more",
        )
        self.bench.give(told)


def structures(count: int) -> list[Structure]:
    return [long_call(600 + number) for number in range(count)]


def held_positions(count: int) -> tuple[Bench, Shell]:
    """So many calls bought at 2.00, with a stop of each at the broker."""
    bench = Bench()
    bench.start()
    shell = Shell(bench)
    for number, structure in enumerate(structures(count)):
        bench.now += timedelta(seconds=7)
        bench.market(leg_ticks(structure.legs[0].contract, 1.98, 2.02, bench.now))
        bodies = bench.enter(structure, f"s{number}", units=1)
        shell.turn()
        entry = next(body for body in bodies if isinstance(body, OrderIntended))
        bench.fill(entry, 1, "2.00")
        bench.seen(listed(entry, "Filled", 1))
    return bench, shell


def quotes(bench: Bench, count: int) -> None:
    bench.give(underlying_ticks(600.0, bench.now))
    for structure in structures(count):
        bench.give(leg_ticks(structure.legs[0].contract, 1.98, 2.02, bench.now))


def exits_of(shell: Shell) -> list[tuple[OrderIntended, datetime]]:
    return [row for row in shell.placed.values() if row[0].purpose is Purpose.EXIT]


def test_exits_beyond_the_room_of_a_second_all_leave_within_seconds_and_none_leaves_twice() -> None:
    """Forty positions are closed at once; their changes of price want the same room."""
    bench, shell = held_positions(POSITIONS)
    bench.now += timedelta(seconds=2)
    quotes(bench, POSITIONS)
    began = bench.now
    everything = tuple(dict.fromkeys(c.position_id for c in bench.all(PositionChanged)))
    assert len(everything) == POSITIONS
    bench.give(FlattenStarted(who="x", reason="y", positions=everything))
    shell.turn()
    assert len(exits_of(shell)) == SENDS_A_SECOND
    assert shell.lapsed["place"] == POSITIONS - SENDS_A_SECOND
    for _ in range(10):
        bench.wait(1)
        quotes(bench, POSITIONS)
        shell.turn()
    left = exits_of(shell)
    assert Counter(order.position_id for order, _ in left) == dict.fromkeys(everything, 1)
    assert max(at for _, at in left) - began <= timedelta(seconds=5)
    for order, _ in left:
        bench.fill(order, 1, "1.98")
        bench.seen(listed(order, "Filled", 1))
    for _ in range(5):
        bench.wait(1)
        quotes(bench, POSITIONS)
        shell.turn()
    assert len(exits_of(shell)) == POSITIONS, "what is sold is not sold again"


def test_an_entry_that_lapsed_is_dropped_and_never_decided_again() -> None:
    """An exit with a higher id overtook it, or there was no room: its signal is spent by then."""
    bench = Bench()
    bench.start()
    bench.market(leg_ticks(contract(), 1.98, 2.02))
    entry, stop = [b for b in bench.enter(long_call()) if isinstance(b, OrderIntended)]
    for intent in (entry, stop):
        event = next(e for e in bench.log if e.body == intent)
        told: dict[str, Any] = {"order_ref": intent.order_ref, "order_id": intent.order_id}
        reason = "order id must be above 99, was one below"
        bench.give(
            IntentLapsed(**told, intent_id=str(event.event_id), request="place", reason=reason)
        )
    ended = {c.order_ref: c.state for c in bench.all(OrderChanged)}
    assert ended == {entry.order_ref: OrderState.LAPSED, stop.order_ref: OrderState.LAPSED}
    bench.give(decision(at=bench.now))
    for _ in range(5):
        bench.market(leg_ticks(contract(), 1.98, 2.02, bench.now))
        bench.wait(1)
    assert bench.all(OrderIntended) == [entry, stop]
