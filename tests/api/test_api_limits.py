"""Limits are read with their bounds and changed by request, the password again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from api.fold_limits import CHECK_OF
from domain.events.parameters import ParametersChangeRequested
from domain.events.risk import Check, LimitsChangeRequested, RiskDecided
from domain.events.signals import Result
from domain.events.system import ParametersChanged
from domain.instruments import Strategy
from domain.risk.codes import DenialCode
from domain.risk.parameters import PARAMETERS
from store.contract import Selection
from tests.projections.story import with_fields

PASSWORD = "correct horse battery"
REQUESTS = Selection(streams=("control/api",))
POSITION = "risk.limit.position"


def body(**changes: Any) -> dict[str, Any]:
    return {
        "values": {POSITION: 0.01},
        "reason": "a quiet day",
        "password": PASSWORD,
        "until": "2030-01-02T16:00:00Z",
        **changes,
    }


async def test_a_change_of_a_limit_is_requested_with_who_why_and_until(api: Any) -> None:
    await api.login()
    assert (await api.control("/limits/change", body())).status_code == 202
    (request,) = await api.store.read(0, REQUESTS)
    asked = request.body
    assert isinstance(asked, LimitsChangeRequested)
    assert asked.values == {POSITION: 0.01} and asked.reauthenticated
    assert (asked.who, asked.route, asked.reason) == ("operator", "api", "a quiet day")
    assert asked.until is not None and asked.until.year == 2030
    assert PASSWORD not in asked.model_dump_json()


async def test_a_limit_is_not_changed_without_the_password(api: Any) -> None:
    """A page left open must not be enough to loosen a limit."""
    await api.login()
    assert (await api.control("/limits/change", body(password="a wrong one"))).status_code == 401
    assert await api.store.read(0, REQUESTS) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"values": {}}, "values"),
        ({"values": {"publication.delay.free": 0}}, "values"),
        ({"until": "2030-01-02T16:00:00"}, "until"),
        ({"reason": "short"}, "reason"),
    ],
)
async def test_a_body_that_is_no_change_of_limits_is_refused(
    api: Any, changes: dict[str, Any], field: str
) -> None:
    await api.login()
    answer = await api.control("/limits/change", body(**changes))
    assert answer.status_code == 400 and field in answer.json()["field"]
    assert await api.store.read(0, REQUESTS) == []


async def test_limits_in_force_are_read_with_bounds_and_origin(api: Any) -> None:
    await api.login()
    for version, value in ((1, 0.015), (2, 0.01)):
        change = ParametersChanged(
            values={POSITION: value}, version=version, who=f"who-{version}", why="a test"
        )
        await api.append(change, "parameters", key=version)
    read = (await api.get("/limits")).json()
    rows = {row["name"]: row for row in read["rows"]}
    assert set(rows) == set(PARAMETERS) and read["count"] == len(PARAMETERS)
    row = rows[POSITION]
    assert (row["value"], row["default"], row["low"], row["high"]) == (0.01, 0.015, 0, 0.05)
    assert (row["who"], row["why"], row["until"]) == ("who-2", "a test", None)
    assert rows["risk.limit.symbol"]["value"] is None


def decided(strategy: Strategy, used: str, seed: int) -> RiskDecided:
    check = Check(
        code="LIMIT_BUCKET",
        result=Result.PASS,
        limit="2000 USD",
        value=used,
        input="310 open, 2 units proposed",
    )
    return with_fields(RiskDecided, seed, strategy=strategy, checks=(check,))  # type: ignore[no-any-return]


async def test_a_limit_shows_what_the_newest_decision_measured_against_it(api: Any) -> None:
    await api.login()
    for key, (strategy, used) in enumerate(
        [(Strategy.ZERO_DTE, "700"), (Strategy.ZERO_DTE, "900"), (Strategy.CLOSING, "40")]
    ):
        await api.append(decided(strategy, used, key), f"decision/{key}", key=key)
    rows = {row["name"]: row for row in (await api.get("/limits")).json()["rows"]}
    use = rows["risk.limit.bucket.0DTE"]["use"]
    assert (use["value"], use["limit"], use["result"]) == ("900", "2000 USD", "pass")
    assert use["input"] == "310 open, 2 units proposed" and use["as_of"] and use["event_id"]
    assert rows["risk.limit.bucket.MOC"]["use"]["value"] == "40"
    assert rows["risk.limit.bucket.1DTE"]["use"] is None
    assert rows["risk.size.kappa"]["use"] is None


def test_every_use_is_of_a_limit_and_a_check_that_there_is() -> None:
    assert set(CHECK_OF) <= set(PARAMETERS)
    assert {check.partition(" ")[0] for check in CHECK_OF.values()} <= {c.value for c in DenialCode}


async def test_health_names_the_limits_that_are_not_as_shipped(api: Any) -> None:
    """An hour of loosened limits must not be forgotten because nobody opens their page."""
    await api.login()
    shipped = {name: parameter.default for name, parameter in PARAMETERS.items()}
    await api.append(
        ParametersChanged(values=shipped, version=1, who="start", why="shipped"), "parameters", 1
    )
    assert (await api.get("/health")).json()["limits"] == {"not_as_shipped": []}
    until = datetime(2030, 1, 2, 16, 0, tzinfo=UTC)
    change = ParametersChanged(
        values={POSITION: 0.03}, version=2, who="ann", why="a quiet day", until=until
    )
    await api.append(change, "parameters", 2)
    api.skip(2)
    (row,) = (await api.get("/health")).json()["limits"]["not_as_shipped"]
    assert (row["name"], row["value"], row["default"]) == (POSITION, 0.03, 0.015)
    assert (row["who"], row["why"], row["until"]) == ("ann", "a quiet day", "2030-01-02T16:00:00Z")


P_MIN = "signals.0dte.trend.p_min"


def of_parameters(**changes: Any) -> dict[str, Any]:
    return {
        "values": {P_MIN: 0.6, "signals.1dte.enabled": False},
        "expected_version": 7,
        "reason": "a quiet day",
        "password": PASSWORD,
        **changes,
    }


async def test_a_change_of_parameters_names_the_version_that_was_looked_at(api: Any) -> None:
    await api.login()
    assert (await api.control("/parameters/change", of_parameters())).status_code == 202
    (request,) = await api.store.read(0, REQUESTS)
    asked = request.body
    assert isinstance(asked, ParametersChangeRequested)
    assert asked.values == {P_MIN: 0.6, "signals.1dte.enabled": False}
    assert (asked.expected_version, asked.until, asked.reauthenticated) == (7, None, True)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"password": "a wrong one"}, 401),
        ({"expected_version": None}, 400),
        ({"values": {}}, 400),
        ({"values": {"no name": 1}}, 400),
    ],
)
async def test_a_body_that_is_no_change_of_parameters_is_refused(
    api: Any, changes: dict[str, Any], status: int
) -> None:
    await api.login()
    answer = await api.control("/parameters/change", of_parameters(**changes))
    assert answer.status_code == status
    assert await api.store.read(0, REQUESTS) == []


async def test_parameters_in_force_are_read_with_their_version(api: Any) -> None:
    await api.login()
    change = ParametersChanged(values={P_MIN: 0.6}, version=3, who="ann", why="a test")
    await api.append(change, "parameters", key=1)
    read = (await api.get("/parameters")).json()
    rows = {row["name"]: row for row in read["rows"]}
    assert read["version"] == 3 and not set(rows) & set(PARAMETERS)
    assert (rows[P_MIN]["value"], rows[P_MIN]["low"], rows[P_MIN]["high"]) == (0.6, 0.52, 0.7)
    assert (rows[P_MIN]["who"], rows[P_MIN]["why"]) == ("ann", "a test")


async def test_a_parameter_tells_until_when_and_after_it_what_came_back(api: Any) -> None:
    await api.login()
    until = datetime(2030, 1, 2, 16, 0, tzinfo=UTC)
    passing = ParametersChanged(
        values={P_MIN: 0.6}, version=4, who="ann", why="a holiday", until=until
    )
    back = ParametersChanged(values={P_MIN: 0.56}, version=5, who="risk", why="over")
    told = []
    for change in (passing, back):
        await api.append(change, "parameters", key=change.version)
        api.skip(2)
        rows = (await api.get("/parameters")).json()["rows"]
        told += [row for row in rows if row["name"] == P_MIN]
    assert [(row["value"], row["who"], row["until"]) for row in told] == [
        (0.6, "ann", "2030-01-02T16:00:00Z"),
        (0.56, "risk", None),
    ]
    assert all(row["since"] and row["event_id"] for row in told)
