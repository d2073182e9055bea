"""Limits are read with their bounds and changed by request, the password again."""

from __future__ import annotations

from typing import Any

import pytest

from domain.events.risk import LimitsChangeRequested
from domain.events.system import ParametersChanged
from domain.risk.parameters import PARAMETERS
from store.contract import Selection

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
