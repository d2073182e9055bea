"""Rules after losses: waiting times, streaks, buckets switched off, half size."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.events.positions import (
    ExitReason,
    PositionMarked,
)
from domain.instruments import Direction
from tests.domain.risk.build import (
    NOON,
    account,
    signal,
)
from tests.domain.risk.desk_story import (
    C,
    closed,
    decide,
    denied,
    holding,
    opened,
    ready,
    worth,
)


def test_stopped_out_loss_cools_the_key_down_and_a_streak_pauses_the_bucket() -> None:
    desk = ready()
    for n in range(3):
        desk.when(opened(f"pos-{n}", decision_id=f"d{n}"))
        closed(desk, "-10", ExitReason.STOP, f"pos-{n}")
    desk.at = NOON + timedelta(minutes=15)
    desk.when(account())
    decision = decide(desk)
    assert denied(decision, C.LOSS_STREAK) and C.COOLDOWN.value not in decision.denials
    desk.at = NOON + timedelta(minutes=14, seconds=59)
    fresh = ready()
    fresh.when(opened())
    closed(fresh, "-10", ExitReason.INVALIDATED)
    fresh.at = desk.at
    fresh.when(account())
    assert denied(decide(fresh), C.COOLDOWN)
    fresh.at += timedelta(seconds=1)
    assert decide(fresh, signal(signal_id="sig-2", at=fresh.at)).approved


def test_a_gain_sets_the_streak_to_zero_and_a_target_waits_five_minutes() -> None:
    desk = ready()
    for n, (pnl, reason) in enumerate(
        [
            ("-1", ExitReason.STOP),
            ("-1", ExitReason.STOP),
            ("5", ExitReason.TARGET),
            ("-1", ExitReason.STOP),
        ]
    ):
        desk.when(opened(f"pos-{n}", decision_id=f"d{n}"))
        closed(desk, pnl, reason, f"pos-{n}")
    desk.at = NOON + timedelta(minutes=20)
    desk.when(account())
    assert decide(desk).approved
    target = ready()
    target.when(opened())
    closed(target, "5", ExitReason.TARGET)
    target.at += timedelta(seconds=299)
    target.when(account())
    assert denied(decide(target), C.COOLDOWN)


def test_bucket_over_its_daily_loss_is_off() -> None:
    desk = ready()
    desk.when(opened())
    holding(desk, 5)
    mark = PositionMarked(
        position_id="pos-1",
        symbol="SPY",
        mark="1.0",
        bid="1",
        ask="1",
        unrealised_pnl="-10000",
        underlying_price=600.0,
        quote_age_seconds=0,
        quality="OK",
    )
    desk.when(mark)
    other = signal(at=desk.at, direction=Direction.BEARISH)
    assert denied(decide(desk, other), C.LOSS_BUCKET)


def test_soft_loss_refuses_losing_buckets_and_halves_the_others() -> None:
    desk = ready()
    whole = decide(desk)
    desk = ready()
    worth(desk, 980_000)
    decision = decide(desk)
    check = next(check for check in decision.checks if check.code == C.SIZE)
    assert decision.approved and "soft daily loss" in check.input
    assert decision.size is not None and whole.size is not None
    assert decision.size.r1_bucket == pytest.approx(whole.size.r1_bucket * 0.5 * 0.98)
    desk = ready()
    desk.when(opened())
    closed(desk, "-10", ExitReason.TIME)
    worth(desk, 980_000)
    assert denied(decide(desk), C.LOSS_SOFT)
