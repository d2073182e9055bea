"""Prices at which an order can fill now: quotes of single options and of combinations.

Marketable orders fill at the far side up to the displayed size, once for each change of the
quote; orders resting inside the spread fill by a seeded chance for every market second. Pure
functions and one small book of sizes already taken; the engine asks.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from decimal import Decimal

from adapters.interactive_brokers.sandbox.state import SimOrder
from adapters.market_model.contract import MarketModel, SimQuote

CENT = Decimal("0.01")
INSIDE_CHANCE_MAX = 0.25
"""Chance a second of an order resting one tick short of the far side; at the middle a quarter."""
JOINED_CHANCE = 0.01
"""Chance a second of an order that rests at the near side."""
COMBINATION_FACTOR = 0.5
SECONDS_DRAWN_MAX = 120


@dataclass(frozen=True, slots=True)
class NetQuote:
    """What the order's structure costs to buy (ask) and brings when sold (bid), dollars."""

    bid: Decimal
    ask: Decimal
    bid_size: int
    ask_size: int
    legs: tuple[tuple[int, SimQuote], ...]
    """Contract id and quote of each leg; their change is a change of this quote."""

    def far(self, sign: int) -> Decimal:
        return self.ask if sign > 0 else self.bid

    def near(self, sign: int) -> Decimal:
        return self.bid if sign > 0 else self.ask


def _price(value: float) -> Decimal:
    return Decimal(repr(value)).quantize(CENT)


def net_quote(market: MarketModel, order: SimOrder) -> NetQuote | None:
    """The quote of the order's option or combination; None when a leg is not offered.

    A leg without bid can still be bought: its bid counts as 0 with no size. Sold inside a
    combination it goes along for nothing and limits no size, as in a book of complex orders.
    """
    if not order.legs:
        quote = market.quote(order.con_id)
        if quote is None or quote.ask_size <= 0:
            return None
        return NetQuote(
            _price(quote.bid),
            _price(quote.ask),
            quote.bid_size,
            quote.ask_size,
            ((order.con_id, quote),),
        )
    bid = ask = Decimal(0)
    bid_sizes: list[int] = []
    ask_sizes: list[int] = []
    legs = []
    for leg in order.legs:
        quote = market.quote(leg.con_id)
        if quote is None or quote.ask_size <= 0:
            return None
        legs.append((leg.con_id, quote))
        count = abs(leg.ratio)
        low, high = _price(quote.bid), _price(quote.ask)
        if leg.ratio > 0:
            bid, ask = bid + count * low, ask + count * high
            sold, bought = bid_sizes, ask_sizes
        else:
            bid, ask = bid - count * high, ask - count * low
            sold, bought = ask_sizes, bid_sizes
        bought.append(quote.ask_size // count)
        if quote.bid_size:
            sold.append(quote.bid_size // count)
    sizes = (min(bid_sizes, default=0), min(ask_sizes, default=0))
    return NetQuote(bid, ask, *sizes, tuple(legs))


@dataclass(slots=True)
class TakenSizes:
    """How much of each displayed quote has been taken; a new quote shows its size anew."""

    _taken: dict[tuple[int, int], tuple[SimQuote, int]] = field(default_factory=dict)

    def available(self, quote: NetQuote, order: SimOrder) -> int:
        shown = quote.ask_size if order.sign > 0 else quote.bid_size
        for con_id, side in _sides(order).items():
            leg_quote = next(q for key, q in quote.legs if key == con_id)
            known = self._taken.get((con_id, side))
            size = leg_quote.ask_size if side > 0 else leg_quote.bid_size
            if size and known is not None and known[0] == leg_quote:
                shown = min(shown, size - known[1])
        return max(shown, 0)

    def take(self, quote: NetQuote, order: SimOrder, quantity: int) -> None:
        for con_id, side in _sides(order).items():
            leg_quote = next(q for key, q in quote.legs if key == con_id)
            known = self._taken.get((con_id, side))
            before = known[1] if known is not None and known[0] == leg_quote else 0
            self._taken[(con_id, side)] = (leg_quote, before + quantity)


def _sides(order: SimOrder) -> dict[int, int]:
    return order.contract_sides()


def is_marketable(order: SimOrder, quote: NetQuote) -> bool:
    if order.sign > 0:
        return order.limit_price >= quote.ask
    return order.limit_price <= quote.bid


def rests_and_fills(
    order: SimOrder, quote: NetQuote, seed: int, first_second: int, last_second: int
) -> bool:
    """Whether chance fills a resting order in the market seconds (first, last]."""
    chance = _chance_a_second(order, quote)
    if chance <= 0:
        return False
    start = max(first_second, last_second - SECONDS_DRAWN_MAX)
    for second in range(start + 1, last_second + 1):
        if random.Random(f"{seed}|{order.order_ref}|{order.perm_id}|{second}").random() < chance:
            return True
    return False


def _chance_a_second(order: SimOrder, quote: NetQuote) -> float:
    near, far = quote.near(order.sign), quote.far(order.sign)
    reach = (order.limit_price - near) * order.sign
    width = (far - near) * order.sign
    if reach < 0 or width <= 0:
        return 0.0
    factor = COMBINATION_FACTOR if order.legs else 1.0
    if reach == 0:
        return JOINED_CHANCE * factor
    return INSIDE_CHANCE_MAX * float(reach / width) ** 2 * factor


def stop_reached(order: SimOrder, quote: NetQuote) -> bool:
    """One quote at or beyond the stop: the bid for a sell stop, the ask for a buy stop."""
    assert order.stop_price is not None
    if order.sign > 0:
        return quote.ask >= order.stop_price
    return quote.bid <= order.stop_price


def leg_prices(quote: NetQuote, order: SimOrder, net: Decimal) -> dict[int, Decimal]:
    """Prices of the legs, near their middles, that add up to the net price exactly."""
    prices: dict[int, Decimal] = {}
    total = Decimal(0)
    for leg, (con_id, leg_quote) in zip(order.legs, quote.legs, strict=True):
        prices[con_id] = max(_price((leg_quote.bid + leg_quote.ask) / 2), CENT)
        total += leg.ratio * prices[con_id]
    difference = net - total
    for leg in order.legs:  # the first leg that stays positive takes the difference
        moved = prices[leg.con_id] + difference / leg.ratio
        if moved > 0:
            prices[leg.con_id] = moved
            break
    return prices
