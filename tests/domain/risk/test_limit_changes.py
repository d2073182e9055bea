"""Limits change by command and event, with who, why and until, and come back by themselves."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.event import Body
from domain.events.controls import AlertRaised, ControlRefused
from domain.events.risk import LimitsChangeRequested
from domain.events.system import ParametersChanged
from tests.domain.risk.build import NOON, Driven, account, call_vertical, none, one, signal
from tests.domain.risk.desk_story import C, decide, denied, holding, opened, ready

POSITION = "risk.limit.position"


def request(
    *, until: datetime | None = None, reason: str = "quiet day", again: bool = True, **values: Any
) -> LimitsChangeRequested:
    return LimitsChangeRequested(
        values={name.replace("__", "."): value for name, value in values.items()},
        who="operator",
        route="api",
        reason=reason,
        reauthenticated=again,
        until=until,
    )


def in_force(desk: Driven, name: str = POSITION) -> float:
    found: float = desk.state.parameters.number(name)
    return found


def test_a_changed_limit_is_in_force_at_once_and_says_who_and_why() -> None:
    desk = ready()
    emitted = desk.when(request(risk__limit__position=0.0001))
    changed = one(emitted, ParametersChanged)
    assert (changed.who, changed.why, changed.until) == ("operator", "quiet day", None)
    assert changed.version == 2
    assert one(emitted, AlertRaised).code == "LIMITS_CHANGED"
    assert denied(decide(desk), C.LIMIT_POSITION)


def test_a_changed_limit_ends_at_its_until() -> None:
    """A limit that was loosened for an hour must not stay loose for good."""
    desk = ready()
    until = NOON + timedelta(hours=1)
    desk.when(request(until=until, risk__limit__position=0.05))
    assert none(desk.tick(after=3_599), ParametersChanged) and in_force(desk) == 0.05
    back = one(desk.tick(after=1), ParametersChanged)
    assert (back.values, back.who, back.until) == ({POSITION: 0.015}, "risk", None)
    assert in_force(desk) == 0.015
    assert none(desk.tick(), ParametersChanged)


def test_what_comes_back_is_what_held_before_the_first_passing_change() -> None:
    """Two passing changes of one limit must not make the first of them permanent."""
    desk = ready()
    desk.when(request(until=NOON + timedelta(minutes=10), risk__limit__position=0.05))
    desk.when(request(until=NOON + timedelta(minutes=20), risk__limit__position=0.04))
    assert none(desk.tick(after=600), ParametersChanged) and in_force(desk) == 0.04
    desk.tick(after=600)
    assert in_force(desk) == 0.015


def test_a_change_for_good_is_not_undone_by_an_earlier_passing_one() -> None:
    desk = ready()
    desk.when(request(until=NOON + timedelta(minutes=10), risk__limit__position=0.05))
    desk.when(request(risk__limit__position=0.01))
    desk.tick(after=601)
    assert in_force(desk) == 0.01


@pytest.mark.parametrize(
    ("asked", "because"),
    [
        (request(reason=" ", risk__limit__position=0.01), "reason"),
        (request(again=False, risk__limit__position=0.01), "logging in again"),
        (request(), "1 to 50"),
        (request(until=NOON, risk__limit__position=0.01), "later than"),
        (request(risk__limit__position=0.0501), "[0, 0.05]"),
        (request(risk__limit__position=-0.01), "[0, 0.05]"),
        (request(risk__limit__position=float("nan")), "finite"),
        (request(risk__limit__position="much"), "number"),
        (request(risk__limit__nothing=1.0), "check its name"),
        (request(publication__delay__free=0.0), "check its name"),
        (request(risk__margin__what_if_for="credit"), "one of"),
    ],
)
def test_a_change_that_may_not_be_made_is_refused_with_its_reason(
    asked: Body, because: str
) -> None:
    desk = ready()
    before = dict(desk.state.parameters.values)
    emitted = desk.when(asked)
    assert because in one(emitted, ControlRefused).reason
    assert none(emitted, ParametersChanged) and desk.state.parameters.values == before


def test_one_bad_value_refuses_the_whole_change() -> None:
    desk = ready()
    desk.when(request(risk__limit__position=0.01, risk__limit__symbol=9.0))
    assert in_force(desk) == 0.015


def test_a_lowered_limit_lets_only_reducing_orders_leave() -> None:
    """Lowering a limit below what is open acts at once, not with the next decision."""
    desk = ready()
    desk.when(opened())
    holding(desk, 10)
    desk.when(request(risk__limit__total=0.001))
    assert "LIMIT_TOTAL" in desk.state.trading[1]
    desk.when(account())
    elsewhere = call_vertical(symbol="QQQ")
    assert denied(decide(desk, signal(elsewhere, signal_id="sig-2", at=desk.at)), C.REDUCE_ONLY)


def test_changes_fold_to_the_same_state() -> None:
    desk = ready()
    desk.when(request(until=NOON + timedelta(minutes=10), risk__limit__position=0.05))
    desk.tick(after=601)
    assert desk.folded().states == desk.consumer.states
    assert desk.repeated() == [emitted for _, emitted in desk.inputs]
