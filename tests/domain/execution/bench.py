"""The trader's stages under a hand-driven clock: what they are given, and what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.event import Body, Recorded, derived_id, event_type
from domain.events.feeds import IbTicksReceived
from domain.events.orders import (
    BrokerConnected,
    BrokerExecution,
    BrokerExecutionSeen,
    BrokerOrderSeen,
    BrokerSnapshotReceived,
    IntentSent,
    OrderCancelIntended,
    OrderIntended,
    OrderModifyIntended,
    SnapshotOrder,
    SnapshotPosition,
)
from domain.events.system import (
    ClockTicked,
    WorkerStarted,
)
from domain.execution.orders import OrderStage
from domain.execution.positions import PositionStage
from domain.execution.stops import StopStage
from domain.instruments import (
    Structure,
)
from domain.stage import Consumer
from tests.domain.execution.execution_build import (
    ACCOUNT,
    START,
    decision,
    execution_of,
    parameters,
    session,
    signal,
    underlying_ticks,
)


@dataclass
class Bench:
    """The trader's own stages under a hand-driven clock; decisions of risk are given."""

    now: datetime = START
    run_id: str = "run1"
    consumer: Consumer[Any] = field(
        default_factory=lambda: Consumer(
            "trader", "test", [OrderStage(), PositionStage(), StopStage()]
        )
    )
    log: list[Recorded] = field(default_factory=list)
    position: int = 0
    exec_number: int = 0
    connection: str = ""

    def give(self, body: Body) -> list[Body]:
        """One input; returns what was emitted for it, and keeps it on the log."""
        self.position += 1
        identity = derived_id("bench", self.position)
        source = Recorded(
            position=self.position,
            stream="test",
            version=self.position,
            type=event_type(body),
            schema=1,
            event_id=identity,
            occurred_at=self.now,
            recorded_at=self.now,
            market_time=self.now,
            causation_id=None,
            correlation_id=identity,
            worker="feeds",
            build="test",
            input_position=None,
            ordinal=0,
            body=body,
        )
        emitted = self.consumer.step(source)
        self.log.append(source)
        self.log += emitted
        return [event.body for event in emitted]

    def wait(self, seconds: float, quotes: Sequence[IbTicksReceived] = ()) -> list[Body]:
        """Time passes; then quotes come and the clock ticks."""
        self.now += timedelta(seconds=seconds)
        emitted: list[Body] = []
        for ticks in quotes:
            emitted += self.give(ticks)
        return emitted + self.give(ClockTicked(worker="trader"))

    def start(self, **snapshot: Any) -> list[Body]:
        """Parameters, session, and a ready connection."""
        self.give(parameters())
        self.give(session())
        self.start_run("run1")
        return self.connect(**snapshot)

    def start_run(self, run_id: str) -> list[Body]:
        self.run_id = run_id
        started = WorkerStarted(
            worker="trader",
            run_id=run_id,
            resumed_after=0,
            build="test",
            stages=(),
            types=(),
            configuration_sha256="",
            python="",
            platform="",
        )
        return self.give(started)

    def connect(
        self, name: str = "c1", next_valid_id: int = 1, account: str = ACCOUNT, **snapshot: Any
    ) -> list[Body]:
        self.connection = name
        connected = BrokerConnected(
            connection=name,
            run_id=self.run_id,
            account=account,
            paper=account.startswith("D"),
            client_id=1,
            server_version=178,
            next_valid_id=next_valid_id,
        )
        return self.give(connected) + self.snapshot(**snapshot)

    def snapshot(
        self,
        open_orders: Sequence[SnapshotOrder] = (),
        completed_orders: Sequence[SnapshotOrder] = (),
        executions: Sequence[BrokerExecution] = (),
        positions: Sequence[SnapshotPosition] = (),
        cash: str = "",
    ) -> list[Body]:
        body = BrokerSnapshotReceived(
            connection=self.connection,
            open_orders=tuple(open_orders),
            completed_orders=tuple(completed_orders),
            executions=tuple(executions),
            positions=tuple(positions),
            account_values={"TotalCashValue": cash} if cash else {},
            taken_at=self.now,
        )
        return self.give(body)

    def market(self, *legs: IbTicksReceived, underlying: float = 600.0) -> list[Body]:
        emitted = self.give(underlying_ticks(underlying, self.now))
        for ticks in legs:
            emitted += self.give(ticks)
        return emitted

    def enter(self, structure: Structure, signal_id: str = "s1", **given: Any) -> list[Body]:
        """A validated signal and an approved decision."""
        units = given.pop("units", 4)
        self.give(signal(structure, signal_id, at=self.now, **given))
        return self.give(decision(signal_id, units, at=self.now))

    def sent(self, intent: OrderIntended | OrderModifyIntended | OrderCancelIntended) -> list[Body]:
        """The shell handed the bytes of the newest such intent over."""
        request = {
            OrderIntended: "place",
            OrderModifyIntended: "modify",
            OrderCancelIntended: "cancel",
        }[type(intent)]
        event = next(e for e in reversed(self.log) if e.body == intent)
        body = IntentSent(
            order_ref=intent.order_ref,
            order_id=intent.order_id,
            intent_id=str(event.event_id),
            request=request,
            revision=getattr(intent, "revision", 0),
            connection=self.connection,
            run_id=self.run_id,
            latency_seconds=0.001,
        )
        return self.give(body)

    def seen(self, row: SnapshotOrder, source: str = "orderStatus") -> list[Body]:
        body = BrokerOrderSeen(
            connection=self.connection,
            source=source,
            order=row,
            average_price=Decimal(0),
            last_price=Decimal(0),
        )
        return self.give(body)

    def fill(
        self, intent: OrderIntended, quantity: int, price: str, exec_id: str = ""
    ) -> list[Body]:
        """An execution of a single-leg order."""
        self.exec_number += 1
        execution = execution_of(
            intent, quantity, price, exec_id or f"0000.{self.exec_number:04d}.01", self.now
        )
        return self.give(BrokerExecutionSeen(connection=self.connection, execution=execution))

    def give_execution(self, execution: BrokerExecution) -> list[Body]:
        return self.give(BrokerExecutionSeen(connection=self.connection, execution=execution))

    def all(self, kind: type[Any]) -> list[Any]:
        """Bodies of one type on the log, in order."""
        return [event.body for event in self.log if isinstance(event.body, kind)]
