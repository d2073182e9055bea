"""Builders for the execution and crash tests: parameters, a session, signals, decisions, quotes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
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
from domain.events.risk import RiskDecided
from domain.events.signals import ExitPlan, LegQuote, RiskInputs, SignalValidated
from domain.events.system import (
    ClockTicked,
    ParametersChanged,
    PlannedDay,
    SessionPlanned,
    WorkerStarted,
)
from domain.execution.orders import OrderStage
from domain.execution.parameters import PARAMETERS
from domain.execution.positions import PositionStage
from domain.execution.stops import StopStage
from domain.instruments import (
    Direction,
    Leg,
    OptionContract,
    Right,
    Strategy,
    Structure,
    StructureKind,
)
from domain.risk.parameters import PARAMETERS as RISK_PARAMETERS
from domain.signals.parameters import PARAMETERS as SIGNAL_PARAMETERS
from domain.stage import Consumer

DAY = date(2026, 10, 6)
OPEN = datetime(2026, 10, 6, 13, 30, tzinfo=UTC)
CLOSE = datetime(2026, 10, 6, 20, 0, tzinfo=UTC)
START = datetime(2026, 10, 6, 14, 30, tzinfo=UTC)
ACCOUNT = "DU1234567"
UNDERLYING_CON_ID = 756733


def contract(strike: int = 600, right: Right = Right.CALL, con_id: int = 0) -> OptionContract:
    return OptionContract(
        con_id=con_id or strike * 10 + (1 if right is Right.CALL else 2),
        symbol="SPY",
        expiry=DAY,
        strike=Decimal(strike),
        right=right,
    )


def long_call(strike: int = 600) -> Structure:
    return Structure(
        kind=StructureKind.LONG_OPTION, legs=(Leg(contract=contract(strike), ratio=1),)
    )


def debit_vertical() -> Structure:
    return Structure(
        kind=StructureKind.DEBIT_VERTICAL,
        legs=(Leg(contract=contract(600), ratio=1), Leg(contract=contract(605), ratio=-1)),
    )


def credit_vertical() -> Structure:
    return Structure(
        kind=StructureKind.CREDIT_VERTICAL,
        legs=(
            Leg(contract=contract(590, Right.PUT), ratio=-1),
            Leg(contract=contract(585, Right.PUT), ratio=1),
        ),
    )


def condor() -> Structure:
    return Structure(
        kind=StructureKind.IRON_CONDOR,
        legs=(
            Leg(contract=contract(590, Right.PUT), ratio=-1),
            Leg(contract=contract(587, Right.PUT), ratio=1),
            Leg(contract=contract(610), ratio=-1),
            Leg(contract=contract(613), ratio=1),
        ),
    )


def parameters() -> ParametersChanged:
    known = {**PARAMETERS, **RISK_PARAMETERS, **SIGNAL_PARAMETERS}
    values = {name: parameter.default for name, parameter in known.items()}
    return ParametersChanged(values=values, version=1, who="test", why="defaults")


def session(day: date = DAY) -> SessionPlanned:
    shift = timedelta(days=(day - DAY).days)

    def planned(offset: int) -> PlannedDay:
        moved = shift + timedelta(days=offset)
        return PlannedDay(
            session_date=DAY + moved,
            open_at=OPEN + moved,
            close_at=CLOSE + moved,
            options_close_at=CLOSE + moved + timedelta(minutes=15),
            is_half_day=False,
        )

    return SessionPlanned(
        day=planned(0), earlier=(planned(-1),), later=(planned(1),), library="test"
    )


def plan(
    target: str = "3.20", stop: str = "1.00", invalidation: str = "", **times: datetime
) -> ExitPlan:
    return ExitPlan(
        target_price=Decimal(target),
        stop_price=Decimal(stop),
        time_stop_at=times.get("time_stop_at", START + timedelta(hours=3)),
        forced_flat_at=times.get("forced_flat_at", CLOSE - timedelta(minutes=15)),
        invalidation=invalidation,
    )


def signal(
    structure: Structure,
    signal_id: str = "s1",
    mid: str = "2.00",
    at: datetime = START,
    strategy: Strategy = Strategy.ZERO_DTE,
    direction: Direction = Direction.BULLISH,
    exit_plan: ExitPlan | None = None,
    valid_seconds: int = 60,
) -> SignalValidated:
    net = Decimal(mid)
    legs = tuple(
        LegQuote(
            con_id=leg.contract.con_id,
            bid=Decimal("1.98"),
            ask=Decimal("2.02"),
            bid_size=50,
            ask_size=50,
            quote_age_seconds=0.0,
            implied_volatility=0.15,
            delta=0.5,
            gamma=0.03,
            vega=0.05,
            theta=-0.4,
            open_interest=5_000,
            volume=2_000,
        )
        for leg in structure.legs
    )
    return SignalValidated(
        signal_id=signal_id,
        strategy=strategy,
        variant="TREND",
        symbol="SPY",
        direction=direction,
        structure=structure,
        score=1.0,
        probability=0.6,
        confidence=0.5,
        coverage=0.9,
        bias=0.0,
        clip_adjust=0.0,
        features=(),
        gates=(),
        rationale="test",
        risk_inputs=RiskInputs(
            underlying_price=600.0,
            underlying_bid=599.99,
            underlying_ask=600.01,
            net_bid=net - Decimal("0.02"),
            net_ask=net + Decimal("0.02"),
            net_mid=net,
            model_mid=net,
            legs=legs,
            target_usd=120.0,
            stop_usd=100.0,
            cost_usd=5.0,
            p_win=0.6,
            n_eff=0.0,
            model_hits=None,
            trust=0.5,
            rv_hat_day=0.0001,
            variance_remaining=0.00008,
            regime="NEG",
            flip_side="below",
            beta=1.0,
        ),
        exit_plan=exit_plan or plan(),
        valid_until=at + timedelta(seconds=valid_seconds),
        underlying_move_max=3.0,
        mid_against_max=Decimal("0.10"),
        params_version=1,
    )


def decision(
    signal_id: str = "s1", units: int = 4, at: datetime = START, approved: bool = True
) -> RiskDecided:
    return RiskDecided(
        decision_id=f"d-{signal_id}",
        signal_id=signal_id,
        strategy=Strategy.ZERO_DTE,
        symbol="SPY",
        approved=approved,
        units=units,
        denials=() if approved else ("SIZE",),
        checks=(),
        size=None,
        max_loss_usd=Decimal(200) * units,
        max_profit_usd=None,
        equity_usd=Decimal(1_000_000),
        broker_ready_id="",
        decided_at=at,
    )


def underlying_ticks(price: float = 600.0, at: datetime = START) -> IbTicksReceived:
    return IbTicksReceived(
        con_id=UNDERLYING_CON_ID,
        symbol="SPY",
        expiry="",
        strike=0.0,
        right="",
        connection="data",
        received_at=at,
        market_data_type=1,
        ticks=[(1, price - 0.01, 300), (2, price + 0.01, 300)],
        computations=[],
    )


def leg_ticks(
    of: OptionContract, bid: float, ask: float, at: datetime = START, size: int = 50
) -> IbTicksReceived:
    return IbTicksReceived(
        con_id=of.con_id,
        symbol=of.symbol,
        expiry=of.expiry.isoformat(),
        strike=float(of.strike),
        right=of.right.value,
        connection="data",
        received_at=at,
        market_data_type=1,
        ticks=[(1, bid, size if bid > 0 else 0), (2, ask, size)],
        computations=[],
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


def listed(
    intent: OrderIntended, status: str = "Submitted", filled: int = 0, **changes: Any
) -> SnapshotOrder:
    """An order as the broker lists it."""
    row = SnapshotOrder(
        order_id=intent.order_id,
        client_id=intent.client_id,
        perm_id=1_000_000 + intent.order_id,
        order_ref=intent.order_ref,
        con_id=intent.structure.legs[0].contract.con_id,
        symbol="SPY",
        sec_type="OPT" if intent.structure.is_single else "BAG",
        action=intent.action.value,
        quantity=Decimal(intent.quantity),
        order_type=intent.order_type.value,
        limit_price=intent.limit_price,
        stop_price=intent.stop_price,
        status=status,
        filled=Decimal(filled),
        remaining=Decimal(intent.quantity - filled),
        parent_id=0,
        oca_group=intent.oca_group,
        account=ACCOUNT,
    )
    return row.model_copy(update=changes)


def execution_of(
    intent: OrderIntended,
    quantity: int,
    price: str,
    exec_id: str,
    at: datetime,
    *,
    sec_type: str = "OPT",
    leg: int = 0,
) -> BrokerExecution:
    part = intent.structure.legs[leg]
    bought = (intent.action.sign * part.ratio) > 0
    return BrokerExecution(
        exec_id=exec_id,
        order_id=intent.order_id,
        client_id=intent.client_id,
        perm_id=1_000_000 + intent.order_id,
        order_ref=intent.order_ref,
        con_id=28812380 if sec_type == "BAG" else part.contract.con_id,
        symbol="SPY",
        sec_type=sec_type,
        side="BOT" if bought else "SLD",
        quantity=Decimal(quantity),
        price=Decimal(price),
        executed_at=at,
        account=ACCOUNT,
    )


def held(of: OptionContract, quantity: int) -> SnapshotPosition:
    return SnapshotPosition(
        con_id=of.con_id,
        symbol=of.symbol,
        sec_type="OPT",
        expiry=of.expiry.strftime("%Y%m%d"),
        strike=of.strike,
        right=of.right.value,
        quantity=Decimal(quantity),
        average_cost=Decimal(0),
        account=ACCOUNT,
    )
