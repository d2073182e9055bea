"""What readers put is appended in order, and one message never costs another."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import msgspec

from domain.event import derived_id
from domain.events.feeds import FeedMessageRejected, UwPriceReceived
from run.feeds.intake import Intake
from store.postgres import PostgresStore
from tests.run.feeds.conftest import Until, bodies, running

AT = datetime(2026, 11, 27, 15, 0, tzinfo=UTC)


def price(sequence: int, payload: bytes = b'{"close":"600.1"}') -> UwPriceReceived:
    return UwPriceReceived(
        channel="price:SPY",
        connection="c",
        sequence=sequence,
        received_at=AT,
        payload=msgspec.Raw(payload),
    )


def put(intake: Intake, body: UwPriceReceived, stream: str = "uw/price:SPY") -> None:
    identity = derived_id("uw", body.connection, body.sequence)
    intake.put(stream, body, feed="uw.socket", occurred_at=AT, event_id=identity)


async def test_a_message_that_the_log_refuses_is_kept_and_costs_no_other(
    intake: Intake, store: PostgresStore, until: Until
) -> None:
    """Text that is no JSON, and a stream's name that Postgres cannot hold, amid good messages."""
    for sequence in range(40):
        put(intake, price(sequence, b"<html>" if sequence == 7 else b"{}"))
    put(intake, price(40), stream="uw/p\0")
    put(intake, price(41))
    async with running(intake):
        await until(lambda: intake.appended == 42)
    kept = [body.sequence for body in await bodies(store, UwPriceReceived)]
    assert kept == [n for n in range(42) if n not in (7, 40)]
    rejected = await bodies(store, FeedMessageRejected)
    assert [(body.vendor, "cannot be stored" in body.reason) for body in rejected] == [
        ("uw", True),
        ("uw", True),
    ]
    assert b"<html>" in base64.b64decode(rejected[0].payload_base64)
