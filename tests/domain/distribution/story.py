"""A trade told as events, for the publication tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.commentary.parameters import PARAMETERS as REPORT_PARAMETERS
from domain.distribution.parameters import PARAMETERS
from domain.event import Body, Recorded, derived_id, event_type
from domain.events.positions import (
    ExitReason,
    LegPosition,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    PositionReopened,
)
from domain.events.signals import ExitPlan, Feature, LegQuote, RiskInputs, SignalValidated
from domain.events.system import ClockTicked, ParametersChanged
from domain.instruments import (
    Direction,
    Leg,
    OptionContract,
    Right,
    Strategy,
    Structure,
    StructureKind,
)
from domain.stage import Consumer

START = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
KEY = b"publication key of the tests"


class Story:
    """Feeds a consumer with inputs at chosen market times and keeps what it emitted."""

    def __init__(self, consumer: Consumer[Any]) -> None:
        self.consumer = consumer
        self.position = 0
        self.emitted: list[Recorded] = []
        values = {p.name: p.default for p in (*PARAMETERS, *REPORT_PARAMETERS)}
        self.tell(ParametersChanged(values=values, version=1, who="test", why="test"))

    def tell(self, body: Body, seconds: float = 0.0, correlation: str = "story") -> list[Recorded]:
        self.position += 1
        at = START + timedelta(seconds=seconds)
        event = Recorded(
            position=self.position,
            stream="test",
            version=self.position,
            type=event_type(body),
            schema=type(body).schema_version,
            event_id=derived_id("test", self.position),
            occurred_at=at,
            recorded_at=at,
            market_time=at,
            causation_id=None,
            correlation_id=derived_id(correlation),
            worker="test",
            build="test",
            input_position=None,
            ordinal=0,
            body=body,
        )
        new = self.consumer.step(event)
        self.emitted += new
        return new

    def tick(self, seconds: float) -> list[Recorded]:
        return self.tell(ClockTicked(worker="outbox"), seconds)

    def bodies(self, kind: type[Any], among: Sequence[Recorded] | None = None) -> list[Any]:
        events = self.emitted if among is None else among
        return [event.body for event in events if isinstance(event.body, kind)]


def contract(strike: str) -> OptionContract:
    return OptionContract(
        con_id=int(Decimal(strike) * 10),
        symbol="SPY",
        expiry=date(2026, 11, 23),
        strike=Decimal(strike),
        right=Right.CALL,
    )


def quote(con_id: int) -> LegQuote:
    return LegQuote(
        con_id=con_id,
        bid=Decimal("2.41"),
        ask=Decimal("2.43"),
        bid_size=50,
        ask_size=50,
        quote_age_seconds=0.2,
        implied_volatility=0.14,
        delta=0.5,
        gamma=0.05,
        vega=0.11,
        theta=-1.9,
        open_interest=8_000,
        volume=9_000,
    )


def validated(long_strike: str = "771", short_strike: str = "775") -> SignalValidated:
    legs = (
        Leg(contract=contract(long_strike), ratio=1),
        Leg(contract=contract(short_strike), ratio=-1),
    )
    inputs = RiskInputs(
        underlying_price=770.02,
        underlying_bid=770.01,
        underlying_ask=770.03,
        net_bid=Decimal("1.71"),
        net_ask=Decimal("1.75"),
        net_mid=Decimal("1.73"),
        model_mid=Decimal("1.73"),
        legs=tuple(quote(leg.contract.con_id) for leg in legs),
        target_usd=103.8,
        stop_usd=86.5,
        cost_usd=3.1,
        p_win=0.56,
        n_eff=0.0,
        model_hits=None,
        trust=0.5,
        rv_hat_day=5e-5,
        variance_remaining=3e-5,
        regime="NEG",
        flip_side="BELOW",
        beta=1.0,
    )
    plan = ExitPlan(
        target_price=Decimal("2.7731"),
        stop_price=Decimal("0.8651"),
        time_stop_at=START + timedelta(minutes=90),
        forced_flat_at=START + timedelta(hours=5),
    )
    feature = Feature(
        name="noise",
        raw=1.3,
        unit="ratio",
        x=0.87,
        weight=0.35,
        contribution=0.1523,
        as_of=START,
        quality="OK",
    )
    return SignalValidated(
        signal_id="sig-1",
        strategy=Strategy.ZERO_DTE,
        variant="TREND",
        symbol="SPY",
        direction=Direction.BULLISH,
        structure=Structure(kind=StructureKind.DEBIT_VERTICAL, legs=legs),
        score=0.7,
        probability=0.587,
        confidence=58.7,
        coverage=0.95,
        bias=0.0,
        clip_adjust=0.0,
        features=(feature,),
        gates=(),
        rationale="SPY left its noise area upward.",
        risk_inputs=inputs,
        exit_plan=plan,
        valid_until=START + timedelta(seconds=20),
        underlying_move_max=0.6,
        mid_against_max=Decimal("0.02"),
        params_version=1,
    )


def opened(signal: SignalValidated) -> PositionOpened:
    return PositionOpened(
        position_id="pos-1",
        signal_id=signal.signal_id,
        decision_id="dec-1",
        strategy=signal.strategy,
        symbol="SPY",
        direction=signal.direction,
        structure=signal.structure,
        planned_units=10,
        exit_plan=signal.exit_plan,
        max_loss_per_unit_usd=Decimal("175.00"),
        risk_units=Decimal("0.75"),
        opened_at=START,
    )


def changed(price: str = "1.7345") -> PositionChanged:
    return PositionChanged(
        position_id="pos-1",
        fill_id="f1",
        legs=(LegPosition(con_id=7710, quantity=10),),
        units=10,
        average_entry_price=Decimal(price),
        average_exit_price=None,
        realised_pnl=Decimal(0),
        fees=Decimal("13.00"),
    )


def closed() -> PositionClosed:
    return PositionClosed(
        position_id="pos-1",
        signal_id="sig-1",
        strategy=Strategy.ZERO_DTE,
        symbol="SPY",
        reason=ExitReason.TARGET,
        units=10,
        entry_price=Decimal("1.7345"),
        exit_price=Decimal("2.7791"),
        realised_pnl=Decimal("1018.60"),
        fees=Decimal("26.00"),
        pnl_over_max_loss=Decimal("0.5821"),
        opened_at=START,
        closed_at=START + timedelta(minutes=6),
    )


def reopened() -> PositionReopened:
    return PositionReopened(
        position_id="pos-1",
        strategy=Strategy.ZERO_DTE,
        fill_id="f9",
        legs=(LegPosition(con_id=7710, quantity=1),),
        units=1,
        reopened_at=START + timedelta(minutes=7),
        closed_pnl=Decimal("1018.60"),
    )
