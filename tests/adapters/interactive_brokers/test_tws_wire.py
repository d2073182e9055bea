"""The sandbox's bytes against ib_async's own decoder, and ib_async's bytes against its parser."""

from __future__ import annotations

import logging
from datetime import UTC
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from ib_async import IB, Contract, ExecutionCondition, LimitOrder, Order, PriceCondition, TagValue
from ib_async.decoder import Decoder

from adapters.interactive_brokers.sandbox import TwsSandbox, order_messages
from adapters.interactive_brokers.sandbox.contracts import COMBO_CON_ID, ContractDirectory
from adapters.interactive_brokers.sandbox.requests import read_place_order
from adapters.interactive_brokers.sandbox.state import SimExecution, SimLeg, SimOrder
from adapters.interactive_brokers.sandbox.wire import (
    FieldCursor,
    WireError,
    field_text,
    split_fields,
)
from tests.adapters.interactive_brokers.still_market import CALL_600, CALL_605, StillMarket
from tests.waiting import Until

CONTRACT = "700001|SPY|OPT|20261218|600.0|C|100|SMART|USD|SPY   261218C00600000|SPY"
TAIL = "|" * 28 + "3||||0|||||||||||||0|0|0|||||||IB||0|||"
SAMPLES = {
    "openOrder": f"5|28|{CONTRACT}|BUY|2|LMT|1.25|0.0|DAY||DU1234567||0|sig-1|7|1800000001{TAIL}0"
    "|Submitted|||||||||||||||||0||||||||||||||||||||||||",
    "orderStatus": "3|28|Filled|2|0|1.25|1800000001|0|1.25|7||0",
    "error": "4|2|28|202|Order Canceled - reason:|",
    "execDetails": f"11|-1|28|{CONTRACT}|0000e0d5.67370001.01.01|20261122 09:31:00 US/Eastern"
    "|DU1234567|CBOE|BOT|1|1.25|1800000001|7|0|1|1.25|sig-1||||2|0",
    "commissionReport": "59|1|0000e0d5.67370001.01.01|0.65|USD|1.7976931348623157E308"
    "|1.7976931348623157E308|",
    "tickOptionComputation": "21|11|13|1|0.185|0.51|1.2|0.0|0.021|0.33|-0.12|600.01",
    "priceSizeTick": "1|6|11|35|600.02|0|0",
    "tickSize": "2|6|11|36|-250000",
    "realtimeBar": "50|3|20|1795341100|600.0|600.1|599.9|600.05|1000|600.01|42",
    "updateMktDepthL2": "13|1|14|0|ARCA|0|1|599.98|100|1",
    "position": "61|3|DU1234567|700001|SPY|OPT|20261218|600.0|C|100||USD|SPY   261218C00600000"
    "|SPY|2|121.05",
    "pnl": "94|26|12.5|20.0|-7.5",
    "currentTime": "49|1|1795341185",
}


class Recorder:
    """Takes every callback of the decoder and keeps its arguments."""

    def __init__(self) -> None:
        self.calls: dict[str, tuple[Any, ...]] = {}
        self.ib = SimpleNamespace(TimezoneTWS="US/Eastern")
        self.defaultTimezone = UTC

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.calls.__setitem__(name, arguments)


def decode(fields: list[str]) -> dict[str, tuple[Any, ...]]:
    """What ib_async makes of a message; a message it cannot read is a failure."""
    recorder = Recorder()
    decoder = Decoder(recorder, 178)  # type: ignore[no-untyped-call, arg-type]
    decoder.logger = logging.Logger("unreadable")
    decoder.logger.addHandler(_Raise())
    decoder.interpret(fields)  # type: ignore[no-untyped-call]
    return recorder.calls


class _Raise(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise AssertionError(record.getMessage())


def decode_frame(frame: bytes) -> dict[str, tuple[Any, ...]]:
    return decode(split_fields(frame[4:]))


def sample_order(**changes: Any) -> SimOrder:
    order = SimOrder(
        order_id=28,
        client_id=7,
        perm_id=1_800_000_001,
        con_id=CALL_600,
        symbol="SPY",
        legs=(),
        action="BUY",
        quantity=2,
        order_type="LMT",
        limit_price=Decimal("1.25"),
        stop_price=None,
        tif="DAY",
        account="DU1234567",
        order_ref="sig-1",
        oca_group="g1",
        oca_type=2,
        parent_id=12,
        transmit=True,
        status="Submitted",
    )
    for name, value in changes.items():
        setattr(order, name, value)
    return order


@pytest.mark.parametrize("name", SAMPLES)
def test_a_message_as_the_broker_writes_it_is_decoded_unharmed(name: str) -> None:
    calls = decode(SAMPLES[name].split("|"))
    assert set(calls) == {name}


def test_an_open_order_of_the_sandbox_decodes_to_the_order_that_was_placed() -> None:
    directory = ContractDirectory(StillMarket())
    frame = order_messages.open_order(sample_order(), directory)
    order_id, contract, order, state = decode_frame(frame)["openOrder"]
    assert (order_id, contract.conId, contract.strike) == (28, CALL_600, 600.0)
    assert (order.action, order.totalQuantity, order.lmtPrice) == ("BUY", 2.0, 1.25)
    assert (order.orderRef, order.parentId, order.permId) == ("sig-1", 12, 1_800_000_001)
    assert (order.ocaGroup, order.ocaType, order.account) == ("g1", 2, "DU1234567")
    assert state.status == "Submitted"
    assert order.deltaNeutralOrderType == "None"  # the echo of the real TWS, eight fields and all


def test_a_combination_keeps_its_legs_in_open_and_completed_orders() -> None:
    directory = ContractDirectory(StillMarket())
    legs = (SimLeg(CALL_600, 1), SimLeg(CALL_605, -1))
    order = sample_order(
        con_id=COMBO_CON_ID,
        legs=legs,
        routing=(("NonGuaranteed", "0"),),
        status="Filled",
        filled=2,
        completed_at="2026-11-23T15:00:00+00:00",
        completed_status="Filled Size: 2",
    )
    _, contract, _, _ = decode_frame(order_messages.open_order(order, directory))["openOrder"]
    assert [(leg.conId, leg.action) for leg in contract.comboLegs] == [
        (CALL_600, "BUY"),
        (CALL_605, "SELL"),
    ]
    frame = order_messages.completed_order(order, directory)
    contract, done, state = decode_frame(frame)["completedOrder"]
    assert (contract.secType, done.filledQuantity, done.orderRef) == ("BAG", 2.0, "sig-1")
    assert (state.status, state.completedStatus) == ("Filled", "Filled Size: 2")


def test_an_execution_of_the_sandbox_keeps_time_zone_and_money() -> None:
    execution = SimExecution(
        exec_id="0000e0d5.67370001.01.01",
        order_id=28,
        client_id=7,
        perm_id=1,
        order_ref="sig-1",
        con_id=CALL_600,
        symbol="SPY",
        side="BOT",
        quantity=1,
        price=Decimal("1.25"),
        cumulative=1,
        average_price=Decimal("1.25"),
        at="2026-11-23T15:00:00+00:00",
        account="DU1234567",
        commission=Decimal("0.70"),
        moves_position=True,
    )
    directory = ContractDirectory(StillMarket())
    _, _, detail = decode_frame(order_messages.execution_details(execution, directory))[
        "execDetails"
    ]
    assert detail.time.isoformat() == "2026-11-23T15:00:00+00:00"
    assert (detail.price, detail.shares, detail.pendingPriceRevision) == (1.25, 1.0, False)
    (report,) = decode_frame(order_messages.commission_report(execution))["commissionReport"]
    assert report.commission == 0.7
    assert report.realizedPNL > 1e300  # unset


PLACE_LMT = (
    "12|700001|SPY|OPT|20260116|600.0|C|100|SMART||USD|SPY   260116C00600000|SPY|||BUY|2|LMT|1.25"
    "||DAY||DU1|O|0|sig-1|1|0|0|0|0|0|0|0||0.0|||||||0||-1|0|||0|||0|0||0||||||0|||||0|||||||||||"
    "0|||0|0|||0||0|0|0|0|||||||0|||||||||0|0|0|0|||0||"
)
PLACE_BAG = (
    "12|0|SPY|BAG||0.0|||SMART||USD|||||BUY|1|LMT|0.55|||||O|0||1|0|0|0|0|0|0|0|2|700001|1|BUY|"
    "SMART|0|0||-1|700002|1|SELL|SMART|0|0||-1|0|1|NonGuaranteed|1||0.0|||||||0||-1|0|||0|||0|0||"
    "0||||||0|||||0|||||||||||0|||0|0|||0||0|0|0|0|||||||0|||||||||0|0|0|0|||0||"
)


def test_the_literal_order_samples_are_read_to_their_last_field() -> None:
    placed = read_place_order(FieldCursor(PLACE_LMT.split("|")))
    assert (placed.order_id, placed.quantity, placed.limit_price) == (12, 2, Decimal("1.25"))
    assert (placed.order_ref, placed.tif, placed.transmit) == ("sig-1", "DAY", True)
    bag = read_place_order(FieldCursor(PLACE_BAG.split("|")))
    assert [leg.signed_ratio for leg in bag.legs] == [1, -1]
    assert bag.routing == (("NonGuaranteed", "1"),)


def test_an_order_with_a_field_too_many_is_refused_rather_than_misread() -> None:
    with pytest.raises(WireError, match="read to its end"):
        read_place_order(FieldCursor([*PLACE_LMT.split("|"), "1"]))


def test_numbers_go_out_without_exponents_and_booleans_as_digits() -> None:
    assert field_text(Decimal("1E+2")) == "100"
    assert field_text(1e-7) == "0.0000001"
    assert (field_text(True), field_text(None)) == ("1", "")


def odd_orders() -> dict[str, Order]:
    """Orders of ib_async with every conditional block of placeOrder."""
    limit = {"action": "BUY", "totalQuantity": 1, "lmtPrice": 1.0, "tif": "DAY"}
    scale = {"scaleInitLevelSize": 1, "scaleSubsLevelSize": 1, "scalePriceIncrement": 0.1}
    return {
        "hedge": LimitOrder("BUY", 1, 1.0, hedgeType="D", hedgeParam="x"),
        "algorithm": LimitOrder(
            "BUY", 1, 1.0, algoStrategy="Adaptive", algoParams=[TagValue("adaptivePriority", "U")]
        ),
        "scale": Order(orderType="LMT", **limit, **scale),
        "delta neutral": LimitOrder("BUY", 1, 1.0, deltaNeutralOrderType="None"),
        "conditions": LimitOrder(
            "BUY", 1, 1.0, conditions=[PriceCondition(conId=1), ExecutionCondition(symbol="SPY")]
        ),
        "peg bench": Order(orderType="PEG BENCH", **limit),
        "peg mid": Order(orderType="PEG MID", **limit),
        "peg best": Order(orderType="PEG BEST", **limit, competeAgainstBestOffset=float("inf")),
    }


@pytest.mark.parametrize("name", odd_orders())
async def test_every_conditional_block_of_an_order_is_read_through(
    name: str, tws: TwsSandbox, ib: IB, until: Until
) -> None:
    texts: list[str] = []
    ib.errorEvent += lambda _id, _code, text, _contract: texts.append(text)
    contract = Contract(secType="OPT", conId=CALL_600, symbol="SPY", exchange="SMART")
    trade = ib.placeOrder(contract, odd_orders()[name])
    await until(lambda: texts or trade.orderStatus.status == "Submitted")
    assert not any("message must" in text for text in texts), texts
    supported = name in ("hedge", "algorithm", "scale", "delta neutral")
    assert (trade.orderStatus.status == "Submitted") is supported
