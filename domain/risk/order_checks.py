"""The last checks before an order leaves (quantitative rules, 5.9): no predictions, only facts.

`check_entry` lists every check of an entry, passed or not; one that does not pass refuses it.
`clip_exit` never refuses: it clips price and quantity to their bounds, records what failed and
says what has to happen first. Called by the order stage with plain views of its own state.
"""

from __future__ import annotations

from decimal import Decimal

from domain.events.orders import OrderType, Purpose
from domain.events.risk import Check
from domain.events.signals import Result
from domain.instruments import MULTIPLIER, TICK, Side
from domain.numbers import ceil_tick, floor_tick
from domain.risk.check_row import check_row
from domain.risk.codes import DenialCode
from domain.risk.order_prices import PriceBound, collar, fair_value, sensible_value
from domain.risk.order_views import (
    ClippedExit,
    DeskSituation,
    MarketView,
    OrderLimits,
    OrderProposal,
    WorkingLeg,
)


def _price_check(code: DenialCode, bound: PriceBound, price: Decimal) -> Check:
    if bound.unknown:
        return check_row(code, None, "-", price, f"missing: {bound.unknown}")
    return check_row(code, bound.holds(price), bound, price, "quotes")


def _bounds(
    order: OrderProposal, market: MarketView, limits: OrderLimits
) -> tuple[tuple[DenialCode, PriceBound], ...]:
    """In the order in which an exit is clipped: the last wins."""
    return (
        (DenialCode.FAIR_VALUE, fair_value(market, limits)),
        (DenialCode.ORDER_VALUE, sensible_value(order, market)),
        (DenialCode.PRICE_COLLAR, collar(order, market, limits)),
    )


def _quote_checks(market: MarketView, limits: OrderLimits) -> list[Check]:
    ages = market.leg_ages_seconds
    known = [age for age in ages if age is not None]
    oldest = max(known) if known and len(known) == len(ages) else None
    age = market.underlying_age_seconds
    return [
        check_row(
            DenialCode.QUOTE_AGE,
            None if oldest is None else oldest <= limits.leg_age_seconds,
            f"{limits.leg_age_seconds} s",
            "-" if oldest is None else f"{oldest} s",
            "leg quotes" if oldest is not None else "missing: leg quote",
        ),
        check_row(
            DenialCode.UNDERLYING_AGE,
            None if age is None else age <= limits.underlying_age_seconds,
            f"{limits.underlying_age_seconds} s",
            "-" if age is None else f"{age} s",
            "underlying quote" if age is not None else "missing: underlying quote",
        ),
    ]


def _rate_checks(order: OrderProposal, desk: DeskSituation, limits: OrderLimits) -> list[Check]:
    if order.is_replacement:
        exit_order = not order.purpose.opens
        # 60 in all: an entry waits for what exits took. Exits have a number of their own.
        done = desk.exit_replaces_minute + (0 if exit_order else desk.replaces_minute)
        most = limits.exit_replaces_minute if exit_order else limits.replaces_minute
        holds = done < most and (exit_order or order.replaces < limits.replaces_order)
        return [
            check_row(
                DenialCode.RATE_REPLACE,
                holds,
                f"{limits.replaces_order} an order, {most} a minute",
                f"{order.replaces} and {done} before this",
                "order counts",
            )
        ]
    bucket, everything = desk.new_orders_bucket_minute, desk.new_orders_minute
    return [
        check_row(
            DenialCode.RATE_BUCKET,
            bucket < limits.orders_bucket_minute,
            f"{limits.orders_bucket_minute} a minute",
            f"{bucket} before this",
            "order counts",
        ),
        check_row(
            DenialCode.RATE_ALL,
            everything < limits.orders_minute,
            f"{limits.orders_minute} a minute",
            f"{everything} before this",
            "order counts",
        ),
    ]


def crossing(order: OrderProposal, desk: DeskSituation) -> tuple[WorkingLeg, ...]:
    """What of ours stands on the other side of a leg; the position's own holding excepted."""
    sides = {
        leg.contract.con_id: order.action if leg.ratio > 0 else order.action.opposite
        for leg in order.structure.legs
    }
    return tuple(
        other
        for other in desk.working
        if sides.get(other.con_id) is other.side.opposite
        and other.order_ref != order.order_ref
        and not (other.order_ref == "" and other.position_id == order.position_id != "")
    )


def _hold_checks(order: OrderProposal, desk: DeskSituation) -> list[Check]:
    """The three checks that hold back an exit too."""
    opens, closes = desk.option_open_at, desk.option_close_at
    known = opens is not None and closes is not None
    inside = opens <= desk.now < closes if opens is not None and closes is not None else None
    return [
        check_row(
            DenialCode.OPTION_HOURS,
            inside,
            f"[{opens}, {closes})",
            desk.now,
            "session plan" if known else "missing: session plan",
        ),
        check_row(
            DenialCode.ORDER_REF_NEW,
            not desk.order_ref_used or order.is_replacement,
            "not used before",
            order.order_ref,
            "order references",
        ),
        check_row(
            DenialCode.ACCOUNT,
            order.account == desk.account != "" and order.paper == desk.paper,
            f"{desk.account or '-'} {'paper' if desk.paper else 'live'}",
            f"{order.account or '-'} {'paper' if order.paper else 'live'}",
            "account this log began with",
        ),
    ]


def _type_check(order: OrderProposal) -> Check:
    stop = order.purpose is Purpose.PROTECTIVE_STOP
    wanted = OrderType.STOP_LIMIT if stop else OrderType.LIMIT
    return check_row(
        DenialCode.ORDER_TYPE,
        order.order_type is wanted and order.time_in_force == "DAY",
        f"{wanted.value} DAY",
        f"{order.order_type.value} {order.time_in_force}",
        "order",
    )


def _duplicate_check(desk: DeskSituation, limits: OrderLimits) -> Check:
    age = desk.similar_order_seconds
    return check_row(
        DenialCode.DUPLICATE_ORDER,
        age is None or age >= limits.duplicate_seconds,
        f"{limits.duplicate_seconds} s",
        "none" if age is None else f"{age} s",
        "recent orders",
    )


def _entry_amounts(order: OrderProposal, desk: DeskSituation, limits: OrderLimits) -> list[Check]:
    legs = len(order.structure.legs)
    premium = abs(order.limit_price) * MULTIPLIER * order.quantity
    equity = desk.equity_usd
    most = None if equity is None else equity * Decimal(repr(limits.premium_share))
    return [
        check_row(
            DenialCode.QUANTITY,
            1 <= order.quantity <= limits.contracts_per_order and legs >= 1,
            f"[1, {limits.contracts_per_order}]",
            order.quantity,
            "order",
        ),
        check_row(
            DenialCode.PREMIUM,
            None if most is None else premium <= most,
            "-" if most is None else most,
            premium,
            "equity" if most is not None else "missing: equity",
        ),
    ]


def check_entry(
    order: OrderProposal, market: MarketView, desk: DeskSituation, limits: OrderLimits
) -> tuple[Check, ...]:
    """Every check of an entry, none left out; it may go only when all results are pass."""
    until = desk.signal_valid_until
    crossed = crossing(order, desk)
    duplicate = [] if order.is_replacement else [_duplicate_check(desk, limits)]
    return (
        *(
            _price_check(code, bound, order.limit_price)
            for code, bound in _bounds(order, market, limits)
        ),
        *_entry_amounts(order, desk, limits),
        *_quote_checks(market, limits),
        check_row(
            DenialCode.SIGNAL_AGE,
            None if until is None else desk.now <= until,
            "-" if until is None else until,
            desk.now,
            "signal" if until is not None else "missing: signal",
        ),
        check_row(
            DenialCode.REDUCE_ONLY,
            not desk.breached_limits,
            "no limit breached",
            ", ".join(desk.breached_limits) or "none",
            "risk limits",
        ),
        *duplicate,
        *_rate_checks(order, desk, limits),
        check_row(
            DenialCode.SELF_CROSS,
            not crossed,
            "no own order or position on the other side",
            ", ".join(other.order_ref or other.position_id for other in crossed) or "none",
            "working orders and positions",
        ),
        _type_check(order),
        *_hold_checks(order, desk),
    )


def refusals(checks: tuple[Check, ...]) -> tuple[str, ...]:
    """Codes of the checks that refuse an entry, in the order of the list."""
    return tuple(check.code for check in checks if check.result is not Result.PASS)


def _price_without_quote(
    order: OrderProposal, market: MarketView, limits: OrderLimits
) -> Decimal | None:
    mark = market.last_good_mark
    if mark is None:
        return None
    away = limits.no_quote_ticks * TICK
    if order.action is Side.BUY:
        return ceil_tick(mark) + away
    return floor_tick(mark) - away


def clip_exit(
    order: OrderProposal, market: MarketView, desk: DeskSituation, limits: OrderLimits
) -> ClippedExit:
    """An order that only reduces risk, brought inside its bounds. It is never refused.

    Without a usable net quote the price comes from the last good mark, three ticks through; the
    value rule still holds it above the least price at which the structure can be sold.
    """
    price: Decimal | None = order.limit_price
    if market.net_bid is None or market.net_ask is None:
        price = _price_without_quote(order, market, limits)
    checks: list[Check] = []
    for code, bound in _bounds(order, market, limits):
        checks.append(_price_check(code, bound, order.limit_price if price is None else price))
        if price is not None and not bound.unknown:
            price = bound.clip(price)
    quantity = max(0, min(order.quantity, desk.held_units))
    checks.append(
        check_row(
            DenialCode.QUANTITY,
            1 <= order.quantity <= desk.held_units,
            f"[1, {desk.held_units}]",
            order.quantity,
            "position",
        )
    )
    checks += _quote_checks(market, limits)
    checks += _rate_checks(order, desk, limits)
    if not order.is_replacement:
        checks.append(_duplicate_check(desk, limits))
    crossed = crossing(order, desk)
    cancel = tuple(
        sorted({o.order_ref for o in crossed if o.order_ref and not o.is_protective_stop})
    )
    checks.append(
        check_row(
            DenialCode.SELF_CROSS,
            not cancel,
            "cancelled first",
            ", ".join(cancel) or "none",
            "working orders and positions",
        )
    )
    checks.append(_type_check(order))
    holds = _hold_checks(order, desk)
    held_back = tuple(DenialCode(c.code) for c in holds if c.result is not Result.PASS)
    return ClippedExit(price, quantity, (*checks, *holds), held_back, cancel)
