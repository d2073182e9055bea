"""Small logs for the tests of projections: one of every type, and the story of a trade."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from domain.event import Body, Proposed
from tests.store.propose import AT, propose
from tests.store.samples import body_classes, sample_of

UW_PAYLOADS: dict[str, tuple[str, bytes]] = {
    "UwOptionTradeReceived": (
        "option_trades:SPY",
        b'{"id":"t1","underlying_symbol":"SPY","executed_at":1791295320120,"nbbo_bid":"2.41",'
        b'"nbbo_ask":"2.43","size":12,"price":"2.43","option_symbol":"SPY261006C00770000",'
        b'"created_at":1791295320171,"report_flags":[],"tags":["ask_side","bullish"],'
        b'"expiry":"2026-10-06","strike":"770","premium":"2916.00","volume":40311,'
        b'"implied_volatility":"0.1412","delta":"0.4871","exchange":"XCBO"}',
    ),
    "UwFlowAlertReceived": (
        "flow-alerts",
        b'{"rule_name":"RepeatedHits","ticker":"QQQ","option_chain":"QQQ261009P00735000",'
        b'"volume":5120,"total_size":640,"total_premium":231040.0,"end_time":1791295321032,'
        b'"total_ask_side_prem":201110.0,"total_bid_side_prem":0.0,"price":3.61,'
        b'"has_sweep":true,"id":"a1","trade_ids":["x"],"trade_count":2}',
    ),
    "UwPriceReceived": (
        "price:IWM",
        b'{"ticker":"IWM","close":"252.07","time":1791295322330,"vol":11873021}',
    ),
    "UwNewsReceived": (
        "news",
        b'{"headline":"Fed \\u0000 speaker","timestamp":"2026-10-06T14:02:11Z",'
        b'"source":"social-media","tickers":["SPY"]}',
    ),
    "UwGexReceived": (
        "gex:SPY",
        b'{"ticker":"SPY","timestamp":1791295322000,"price":"769.90",'
        b'"gamma_per_one_percent_move_oi":"-3120450881.25"}',
    ),
    "UwGexStrikeExpiryReceived": (
        "gex_strike_expiry:IWM",
        b'{"ticker":"IWM","expiry":"2026-10-06","timestamp":1791295322000,"strike":"252",'
        b'"price":"252.07","call_gamma_oi":"302344.25"}',
    ),
}


def with_fields(cls: type[Any], seed: int = 1, **fields: Any) -> Any:
    """A filled-in body with some fields as given."""
    body = sample_of(cls, seed)
    if hasattr(body, "model_copy"):
        return body.model_copy(update=fields)
    values = {name: getattr(body, name) for name in cls.__struct_fields__}
    return cls(**(values | fields))


def readable(body: Body) -> Body:
    """UW frames with a payload of their channel instead of any JSON."""
    known = UW_PAYLOADS.get(type(body).__name__)
    if known is None:
        return body
    framed: Body = with_fields(type(body), channel=known[0], payload=msgspec.Raw(known[1]))
    return framed


def one_of_each(seed: int = 1) -> list[Proposed]:
    """One event of every type, in the order of their names; ids of entities agree by chance."""
    return [
        propose(readable(sample_of(cls, seed)), f"{cls.__name__}/{seed}", (cls.__name__, seed))
        for cls in body_classes()
    ]


def numbered(bodies: Sequence[Body], key: object = "") -> list[Proposed]:
    """Bodies as events one market second apart."""
    return [
        propose(
            body,
            f"story/{type(body).__name__}",
            (key, number),
            market_time=AT + timedelta(seconds=number),
        )
        for number, body in enumerate(bodies)
    ]
