"""Reads what clients ask: contracts, placeOrder with every conditional block, and the like.

The layout is that of server version 178. A message that is not consumed to its last field is an
error, so that a misread block can never pass as another order.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from adapters.interactive_brokers.sandbox.wire import FieldCursor, WireError

CONDITION_FIELD_COUNTS = {1: 5, 3: 2, 4: 2, 5: 3, 6: 4, 7: 4}
"""Fields after type and conjunction: price, time, margin, execution, volume, percent change."""


@dataclass(frozen=True, slots=True)
class RequestedContract:
    """The twelve contract fields of a request."""

    con_id: int
    symbol: str
    security_type: str
    last_trade_date: str
    strike: Decimal
    right: str
    multiplier: str
    exchange: str
    primary_exchange: str
    currency: str
    local_symbol: str
    trading_class: str


@dataclass(frozen=True, slots=True)
class RequestedLeg:
    con_id: int
    ratio: int
    action: str
    exchange: str

    @property
    def signed_ratio(self) -> int:
        return self.ratio if self.action == "BUY" else -self.ratio


@dataclass(frozen=True, slots=True)
class PlaceRequest:
    """The fields of placeOrder that the sandbox acts on."""

    order_id: int
    contract: RequestedContract
    action: str
    quantity: Decimal
    order_type: str
    limit_price: Decimal | None
    aux_price: Decimal | None
    tif: str
    oca_group: str
    account: str
    open_close: str
    order_ref: str
    transmit: bool
    parent_id: int
    trigger_method: int
    outside_rth: bool
    oca_type: int
    what_if: bool
    legs: tuple[RequestedLeg, ...]
    routing: tuple[tuple[str, str], ...]
    condition_count: int


def read_contract(cursor: FieldCursor) -> RequestedContract:
    return RequestedContract(
        con_id=cursor.integer(),
        symbol=cursor.text(),
        security_type=cursor.text(),
        last_trade_date=cursor.text(),
        strike=cursor.decimal() or Decimal(0),
        right=cursor.text(),
        multiplier=cursor.text(),
        exchange=cursor.text(),
        primary_exchange=cursor.text(),
        currency=cursor.text(),
        local_symbol=cursor.text(),
        trading_class=cursor.text(),
    )


def read_market_data_legs(cursor: FieldCursor) -> tuple[RequestedLeg, ...]:
    """Legs as reqMktData and reqHistoricalData write them."""
    return tuple(
        RequestedLeg(cursor.integer(), cursor.integer(), cursor.text(), cursor.text())
        for _ in range(cursor.integer())
    )


def _order_legs(
    cursor: FieldCursor,
) -> tuple[tuple[RequestedLeg, ...], tuple[tuple[str, str], ...]]:
    legs = []
    for _ in range(cursor.integer()):
        leg = RequestedLeg(cursor.integer(), cursor.integer(), cursor.text(), cursor.text())
        cursor.skip(4)  # openClose, shortSaleSlot, designatedLocation, exemptCode
        legs.append(leg)
    cursor.skip(cursor.integer())  # a price for each leg
    routing = tuple((cursor.text(), cursor.text()) for _ in range(cursor.integer()))
    return tuple(legs), routing


def _skip_conditions(cursor: FieldCursor) -> int:
    count = cursor.integer()
    for _ in range(count):
        kind = cursor.integer()
        if kind not in CONDITION_FIELD_COUNTS:
            raise WireError(f"condition type must be 1 or 3 to 7, was {kind}")
        cursor.skip(1 + CONDITION_FIELD_COUNTS[kind])
    if count:
        cursor.skip(2)  # conditionsIgnoreRth, conditionsCancelOrder
    return count


def _skip_to_what_if(cursor: FieldCursor) -> None:
    """From volatility (62) to algoId (83), with the DN, SCALE, hedge, delta and ALGO blocks."""
    cursor.skip(2)  # volatility, volatilityType
    delta_neutral_order_type = cursor.text()
    cursor.skip(1)  # deltaNeutralAuxPrice
    if delta_neutral_order_type:
        cursor.skip(8)
    cursor.skip(4)  # continuousUpdate, referencePriceType, trailStopPrice, trailingPercent
    cursor.skip(2)  # scaleInitLevelSize, scaleSubsLevelSize
    scale_increment = cursor.decimal()
    if scale_increment is not None and scale_increment > 0:
        cursor.skip(7)
    cursor.skip(3)  # scaleTable, activeStartTime, activeStopTime
    if cursor.text():
        cursor.skip(1)  # hedgeParam
    cursor.skip(4)  # optOutSmartRouting, clearingAccount, clearingIntent, notHeld
    if cursor.flag():
        cursor.skip(3)  # deltaNeutralContract
    if cursor.text():
        cursor.skip(2 * cursor.integer())  # algoParams
    cursor.skip(1)  # algoId


def _skip_tail(cursor: FieldCursor, order_type: str, exchange: str) -> None:
    """From adjustedOrderType (90) to the end, with the fields of IBKRATS and PEG orders."""
    cursor.skip(24)
    if exchange == "IBKRATS":
        cursor.skip(1)
    if order_type in ("PEG BEST", "PEGBEST"):
        cursor.skip(1)
        if cursor.text() == "Infinite":
            cursor.skip(2)
    elif order_type in ("PEG MID", "PEGMID"):
        cursor.skip(2)


def read_place_order(cursor: FieldCursor) -> PlaceRequest:
    """Parse placeOrder after its message id.

    Raises:
        WireError: the message is too short, too long, or has a bad number.
    """
    order_id = cursor.integer()
    contract = read_contract(cursor)
    cursor.skip(2)  # secIdType, secId
    action, quantity = cursor.text(), cursor.decimal() or Decimal(0)
    order_type, limit_price, aux_price = cursor.text(), cursor.decimal(), cursor.decimal()
    tif, oca_group, account, open_close = cursor.skip(4)
    cursor.skip(1)  # origin
    order_ref, transmit, parent_id = cursor.text(), cursor.flag(), cursor.integer()
    cursor.skip(3)  # blockOrder, sweepToFill, displaySize
    trigger_method, outside_rth = cursor.integer(), cursor.flag()
    cursor.skip(1)  # hidden
    legs: tuple[RequestedLeg, ...] = ()
    routing: tuple[tuple[str, str], ...] = ()
    if contract.security_type == "BAG":
        legs, routing = _order_legs(cursor)
    cursor.skip(11)  # an empty field, discretionaryAmt .. exemptCode
    oca_type = cursor.integer()
    cursor.skip(15)  # rule80A .. overridePercentageConstraints
    _skip_to_what_if(cursor)
    what_if = cursor.flag()
    cursor.skip(4)  # orderMiscOptions, solicited, randomizeSize, randomizePrice
    if order_type in ("PEG BENCH", "PEGBENCH"):
        cursor.skip(5)
    condition_count = _skip_conditions(cursor)
    _skip_tail(cursor, order_type, contract.exchange)
    cursor.finish()
    return PlaceRequest(
        order_id=order_id,
        contract=contract,
        action=action,
        quantity=quantity,
        order_type=order_type,
        limit_price=limit_price,
        aux_price=aux_price,
        tif=tif,
        oca_group=oca_group,
        account=account,
        open_close=open_close,
        order_ref=order_ref,
        transmit=transmit,
        parent_id=parent_id,
        trigger_method=trigger_method,
        outside_rth=outside_rth,
        oca_type=oca_type,
        what_if=what_if,
        legs=legs,
        routing=routing,
        condition_count=condition_count,
    )
