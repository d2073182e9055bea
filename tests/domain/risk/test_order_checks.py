"""Order checks at their boundaries; entries fail closed, exits are clipped and never refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events.orders import OrderType, Purpose
from domain.events.risk import Check
from domain.events.signals import Result
from domain.instruments import Side, Strategy
from domain.risk.codes import DenialCode
from domain.risk.order_checks import check_entry, clip_exit, refusals
from domain.risk.order_views import (
    DeskSituation,
    MarketView,
    OrderProposal,
    WorkingLeg,
    order_limits,
)
from tests.domain.risk.build import (
    CLOSE,
    EQUITY,
    NOON,
    OPEN,
    call_vertical,
    condor,
    contract,
    long_call,
    parameters,
)

LIMITS = order_limits(parameters())
ENTRY = OrderProposal(
    order_ref="ref-1",
    purpose=Purpose.ENTRY,
    strategy=Strategy.ZERO_DTE,
    structure=call_vertical(600, 604),
    action=Side.BUY,
    quantity=5,
    order_type=OrderType.LIMIT,
    limit_price=Decimal("1.50"),
    account="DU1",
    paper=True,
)
EXIT = replace(ENTRY, purpose=Purpose.EXIT, action=Side.SELL, position_id="pos-1")
MARKET = MarketView(
    net_bid=Decimal("1.48"),
    net_ask=Decimal("1.52"),
    model_mid=Decimal("1.50"),
    leg_ages_seconds=(0.5, 0.7),
    underlying_price=600.0,
    underlying_age_seconds=0.3,
)
DESK = DeskSituation(
    now=NOON,
    option_open_at=OPEN,
    option_close_at=CLOSE + timedelta(minutes=15),
    signal_valid_until=NOON + timedelta(seconds=20),
    equity_usd=EQUITY,
    held_units=5,
    account="DU1",
    paper=True,
)


def entry_checks(
    order: dict[str, Any] | None = None,
    market: dict[str, Any] | None = None,
    desk: dict[str, Any] | None = None,
) -> dict[str, Check]:
    found = check_entry(
        replace(ENTRY, **(order or {})),
        replace(MARKET, **(market or {})),
        replace(DESK, **(desk or {})),
        LIMITS,
    )
    return {check.code: check for check in found}


def test_a_sound_entry_passes_every_check_and_all_are_listed() -> None:
    found = check_entry(ENTRY, MARKET, DESK, LIMITS)
    assert refusals(found) == ()
    assert len(found) == len({check.code for check in found}) == 17


C = DenialCode


@pytest.mark.parametrize(
    ("code", "part", "name", "good", "bad"),
    [
        (C.PRICE_COLLAR, "order", "limit_price", Decimal("1.54"), Decimal("1.55")),
        (C.FAIR_VALUE, "market", "model_mid", Decimal("1.28"), Decimal("1.27")),
        (C.QUANTITY, "order", "quantity", 20, 21),
        (C.QUANTITY, "order", "quantity", 1, 0),
        (C.PREMIUM, "desk", "equity_usd", Decimal(15_000), Decimal("14999.99")),
        (C.QUOTE_AGE, "market", "leg_ages_seconds", (0.5, 2.0), (0.5, 2.001)),
        (C.UNDERLYING_AGE, "market", "underlying_age_seconds", 2.0, 2.001),
        (C.SIGNAL_AGE, "desk", "signal_valid_until", NOON, NOON - timedelta(seconds=1)),
        (C.REDUCE_ONLY, "desk", "breached_limits", (), ("LIMIT_TOTAL",)),
        (C.DUPLICATE_ORDER, "desk", "similar_order_seconds", 5.0, 4.999),
        (C.RATE_BUCKET, "desk", "new_orders_bucket_minute", 9, 10),
        (C.RATE_ALL, "desk", "new_orders_minute", 29, 30),
        (C.OPTION_HOURS, "desk", "option_close_at", NOON + timedelta(seconds=1), NOON),
        (C.OPTION_HOURS, "desk", "option_open_at", NOON, NOON + timedelta(seconds=1)),
        (C.ORDER_REF_NEW, "desk", "order_ref_used", False, True),
        (C.ORDER_TYPE, "order", "order_type", OrderType.LIMIT, OrderType.STOP_LIMIT),
        (C.ORDER_TYPE, "order", "time_in_force", "DAY", "GTC"),
        (C.ACCOUNT, "order", "account", "DU1", "DU2"),
        (C.ACCOUNT, "desk", "paper", True, False),
    ],
)
def test_entry_check_at_its_boundary(
    code: DenialCode, part: str, name: str, good: object, bad: object
) -> None:
    assert entry_checks(**{part: {name: good}})[code].result is Result.PASS
    assert entry_checks(**{part: {name: bad}})[code].result is Result.FAIL


@pytest.mark.parametrize(
    ("code", "part", "change"),
    [
        (C.PRICE_COLLAR, "market", {"net_ask": None}),
        (C.FAIR_VALUE, "market", {"model_mid": None}),
        (C.ORDER_VALUE, "market", {"underlying_price": None}),
        (C.PREMIUM, "desk", {"equity_usd": None}),
        (C.QUOTE_AGE, "market", {"leg_ages_seconds": (0.5, None)}),
        (C.UNDERLYING_AGE, "market", {"underlying_age_seconds": None}),
        (C.SIGNAL_AGE, "desk", {"signal_valid_until": None}),
        (C.OPTION_HOURS, "desk", {"option_open_at": None}),
    ],
)
def test_entry_with_a_missing_input_is_refused_and_names_it(
    code: DenialCode, part: str, change: dict[str, Any]
) -> None:
    found = entry_checks(**{part: change})
    assert found[code].result is Result.UNEVALUABLE
    assert found[code].input.startswith("missing: ")
    assert code.value in refusals(tuple(found.values()))


def test_debit_is_below_the_width_and_below_the_underlying() -> None:
    wide: dict[str, Any] = {
        "net_bid": Decimal("3.95"),
        "net_ask": Decimal("4.05"),
        "model_mid": Decimal("4.00"),
    }
    assert entry_checks({"limit_price": Decimal("3.99")}, wide)[C.ORDER_VALUE].result is Result.PASS
    assert entry_checks({"limit_price": Decimal("4.00")}, wide)[C.ORDER_VALUE].result is Result.FAIL
    single: dict[str, Any] = {"structure": long_call(1), "limit_price": Decimal("600.00")}
    assert entry_checks(single)[C.ORDER_VALUE].result is Result.FAIL
    single["limit_price"] = Decimal("599.99")
    assert entry_checks(single)[C.ORDER_VALUE].result is Result.PASS


@pytest.mark.parametrize(
    ("price", "result"),
    [("-0.05", "pass"), ("-0.04", "fail"), ("-3.99", "pass"), ("-4.00", "fail")],
)
def test_credit_is_opened_for_five_cents_or_more_and_below_the_width(
    price: str, result: str
) -> None:
    order: dict[str, Any] = {"structure": condor(), "limit_price": Decimal(price)}
    assert entry_checks(order)[C.ORDER_VALUE].result == result


def test_replacements_have_their_own_rate_and_no_duplicate_check() -> None:
    order: dict[str, Any] = {"is_replacement": True, "replaces": 4}
    found = entry_checks(order, desk={"replaces_minute": 59, "order_ref_used": True})
    assert found[C.RATE_REPLACE].result is Result.PASS
    assert found[C.ORDER_REF_NEW].result is Result.PASS
    assert C.DUPLICATE_ORDER not in found
    assert entry_checks({**order, "replaces": 5})[C.RATE_REPLACE].result is Result.FAIL
    assert entry_checks(order, desk={"replaces_minute": 60})[C.RATE_REPLACE].result is Result.FAIL


@pytest.mark.parametrize(("entries", "exits", "result"), [(30, 29, "pass"), (30, 30, "fail")])
def test_replacements_of_exits_are_taken_from_those_of_entries(
    entries: int, exits: int, result: str
) -> None:
    """Sixty a minute in all: counted apart, the desk would send ninety."""
    desk = {"replaces_minute": entries, "exit_replaces_minute": exits}
    order = {"is_replacement": True, "replaces": 0}
    assert entry_checks(order, desk=desk)[C.RATE_REPLACE].result == result


def test_own_order_on_the_other_side_of_a_leg_refuses_an_entry() -> None:
    mine = contract(600).con_id
    selling = WorkingLeg(mine, Side.SELL, "other", "pos-9", is_protective_stop=True)
    refused = entry_checks(desk={"working": (selling,)})[C.SELF_CROSS]
    assert (refused.result, refused.value) == (Result.FAIL, "other")
    buying = WorkingLeg(mine, Side.BUY, "other", "pos-9")
    assert entry_checks(desk={"working": (buying,)})[C.SELF_CROSS].result is Result.PASS


def clipped(
    order: dict[str, Any] | None = None,
    market: dict[str, Any] | None = None,
    desk: dict[str, Any] | None = None,
) -> Any:
    return clip_exit(
        replace(EXIT, **(order or {})),
        replace(MARKET, **(market or {})),
        replace(DESK, **(desk or {})),
        LIMITS,
    )


@pytest.mark.parametrize(
    ("price", "profile", "used"),
    [
        ("1.46", "normal", "1.46"),
        ("1.30", "normal", "1.46"),
        ("1.30", "urgent", "1.45"),
        ("1.45", "market_equivalent", "1.45"),
    ],
)
def test_exit_price_is_clipped_to_the_collar(price: str, profile: str, used: str) -> None:
    found = clipped({"limit_price": Decimal(price), "profile": profile})
    assert found.price == Decimal(used)


def test_exit_of_a_worthless_structure_is_sold_for_a_cent() -> None:
    found = clipped(
        {"limit_price": Decimal("0.00")},
        {"net_bid": Decimal("0.00"), "net_ask": Decimal("0.01"), "model_mid": Decimal("0.00")},
    )
    assert found.price == Decimal("0.01")


def test_closing_a_credit_costs_at_most_its_width() -> None:
    found = clipped(
        {"structure": condor(), "limit_price": Decimal("-4.20")},
        {"net_bid": Decimal("-4.10"), "net_ask": Decimal("-3.90"), "model_mid": Decimal("-4.00")},
    )
    assert found.price == Decimal("-4.00")
    assert C.ORDER_VALUE in found.failed


def test_exit_without_quote_goes_three_ticks_through_the_last_good_mark() -> None:
    found = clipped(market={"net_bid": None, "net_ask": None, "last_good_mark": Decimal("1.205")})
    assert found.price == Decimal("1.17")
    assert found.held_back == ()


def test_exit_quantity_is_clipped_to_what_is_held() -> None:
    assert clipped({"quantity": 7}).quantity == 5
    assert clipped({"quantity": 3}).quantity == 3


def test_exit_cancels_our_other_order_first_but_not_the_protective_stop() -> None:
    mine = contract(600).con_id
    stop = WorkingLeg(mine, Side.BUY, "stop", "pos-1", is_protective_stop=True)
    entry = WorkingLeg(mine, Side.BUY, "entry", "pos-1")
    found = clipped(desk={"working": (stop, entry)})
    assert found.cancel_first == ("entry",) and found.held_back == ()


@pytest.mark.parametrize(
    ("order", "desk", "code"),
    [
        ({"account": "DU2"}, {}, C.ACCOUNT),
        ({}, {"order_ref_used": True}, C.ORDER_REF_NEW),
        ({}, {"option_close_at": NOON}, C.OPTION_HOURS),
    ],
)
def test_only_account_hours_and_a_used_reference_hold_an_exit_back(
    order: dict[str, Any], desk: dict[str, Any], code: DenialCode
) -> None:
    assert clipped(order, desk=desk).held_back == (code,)


maybe_price = st.none() | st.decimals(min_value="-5", max_value="5", places=2)
maybe_age = st.none() | st.floats(0, 1e4)


@given(
    bid=maybe_price,
    ask=maybe_price,
    model=maybe_price,
    age=maybe_age,
    limit=st.decimals(min_value="-9", max_value="9", places=2),
    quantity=st.integers(1, 99),
    rate=st.integers(0, 99),
    breached=st.sampled_from([(), ("LIMIT_TOTAL",)]),
    equity=st.none() | st.just(Decimal(0)),
    credit=st.booleans(),
    recent=maybe_age,
)
def test_exit_is_never_refused_whatever_checks_fail(
    bid: Decimal | None,
    ask: Decimal | None,
    model: Decimal | None,
    age: float | None,
    limit: Decimal,
    quantity: int,
    rate: int,
    breached: tuple[str, ...],
    equity: Decimal | None,
    credit: bool,
    recent: float | None,
) -> None:
    found = clipped(
        {
            "structure": condor() if credit else call_vertical(),
            "limit_price": limit,
            "quantity": quantity,
        },
        {
            "net_bid": bid,
            "net_ask": ask,
            "model_mid": model,
            "leg_ages_seconds": (age, age),
            "underlying_price": None,
            "underlying_age_seconds": age,
            "last_good_mark": Decimal("1.00"),
        },
        {
            "new_orders_minute": rate,
            "exit_replaces_minute": rate,
            "breached_limits": breached,
            "equity_usd": equity,
            "similar_order_seconds": recent,
            "signal_valid_until": None,
        },
    )
    assert found.held_back == ()
    assert found.price is not None and found.price == found.price.quantize(Decimal("0.01"))
    assert found.quantity == min(quantity, 5)
