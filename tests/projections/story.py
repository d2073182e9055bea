"""Small logs for the tests of projections: one of every type, and the story of a trade."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from domain.event import Body, Proposed
from domain.events.analytics import Metric, MetricComputed, Quality
from domain.events.feeds import FeedMessageRejected, UwRestReceived
from domain.payloads import unusual_whales as uw
from tests.domain.payloads.frames import FRAMES
from tests.store.propose import AT, propose
from tests.store.samples import body_classes, sample_of

UW_FRAMES: dict[str, tuple[str, bytes]] = {
    uw.frame_type(channel).__name__: (channel, payload) for channel, payload in FRAMES.items()
} | {
    "UwNewsReceived": (
        "news",
        b'{"headline":"Fed \\u0000 speaker","timestamp":"2026-10-06T14:02:11Z",'
        b'"source":"social-media","tickers":["SPY"]}',
    ),
}
"""A frame by the name of its event; the headline has what Postgres does not hold."""


def with_fields(cls: type[Any], seed: int = 1, **fields: Any) -> Any:
    """A filled-in body with some fields as given."""
    body = sample_of(cls, seed)
    if hasattr(body, "model_copy"):
        return body.model_copy(update=fields)
    values = {name: getattr(body, name) for name in cls.__struct_fields__}
    return cls(**(values | fields))


def readable(body: Body) -> Body:
    """Bodies that come to a row: UW frames with a payload of their channel instead of any JSON, an
    answer of a derived table, metrics of bars that have stopped."""
    if isinstance(body, FeedMessageRejected):
        return with_fields(type(body), payload_base64="c3Bva2Vu")
    if isinstance(body, UwRestReceived):
        rows = msgspec.Raw(b'{"data":[{"tape_time":"2026-10-06T13:30:00Z"}]}')
        endpoint = "/api/stock/{ticker}/net-prem-ticks"
        return with_fields(type(body), endpoint=endpoint, status=200, payload=rows)
    if isinstance(body, MetricComputed):
        bar = Metric("last_close", 1.0, "$", AT, Quality.STALE, "no bar")
        return with_fields(type(body), metrics=[bar])
    known = UW_FRAMES.get(type(body).__name__)
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
