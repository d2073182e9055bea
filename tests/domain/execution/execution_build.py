"""Builders for the execution and crash tests: parameters, a session, signals, decisions, quotes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.events.feeds import IbTicksReceived
from domain.events.orders import (
    BrokerExecution,
    OrderIntended,
    SnapshotOrder,
    SnapshotPosition,
)
from domain.events.risk import RiskDecided
from domain.events.signals import ExitPlan, LegQuote, RiskInputs, SignalValidated
from domain.events.system import (
    ParametersChanged,
    PlannedDay,
    SessionPlanned,
)
from domain.execution.parameters import PARAMETERS
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
