"""A small log of the desk's own stages: a refused signal, an entry with its fill, its messages.

What the vendors would say is written by hand; what the desk decides comes from the stages that
run/workers.py gives to its workers. No process, no sandbox, no real time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from domain.event import Body, Recorded, derived_id
from domain.events.controls import HaltRequested, ReleaseRequested
from domain.events.orders import (
    BrokerConnected,
    BrokerExecutionSeen,
    BrokerOrderSeen,
    BrokerSnapshotReceived,
    IntentSent,
    OrderIntended,
)
from domain.events.publication import DeliveryAttempted, DeliveryConfirmed
from domain.events.signals import SignalRaised, SignalValidated
from domain.events.system import ClockStarted, ClockTicked, ParametersChanged
from domain.parameters import PARAMETERS
from run.build import build_id
from run.config import Settings
from run.worker import Recorder, Worker
from run.workers import WORKERS, deciding_sha256
from store.contract import Selection
from tests.domain.execution import execution_build as build
from tests.domain.risk import build as risk_build

DAY = build.DAY
START = build.START
SIGNAL = "s1"
MESSAGE = "990001"
CONNECTION = "c"
SECRET = "a publication secret of the tests"


def settings_of(database_url: str) -> Settings:
    return Settings(
        DATABASE_URL=database_url,
        REDIS_URL="redis://127.0.0.1:1/0",
        publication_secret=SECRET,
    )


class SmallLog:
    """Writes the story onto a store.

    `page` is how many inputs a worker takes at a time; one that `recovers` drops its memory and
    folds the log before each turn and after each commit. `parameters` differ from the defaults.
    """

    def __init__(
        self,
        store: Any,
        settings: Settings,
        page: int = 500,
        *,
        recovers: bool = False,
        **parameters: float,
    ) -> None:
        self.store = store
        self.now: datetime = START
        self._page = page
        self._recovers = recovers
        self._parameters = parameters
        self._vendors = Recorder(store, "feeds", build_id(), "vendors")
        self.workers = {
            name: Worker(
                name,
                stages(settings),
                store,
                build_id(),
                configuration_sha256=deciding_sha256(name, settings),
            )
            for name, stages in WORKERS.items()
        }

    async def tell(
        self,
        *bodies: Body,
        stream: str = "test",
        story: str = "",
        cause: Recorded | None = None,
    ) -> None:
        """Facts from outside, in one append at the present market time."""
        given: dict[str, Any] = {
            "market_time": self.now,
            "correlation_id": derived_id("signal", story) if story else None,
            "causation_id": None if cause is None else cause.event_id,
        }
        await self._vendors.append(
            [self._vendors.propose(stream, body, **given) for body in bodies]
        )

    async def turn(self) -> None:
        """Let every worker consume until nothing new comes."""
        head = -1
        while head != await self.store.head():
            head = await self.store.head()
            for worker in self.workers.values():
                if self._recovers:
                    await worker.recover()
                while worker.position < head:
                    await self._take(worker, head)

    async def _take(self, worker: Worker, head: int) -> None:
        events = await self.store.read(worker.position, worker.selection, self._page, head)
        whole = len(events) < self._page
        committed = await worker.take(events, head if whole else events[-1].position)
        if committed and self._recovers:
            await worker.recover()

    async def wait(self, seconds: float) -> None:
        """Time passes for every worker."""
        self.now += timedelta(seconds=seconds)
        for name in self.workers:
            await self.tell(ClockTicked(worker=name), stream=f"clock/{name}")
        await self.turn()

    async def newest(self, kind: type[Any], holds: Callable[[Any], bool] = bool) -> Recorded:
        found = await self.store.read(0, Selection(types=frozenset({kind.__name__})))
        return [event for event in found if holds(event.body)][-1]

    async def write(self) -> None:
        """The whole story."""
        values = {name: parameter.default for name, parameter in PARAMETERS.items()}
        values |= self._parameters
        await self.tell(ParametersChanged(values=values, version=1, who="test", why="start"))
        clock = ClockStarted(base_market_time=START, speed=0.0, session_date=DAY)
        await self.tell(clock, risk_build.session_planned())
        for worker in self.workers.values():
            await worker.start()
        await self._connect()
        await self._entry()
        await self._fill()
        await self._signal("s2")
        await self.wait(61)
        await self._halt_and_release()
        await self.wait(300)

    async def _connect(self) -> None:
        trader = self.workers["trader"]
        await self.tell(
            BrokerConnected(
                connection=CONNECTION,
                run_id=trader.run_id,
                account=build.ACCOUNT,
                paper=True,
                client_id=1,
                server_version=178,
                next_valid_id=1,
            ),
            BrokerSnapshotReceived(
                connection=CONNECTION,
                open_orders=(),
                completed_orders=(),
                executions=(),
                positions=(),
                account_values={},
                taken_at=self.now,
            ),
            stream="broker",
        )
        await self.wait(1)
        await self._refused_signal()

    async def _refused_signal(self) -> None:
        """Nothing is known of the account yet: an entry fails closed."""
        await self._signal("s0")
        await self.turn()

    async def _signal(self, signal_id: str) -> None:
        shape = risk_build.long_call()
        signal = risk_build.signal(shape, signal_id=signal_id, at=self.now, mid="2.00")
        told = (_raised(signal), signal)
        await self.tell(*told, stream=f"signal/{signal_id}", story=signal_id)

    async def _entry(self) -> None:
        self.now += timedelta(seconds=1)
        await self.tell(risk_build.account(), risk_build.account(), stream="broker")
        quotes = build.leg_ticks(risk_build.contract(600), 1.98, 2.02, self.now)
        await self.tell(build.underlying_ticks(600.0, self.now), quotes)
        await self._signal(SIGNAL)
        await self.turn()

    async def _fill(self) -> None:
        """What shell and broker say of the entry, and Discord of its first message."""
        intended = await self.newest(OrderIntended, lambda body: body.is_entry)
        intent: Any = intended.body
        sent = IntentSent(
            order_ref=intent.order_ref,
            order_id=intent.order_id,
            intent_id=str(intended.event_id),
            request="place",
            revision=0,
            connection=CONNECTION,
            run_id=self.workers["trader"].run_id,
            latency_seconds=0.001,
        )
        await self.tell(
            sent, stream=f"order-sends/{intent.order_ref}", story=SIGNAL, cause=intended
        )
        await self.tell(self._seen(intent, "Submitted", 0), stream="broker")
        execution = build.execution_of(intent, intent.quantity, "2.00", "0000.0001.01", self.now)
        await self.tell(
            BrokerExecutionSeen(connection=CONNECTION, execution=execution),
            self._seen(intent, "Filled", intent.quantity),
            stream="broker",
        )
        await self.turn()
        await self.wait(1)
        attempted = await self.newest(DeliveryAttempted)
        confirmed = DeliveryConfirmed(
            delivery_id=attempted.body.delivery_id,
            remote_id=MESSAGE,
            remote_at=None,
            via="response",
        )
        stream = f"delivery-outcomes/{confirmed.delivery_id}"
        await self.tell(confirmed, stream=stream, story=SIGNAL, cause=attempted)
        await self.turn()

    def _seen(self, intent: OrderIntended, status: str, filled: int) -> BrokerOrderSeen:
        row = build.listed(intent, status, filled)
        return BrokerOrderSeen(
            connection=CONNECTION,
            source="orderStatus",
            order=row,
            average_price=intent.limit_price,
            last_price=intent.limit_price,
        )

    async def _halt_and_release(self) -> None:
        await self.tell(HaltRequested(who="o", route="cli", reason="drill"), stream="control/cli")
        await self.turn()
        release = ReleaseRequested(who="o", route="cli", reason="over", reauthenticated=True)
        await self.tell(release, stream="control/cli")
        await self.turn()


def _raised(signal: SignalValidated) -> SignalRaised:
    """The candidate that a valid signal was before."""
    shared = {name: getattr(signal, name) for name in SignalRaised.model_fields}
    return SignalRaised(**shared)


async def whole(store: Any) -> Sequence[Recorded]:
    """Every event of a log that fits one page."""
    events: Sequence[Recorded] = await store.read(0)
    return events
