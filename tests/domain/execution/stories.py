"""Lives that the execution tests begin with: an order sent, working, held, on its way out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from domain.events.controls import FlattenStarted
from domain.events.feeds import IbBarReceived
from domain.events.orders import (
    OrderChanged,
    OrderIntended,
    OrderState,
    Purpose,
)
from domain.events.positions import (
    PositionOpened,
)
from domain.instruments import OptionContract
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import (
    contract,
    debit_vertical,
    execution_of,
    leg_ticks,
    listed,
    long_call,
    underlying_ticks,
)

LEG = contract()


def only(bodies: list[Any], kind: type[Any]) -> list[Any]:
    return [body for body in bodies if isinstance(body, kind)]


def quotes(
    bench: Bench, bid: float = 1.98, ask: float = 2.02, underlying: float = 600.0
) -> list[Any]:
    at = bench.now
    return [underlying_ticks(underlying, at), leg_ticks(LEG, bid, ask, at)]


def ready(**snapshot: Any) -> Bench:
    bench = Bench()
    bench.start(**snapshot)
    bench.market(leg_ticks(LEG, 1.98, 2.02))
    return bench


def entered(bench: Bench | None = None, **given: Any) -> tuple[Bench, OrderIntended, OrderIntended]:
    """A single long option, sent: parent and stop."""
    bench = bench or ready()
    parent, stop = only(bench.enter(long_call(), **given), OrderIntended)
    bench.sent(parent)
    bench.sent(stop)
    return bench, parent, stop


def working(bench: Bench | None = None, **given: Any) -> tuple[Bench, OrderIntended, OrderIntended]:
    bench, parent, stop = entered(bench, **given)
    bench.seen(listed(parent))
    bench.seen(listed(stop, "PreSubmitted", why_held="child,trigger"))
    return bench, parent, stop


def holding(
    units: int = 4, bench: Bench | None = None, **given: Any
) -> tuple[Bench, OrderIntended, OrderIntended]:
    """Calls bought at 2.00; their stop rests at the broker."""
    bench, parent, stop = working(bench, units=units, **given)
    bench.fill(parent, units, "2.00")
    bench.seen(listed(parent, "Filled", units))
    bench.seen(listed(stop, "PreSubmitted", why_held="trigger"))
    return bench, parent, stop


def flatten(bench: Bench) -> list[Any]:
    position = bench.all(PositionOpened)[-1].position_id
    return bench.give(FlattenStarted(who="x", reason="y", positions=(position,)))


def leaving() -> tuple[Bench, OrderIntended, OrderIntended]:
    """A position whose exit works: bench, stop, exit."""
    bench, _, stop = holding()
    bench.market(leg_ticks(LEG, 1.98, 2.02, bench.now))
    (intent,) = only(flatten(bench), OrderIntended)
    bench.sent(intent)
    bench.seen(listed(intent))
    return bench, stop, intent


def holding_vertical() -> tuple[Bench, OptionContract, OptionContract, OrderIntended]:
    """Four verticals bought: bench, the leg bought, the leg sold, entry."""
    bench = Bench()
    bench.start()
    long, short = contract(600), contract(605)
    bench.market(leg_ticks(long, 3.0, 3.04), leg_ticks(short, 1.0, 1.02))
    (entry,) = only(bench.enter(debit_vertical(), mid="2.01"), OrderIntended)
    bench.sent(entry)
    for leg, price in ((0, "3.02"), (1, "1.01")):
        bench.give_execution(execution_of(entry, 4, price, f"e.0{leg + 2}.01", bench.now, leg=leg))
    return bench, long, short, entry


def leaving_vertical() -> tuple[Bench, OptionContract, OptionContract, OrderIntended]:
    """Four verticals whose exit works: bench, the leg bought, the leg sold, exit."""
    bench, long, short, entry = holding_vertical()
    bench.seen(listed(entry, "Filled", 4))
    flatten(bench)
    (intent,) = exits(bench)
    bench.sent(intent)
    bench.seen(listed(intent))
    return bench, long, short, intent


def exits(bench: Bench) -> list[OrderIntended]:
    return [i for i in bench.all(OrderIntended) if i.purpose is Purpose.EXIT]


def states(bench: Bench, ref: str) -> list[OrderState]:
    return [change.state for change in bench.all(OrderChanged) if change.order_ref == ref]


def bar(at: datetime, price: float) -> IbBarReceived:
    return IbBarReceived(
        con_id=1,
        symbol="SPY",
        connection="d",
        received_at=at,
        start=at,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=100.0,
        wap=price,
        count=10,
    )
