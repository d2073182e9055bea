"""Builders for the tests of risk and signals: sessions, structures, signals, and a driven stage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.event import Body, Recorded, derived_id, event_type
from domain.events.controls import TradingHalted
from domain.events.orders import (
    BrokerAccountSeen,
    BrokerReady,
    ReconciliationCompleted,
)
from domain.events.signals import ExitPlan, LegQuote, RiskInputs, SignalValidated
from domain.events.system import (
    ClockTicked,
    ParametersChanged,
    PlannedDay,
    SessionPlanned,
    WorkerStarted,
)
from domain.instruments import (
    Direction,
    Leg,
    OptionContract,
    Right,
    Strategy,
    Structure,
    StructureKind,
)
from domain.parameter import ParameterState, ParameterValue
from domain.parameters import PARAMETERS
from domain.session import Session
from domain.stage import Consumer, Stage

DAY = date(2026, 10, 6)
OPEN = datetime(2026, 10, 6, 13, 30, tzinfo=UTC)
CLOSE = datetime(2026, 10, 6, 20, 0, tzinfo=UTC)
NOON = datetime(2026, 10, 6, 16, 0, tzinfo=UTC)
EQUITY = Decimal(1_000_000)


def planned(day: date, *, half: bool = False) -> PlannedDay:
    opening = datetime(day.year, day.month, day.day, 13, 30, tzinfo=UTC)
    closing = opening + timedelta(hours=3.5 if half else 6.5)
    return PlannedDay(
        session_date=day,
        open_at=opening,
        close_at=closing,
        options_close_at=closing + timedelta(minutes=15),
        is_half_day=half,
    )


def session_planned(day: date = DAY, *, half: bool = False) -> SessionPlanned:
    return SessionPlanned(
        day=planned(day, half=half),
        earlier=tuple(planned(day - timedelta(days=n)) for n in range(6, 0, -1)),
        later=tuple(planned(day + timedelta(days=n)) for n in range(1, 60)),
        library="test",
    )


def session(day: date = DAY, *, half: bool = False) -> Session:
    return Session(session_planned(day, half=half))


def changed(**values: ParameterValue) -> ParametersChanged:
    """All shipped defaults, with changes: `__` in a name stands for a dot."""
    defaults = {name: parameter.default for name, parameter in PARAMETERS.items()}
    given = {name.replace("__", "."): value for name, value in values.items()}
    assert set(given) <= set(defaults), set(given) - set(defaults)
    return ParametersChanged(values={**defaults, **given}, version=1, who="test", why="test")


def parameters(**values: ParameterValue) -> ParameterState:
    state = ParameterState()
    state.apply(changed(**values))
    return state


def contract(
    strike: float | Decimal | str,
    right: Right = Right.CALL,
    *,
    symbol: str = "SPY",
    expiry: date = DAY,
) -> OptionContract:
    exact = Decimal(str(strike))
    con_id = int(exact * 100) * 10 + (1 if right is Right.CALL else 2)
    con_id += 100_000_000 * ("SPY", "QQQ", "IWM").index(symbol)
    con_id += 1_000_000_000 * (expiry - DAY).days
    return OptionContract(con_id=con_id, symbol=symbol, expiry=expiry, strike=exact, right=right)


def structure(kind: StructureKind, *legs: tuple[int, OptionContract]) -> Structure:
    return Structure(kind=kind, legs=tuple(Leg(contract=c, ratio=r) for r, c in legs))


def long_call(strike: float = 600, **options: Any) -> Structure:
    return structure(StructureKind.LONG_OPTION, (1, contract(strike, **options)))


def call_vertical(low: float = 600, high: float = 604, **options: Any) -> Structure:
    return structure(
        StructureKind.DEBIT_VERTICAL,
        (1, contract(low, **options)),
        (-1, contract(high, **options)),
    )


def put_credit(short: float = 596, long: float = 592) -> Structure:
    return structure(
        StructureKind.CREDIT_VERTICAL,
        (-1, contract(short, Right.PUT)),
        (1, contract(long, Right.PUT)),
    )


def condor(
    long_put: float = 588, short_put: float = 592, short_call: float = 608, long_call_: float = 612
) -> Structure:
    return structure(
        StructureKind.IRON_CONDOR,
        (1, contract(long_put, Right.PUT)),
        (-1, contract(short_put, Right.PUT)),
        (-1, contract(short_call)),
        (1, contract(long_call_)),
    )


def leg_quote(
    con_id: int,
    *,
    bid: str = "1.98",
    ask: str = "2.02",
    delta: float = 0.5,
    gamma: float = 0.05,
    vega: float = 0.05,
    theta: float = -0.2,
    size: int = 1_000,
    volume: int = 100_000,
) -> LegQuote:
    return LegQuote(
        con_id=con_id,
        bid=Decimal(bid),
        ask=Decimal(ask),
        bid_size=size,
        ask_size=size,
        quote_age_seconds=0.5,
        implied_volatility=0.15,
        delta=delta,
        gamma=gamma,
        vega=vega,
        theta=theta,
        open_interest=50_000,
        volume=volume,
    )


def risk_inputs(shape: Structure, *, mid: str = "1.50", **changes: Any) -> RiskInputs:
    """Inputs of a structure; the second leg offsets the first, so that net greeks are small."""
    net = Decimal(mid)
    quotes = tuple(
        leg_quote(leg.contract.con_id, delta=0.5 - 0.1 * index, gamma=0.05 - 0.01 * index)
        for index, leg in enumerate(shape.legs)
    )
    values: dict[str, Any] = {
        "underlying_price": 600.0,
        "underlying_bid": 599.99,
        "underlying_ask": 600.01,
        "net_bid": net - Decimal("0.02"),
        "net_ask": net + Decimal("0.02"),
        "net_mid": net,
        "model_mid": net,
        "legs": quotes,
        "target_usd": 90.0,
        "stop_usd": 75.0,
        "cost_usd": 4.8,
        "p_win": 0.65,
        "n_eff": 0.0,
        "model_hits": None,
        "trust": 0.5,
        "rv_hat_day": 0.0001,
        "variance_remaining": 0.00005,
        "regime": "NEG",
        "flip_side": "BELOW",
        "beta": 1.0,
    }
    return RiskInputs(**{**values, **changes})


def signal(
    shape: Structure | None = None,
    *,
    signal_id: str = "sig-1",
    at: datetime = NOON,
    direction: Direction = Direction.BULLISH,
    strategy: Strategy = Strategy.ZERO_DTE,
    mid: str = "1.50",
    **inputs: Any,
) -> SignalValidated:
    found = call_vertical() if shape is None else shape
    return SignalValidated(
        signal_id=signal_id,
        strategy=strategy,
        variant="TREND",
        symbol=found.symbol,
        direction=direction,
        structure=found,
        score=0.8,
        probability=0.6,
        confidence=60.0,
        coverage=1.0,
        bias=0.0,
        clip_adjust=0.0,
        features=(),
        gates=(),
        rationale="test",
        risk_inputs=risk_inputs(found, mid=mid, **inputs),
        exit_plan=exit_plan(),
        valid_until=at + timedelta(seconds=20),
        underlying_move_max=0.6,
        mid_against_max=Decimal("0.02"),
        params_version=1,
    )


def exit_plan() -> ExitPlan:
    return ExitPlan(
        target_price=Decimal("2.40"),
        stop_price=Decimal("0.75"),
        time_stop_at=NOON + timedelta(minutes=90),
        forced_flat_at=CLOSE - timedelta(minutes=15),
    )


class Driven:
    """A stage in a worker, fed by hand; keeps the log so that it can be folded again."""

    def __init__(self, *stages: Stage[Any], worker: str = "trader", at: datetime = NOON) -> None:
        self.stages = stages
        self.consumer: Consumer[Any] = Consumer(worker, "test", stages)
        self.at = at
        self.inputs: list[tuple[Recorded, list[Recorded]]] = []
        if "WorkerStarted" in self.consumer.types:
            self.when(self._started())

    def _started(self) -> WorkerStarted:
        return WorkerStarted(
            worker=self.consumer.worker,
            run_id="run",
            resumed_after=0,
            build=self.consumer.build,
            stages=(),
            types=(),
            configuration_sha256="",
            python="",
            platform="",
        )

    @property
    def state(self) -> Any:
        return self.consumer.states[0]

    def recorded(self, body: Body, at: datetime) -> Recorded:
        position = len(self.inputs) + 1
        event_id = derived_id("test", position)
        return Recorded(
            position=position,
            stream="test",
            version=1,
            type=event_type(body),
            schema=1,
            event_id=event_id,
            occurred_at=at,
            recorded_at=at,
            market_time=at,
            causation_id=None,
            correlation_id=event_id,
            worker="test",
            build="test",
            input_position=None,
            ordinal=0,
            body=body,
        )

    def when(self, body: Body, *, after: float = 0.0) -> list[Body]:
        """Feed an input `after` seconds of market time; returns what the stages emitted."""
        self.at += timedelta(seconds=after)
        source = self.recorded(body, self.at)
        emitted = self.consumer.step(source)
        self.inputs.append((source, emitted))
        return [event.body for event in emitted]

    def tick(self, *, after: float = 1.0) -> list[Body]:
        return self.when(ClockTicked(worker=self.consumer.worker), after=after)

    def folded(self) -> Consumer[Any]:
        """The same log folded by evolve alone."""
        again: Consumer[Any] = Consumer(
            self.consumer.worker, "test", [type(stage)() for stage in self.stages]
        )
        for source, emitted in self.inputs:
            again.fold(source, emitted)
        return again

    def repeated(self) -> list[list[Recorded]]:
        """What a second run decides on the same inputs."""
        again: Consumer[Any] = Consumer(
            self.consumer.worker, "test", [type(stage)() for stage in self.stages]
        )
        return [again.step(source) for source, _ in self.inputs]


def account(equity: Decimal = EQUITY, *, pnl: str | None = "0", **values: str) -> BrokerAccountSeen:
    known = {
        "NetLiquidation": str(equity),
        "ExcessLiquidity": str(equity),
        "AvailableFunds": str(equity),
        "BuyingPower": str(equity * 4),
        "SettledCash": str(equity),
        "LookAheadExcessLiquidity": str(equity),
        "PostExpirationExcess": str(equity),
        "DayTradesRemaining": "-1",
    }
    return BrokerAccountSeen(
        connection="c",
        account="DU1",
        values={**known, **values},
        daily_pnl=None if pnl is None else Decimal(pnl),
    )


def desk_events() -> Sequence[Body]:
    """What makes the desk ready: session, broker, reconciliation, two readings of the account."""
    return (
        session_planned(),
        BrokerReady(connection="c", run_id="r", block_first=1, block_last=9),
        ReconciliationCompleted(connection="c", clean=True, differences=()),
        account(),
        account(),
    )


def one(bodies: Sequence[Body], kind: type[Any]) -> Any:
    found = [body for body in bodies if isinstance(body, kind)]
    assert len(found) == 1, f"exactly one {kind.__name__} wanted, was {bodies}"
    return found[0]


def none(bodies: Sequence[Body], kind: type[Any]) -> bool:
    return not any(isinstance(body, kind) for body in bodies)


HALT = TradingHalted(who="test", reason="test")
