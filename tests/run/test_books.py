"""Books kept from the command line: confirmed by typing which desk this is, decided by the desk."""

from __future__ import annotations

import asyncio
import io
import json
from decimal import Decimal
from typing import Any

import pytest

from domain.events.controls import ControlRefused
from domain.events.positions import AdjustmentRequested
from domain.events.risk import CashFlowRecorded, CashFlowRequested
from run import books
from run.worker import Recorder
from store.contract import Selection

WHY = ("--why", "the rent", "--evidence", "wire 8841", "--who", "ann", "--json")


@pytest.fixture(autouse=True)
def settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, database_url: str, redis_url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("STRIKETAPE_MODE", "paper")


async def decide(store: Any, kind: str, answer: Any) -> Any:
    """Play the trader: answer the first request of a type; the request."""
    async for events, _ in store.subscribe(0, Selection(types=frozenset({kind}))):
        for event in events:
            recorder = Recorder(store, "trader", "test", "run")
            await recorder.record("control", answer(event), causation_id=event.event_id)
            return event.body
    raise AssertionError(kind)


async def test_a_withdrawal_that_the_desk_records_ends_with_0(
    store: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = CashFlowRecorded(amount=Decimal("-5000"), who="ann", reason="the rent")
    monkeypatch.setattr("sys.stdin", io.StringIO("RECORD PAPER\n"))
    trader = asyncio.create_task(decide(store, "CashFlowRequested", lambda _: recorded))
    code = await asyncio.to_thread(books.main, ["cash", "--amount", "-5000", *WHY])
    asked = await trader
    assert code == 0 and json.loads(capsys.readouterr().out)["decided_by"] == "CashFlowRecorded"
    assert asked == CashFlowRequested(
        amount=Decimal("-5000"),
        evidence="wire 8841",
        who="ann",
        route="cli",
        reason="the rent",
        reauthenticated=True,
    )


async def test_an_adjustment_that_the_desk_refuses_ends_with_3_and_says_what_to_do(
    store: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(event: Any) -> ControlRefused:
        return ControlRefused(request_id=str(event.event_id), who="ann", reason="ask with +2")

    monkeypatch.setattr("sys.stdin", io.StringIO("RECORD PAPER\n"))
    trader = asyncio.create_task(decide(store, "AdjustmentRequested", refused))
    given = ["position", "--contract", "7", "--quantity", "-3", *WHY]
    assert await asyncio.to_thread(books.main, given) == 3
    asked = await trader
    assert isinstance(asked, AdjustmentRequested)
    assert (asked.con_id, asked.quantity, asked.position_id, asked.price) == (7, -3, "", None)
    assert json.loads(capsys.readouterr().out)["reason"] == "ask with +2"


@pytest.mark.parametrize("typed", ["", "RECORD\n", "RECORD LIVE\n"])
async def test_nothing_is_asked_of_the_wrong_desk(
    store: Any, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert await asyncio.to_thread(books.main, ["cash", "--amount", "9", *WHY]) == 3
    assert await store.read(0) == []


@pytest.mark.parametrize("amount", ["all", "NaN", "Infinity"])
def test_an_amount_that_is_no_number_is_named(
    amount: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        books.main(["cash", "--amount", amount, *WHY])
    assert ended.value.code == 2
    assert "argument --amount: must be a" in capsys.readouterr().err
