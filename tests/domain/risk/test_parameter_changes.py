"""Parameters of the rules change by request, inside their bounds, on what was looked at."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from domain.event import Body
from domain.events.controls import AlertRaised, ControlRefused
from domain.events.parameters import ParametersChangeRequested
from domain.events.signals import SignalExpired, SignalRaised
from domain.events.system import ParametersChanged
from tests.domain.risk.build import NOON, Driven, none, one
from tests.domain.risk.desk_story import ready
from tests.domain.signals.build import Strategy

P_MIN = "signals.0dte.trend.p_min"


def request(values: dict[str, Any], **changes: Any) -> ParametersChangeRequested:
    given: dict[str, Any] = {
        "values": values,
        "expected_version": 1,
        "who": "operator",
        "route": "api",
        "reason": "a test of the rules",
        "reauthenticated": True,
        "until": None,
    }
    return ParametersChangeRequested(**{**given, **changes})


def refusal(desk: Driven, body: ParametersChangeRequested) -> str:
    emitted: list[Body] = desk.when(body)
    assert none(emitted, ParametersChanged)
    return str(one(emitted, ControlRefused).reason)


@pytest.mark.parametrize(
    "values",
    [
        {P_MIN: 0.60},
        {"signals.1dte.enabled": False},
        {"chain_refresh": 10.0, "swing_days_min": 28.0},
        {"stop.near_strike_sd": 0.2},
    ],
)
def test_what_is_inside_its_bounds_is_changed_at_once(values: dict[str, Any]) -> None:
    desk = ready()
    emitted = desk.when(request(values))
    changed = one(emitted, ParametersChanged)
    assert changed.values == values and changed.version == 2
    assert (changed.who, changed.why) == ("operator", "a test of the rules")
    assert one(emitted, AlertRaised).code == "PARAMETERS_CHANGED"
    assert {name: desk.state.parameters.values[name] for name in values} == values


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({P_MIN: 0.701}, "must be in [0.52, 0.7]"),
        ({P_MIN: 0.6, "signals.1dte.weight.noise": -0.61}, "must be in [-0.6, 0.6]"),
        ({P_MIN: "0.6"}, "must be a number"),
        ({P_MIN: True}, "must be a number"),
        ({P_MIN: float("nan")}, "must be finite"),
        ({"signals.1dte.enabled": 0.0}, "must be true or false"),
        ({"signals.0dte.trend.luck": 1.0}, "check its name"),
        ({}, "of 1 to 50 parameters"),
    ],
)
def test_one_value_out_of_its_bounds_refuses_all(values: dict[str, Any], said: str) -> None:
    desk = ready()
    before = dict(desk.state.parameters.values)
    assert said in refusal(desk, request(values))
    assert desk.state.parameters.values == before


def test_a_limit_of_risk_is_no_parameter() -> None:
    """It has a command, a page and a word of its own."""
    assert "check its name" in refusal(ready(), request({"risk.limit.position": 0.01}))


def test_a_change_on_top_of_one_that_was_not_seen_is_refused() -> None:
    desk = ready()
    desk.when(request({P_MIN: 0.60}))
    said = refusal(desk, request({P_MIN: 0.57}))
    assert "version 1, was 2" in said and desk.state.parameters.number(P_MIN) == 0.60
    one(desk.when(request({P_MIN: 0.57}, expected_version=2)), ParametersChanged)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reason": " "}, "must have a reason"),
        ({"reauthenticated": False}, "confirmed by logging in again"),
        ({"until": NOON - timedelta(seconds=1)}, "until must be later"),
        ({"expected_version": 0}, "version 0, was 1"),
    ],
)
def test_a_change_without_what_it_needs_is_refused(changes: dict[str, Any], said: str) -> None:
    assert said in refusal(ready(), request({P_MIN: 0.60}, **changes))


def test_a_passing_change_comes_back_by_itself() -> None:
    desk = ready()
    desk.when(request({P_MIN: 0.60}, until=NOON + timedelta(hours=1)))
    back = one(desk.tick(after=3_600), ParametersChanged)
    assert back.values == {P_MIN: 0.56} and desk.state.parameters.number(P_MIN) == 0.56


def test_a_change_acts_at_the_next_evaluation_and_not_before() -> None:
    """The candidate lives until it is looked at again, then by the new threshold."""
    strategy = Strategy(lines=False)
    assert one(strategy.evaluate(), SignalRaised)
    decided = ParametersChanged(values={P_MIN: 0.70}, version=2, who="o", why="test")
    assert strategy.when(decided) == []
    assert one(strategy.evaluate(), SignalExpired)
