"""Holdings explained and money recorded by request: the password again, a reason and evidence."""

from __future__ import annotations

from typing import Any

import pytest

from domain.events.positions import AdjustmentRequested
from domain.events.risk import CashFlowRequested
from store.contract import Selection

PASSWORD = "correct horse battery"
REQUESTS = Selection(streams=("control/api",))
CONFIRMED = {
    "reason": "bought by hand",
    "evidence": "statement of yesterday",
    "password": PASSWORD,
}
POSITION = {"con_id": 712345678, "quantity": -2}
CASH = {"amount": "-5000.00"}


async def test_a_holding_is_explained_with_who_why_and_evidence(api: Any) -> None:
    await api.login()
    body = POSITION | CONFIRMED | {"position_id": "P0123456789abcdef", "price": "1.85"}
    assert (await api.control("/books/position", body)).status_code == 202
    (request,) = await api.store.read(0, REQUESTS)
    asked = request.body
    assert isinstance(asked, AdjustmentRequested)
    assert (asked.con_id, asked.quantity, str(asked.price)) == (712345678, -2, "1.85")
    assert (asked.who, asked.route, asked.reauthenticated) == ("operator", "api", True)
    assert PASSWORD not in asked.model_dump_json()


async def test_a_withdrawal_is_asked_for_once_however_often_it_is_pressed(api: Any) -> None:
    await api.login()
    for _ in range(2):
        answer = await api.control("/books/cash-flow", CASH | CONFIRMED, key="one-press")
        assert answer.status_code == 202
    (request,) = await api.store.read(0, REQUESTS)
    assert isinstance(request.body, CashFlowRequested)
    assert str(request.body.amount) == "-5000.00"


@pytest.mark.parametrize(
    ("path", "body"), [("/books/position", POSITION), ("/books/cash-flow", CASH)]
)
async def test_nothing_is_recorded_without_the_password_or_evidence(
    api: Any, path: str, body: dict[str, Any]
) -> None:
    await api.login()
    wrong = body | CONFIRMED | {"password": "a wrong one"}
    assert (await api.control(path, wrong)).status_code == 401
    missing = {k: v for k, v in (body | CONFIRMED).items() if k != "evidence"}
    answer = await api.control(path, missing)
    assert answer.status_code == 400 and "evidence" in answer.json()["field"]
    assert await api.store.read(0, REQUESTS) == []


@pytest.mark.parametrize(
    "changes", [{"amount": "1.005"}, {"amount": "NaN"}, {"amount": "all of it"}]
)
async def test_an_amount_that_is_no_money_is_refused(api: Any, changes: dict[str, Any]) -> None:
    await api.login()
    answer = await api.control("/books/cash-flow", CASH | CONFIRMED | changes)
    assert answer.status_code == 400 and answer.json()["field"] == "amount"
