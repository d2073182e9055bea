"""What vendors send otherwise than known is told once a session, at a bounded cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from domain.events.controls import AlertRaised
from domain.events.feed_health import FeedDriftSeen
from domain.events.feeds import UwFrame, UwPriceReceived, UwRestReceived
from run.feeds.drift import DIFFERENCES_MAX, FIRST_MESSAGES, Drift
from run.feeds.intake import Intake
from store.postgres import PostgresStore
from tests.domain.payloads.frames import FRAMES
from tests.on_the_log import bodies
from tests.run.feeds.conftest import running
from tests.waiting import Until

AT = datetime(2026, 11, 27, 15, 0, tzinfo=UTC)
PRICE = FRAMES["price:IWM"]
DRIFTED = b'{"close":252.07,"time":1791295322330,"brand":1}'


def price(
    payload: bytes = PRICE, at: datetime = AT, connection: str = "c", channel: str = "price:IWM"
) -> UwPriceReceived:
    return UwPriceReceived(
        channel=channel,
        connection=connection,
        sequence=1,
        received_at=at,
        payload=msgspec.Raw(payload),
    )


def put(intake: Intake, body: UwFrame | UwRestReceived) -> None:
    intake.put("uw/x", body, feed="uw.socket", occurred_at=body.received_at)


async def test_a_difference_is_told_once_with_a_sample(
    intake: Intake, store: PostgresStore, until: Until
) -> None:
    intake.on_message(Drift(intake).heard)
    for _ in range(3):
        put(intake, price(DRIFTED))
        put(intake, price())
    async with running(intake):
        await until(lambda: not intake.depth and intake.appended == 10)
    [alert] = await bodies(store, AlertRaised)
    assert (alert.severity, alert.code) == ("warning", "FEED_CHANGED")
    assert "price:IWM are otherwise than known: changed type: close" in alert.text
    told = await bodies(store, FeedDriftSeen)
    assert [(body.kind, body.field, body.detail) for body in told] == [
        ("changed_type", "close", "must be decimal, was number"),
        ("new_field", "brand", "whole"),
        ("vanished_field", "vol", "whole"),
    ]
    [sample] = {body.sample_event_id for body in told}
    first = (await store.read(0))[1]  # the alert goes ahead
    assert (str(first.event_id), told[0].channel) == (sample, "price:IWM")


async def test_answers_of_rest_are_told_by_their_endpoint(
    intake: Intake, store: PostgresStore, until: Until
) -> None:
    intake.on_message(Drift(intake).heard)
    answer = UwRestReceived(
        endpoint="/api/stock/{ticker}/iv-rank",
        path="/api/stock/SPY/iv-rank",
        query="",
        symbol="SPY",
        status=200,
        headers={},
        received_at=AT,
        payload=msgspec.Raw(
            b'{"data":[{"date":"2026-10-05","close":"1","volatility":"0.1","iv_rank_1y":2,'
            b'"updated_at":"2026-10-05T22:00:00Z"}]}'
        ),
    )
    put(intake, answer)
    put(intake, msgspec.structs.replace(answer, status=404, payload=msgspec.Raw(b"{}")))
    async with running(intake):
        await until(lambda: intake.appended == 4)
    [told] = await bodies(store, FeedDriftSeen)
    assert (told.channel, told.kind, told.field) == (answer.endpoint, "changed_type", "iv_rank_1y")


def test_of_a_busy_channel_the_first_of_each_connection_and_two_a_second_are_looked_at(
    intake: Intake,
) -> None:
    watch = Drift(intake)

    def looks(count: int, apart: timedelta, connection: str, start: datetime) -> int:
        due = (
            watch._is_due("price:IWM", connection, start + number * apart)
            for number in range(count)
        )
        return sum(due)

    millisecond = timedelta(milliseconds=1)
    assert looks(5_000, millisecond, "one", AT) == FIRST_MESSAGES + 9
    later = AT + timedelta(seconds=60)
    assert looks(1_000, millisecond, "two", later) == FIRST_MESSAGES + 1
    assert looks(100, timedelta(seconds=1), "two", later + timedelta(seconds=9)) == 100


def test_a_vendor_that_renames_its_fields_at_random_does_not_fill_the_log(intake: Intake) -> None:
    watch = Drift(intake)
    intake.on_message(watch.heard)
    for number in range(DIFFERENCES_MAX + 50):
        at = AT + number * timedelta(seconds=1)
        put(intake, price(PRICE[:-1] + f',"f{number}":1}}'.encode(), at))
    assert intake.depth == 2 * DIFFERENCES_MAX + 50
