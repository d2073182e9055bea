"""Equity as the risk stage reads it: how old it may be, and which value is the reference."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.events.orders import (
    BrokerTimeSeen,
)
from domain.events.signals import Result
from domain.events.system import ClockStarted
from domain.risk.stage import RiskStage
from tests.domain.risk.build import (
    DAY,
    NOON,
    Driven,
    account,
    call_vertical,
    changed,
    desk_events,
    signal,
)
from tests.domain.risk.desk_story import (
    C,
    decide,
    denied,
    holding,
    opened,
    ready,
)


def with_position(desk: Driven, equity_age: float, stream_age: float) -> None:
    desk.when(opened(symbol="QQQ", structure=call_vertical(symbol="QQQ"), decision_id="d"))
    holding(desk, 0)
    desk.when(account())
    desk.at += timedelta(seconds=equity_age - stream_age)
    desk.when(account().model_copy(update={"values": {}}))
    desk.at += timedelta(seconds=stream_age)


@pytest.mark.parametrize(
    ("value", "stream", "fresh"),
    [(239, 29, True), (240, 30, True), (240.1, 30, False), (240, 30.1, False)],
)
def test_equity_age_at_its_limits_while_a_position_is_open(
    value: float, stream: float, fresh: bool
) -> None:
    desk = ready()
    with_position(desk, value, stream)
    decision = decide(desk)
    check = next(check for check in decision.checks if check.code == C.EQUITY_FRESH)
    assert (check.result is Result.PASS) is fresh


def test_quiet_account_stays_fresh_on_the_heartbeat_alone_and_ages_without_it() -> None:
    desk = ready()
    desk.at += timedelta(seconds=1_000)
    desk.when(BrokerTimeSeen(connection="c", broker_time=desk.at, round_trip_seconds=0.01))
    assert decide(desk).approved
    desk.at += timedelta(seconds=241)
    assert denied(decide(desk, signal(signal_id="sig-2", at=desk.at)), C.EQUITY_FRESH)


def test_equity_age_counts_in_real_seconds_at_speed() -> None:
    desk = ready()
    desk.when(ClockStarted(base_market_time=NOON, speed=10, session_date=DAY))
    desk.at += timedelta(seconds=2_000)
    assert decide(desk).approved


def test_account_value_heard_before_the_session_is_planned_is_its_reference() -> None:
    """A quiet account says its value once, at the connection, and never again."""
    desk = Driven(RiskStage())
    desk.when(changed())
    planned, *others = desk_events()
    for body in (*others, planned):
        desk.when(body)
    assert decide(desk).approved


def test_old_account_value_is_no_reference_for_a_new_session() -> None:
    desk = Driven(RiskStage())
    desk.when(changed())
    planned, *others = desk_events()
    for body in others:
        desk.when(body)
    desk.when(planned, after=3_600)
    decision = decide(desk)
    assert denied(decision, C.LOSS_SOFT) and denied(decision, C.DRAWDOWN)
