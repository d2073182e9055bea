"""Malformed messages through the real log and into the real tables: none is lost, none stops it."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from random import Random

import asyncpg
import msgspec
from redis.asyncio import Redis

from adapters.unusual_whales.frame import DataFrame, UnreadableFrame, read_frame
from domain.events.feeds import FeedMessageRejected, UwRestReceived
from domain.payloads import unusual_whales as uw
from domain.payloads.json_text import json_fault
from projections import feed, hot
from projections.postgres_target import PostgresTarget
from projections.projector import Projector
from projections.redis_target import RedisTarget
from run.feeds.drift import Drift
from run.feeds.intake import Intake
from store.postgres import PostgresStore
from tests.domain.payloads.frames import FRAMES
from tests.fuzz.mutants import mutants
from tests.fuzz.path import bodies as rows_of_rest
from tests.fuzz.send import answers
from tests.on_the_log import bodies
from tests.run.feeds.conftest import running
from tests.waiting import Until

EACH = 50
AT = datetime(2026, 11, 27, 15, 0, tzinfo=UTC)


def _frames(intake: Intake) -> int:
    """Put frames of every channel as the socket's feed does; how many were rejected."""
    rejected = sequence = 0
    for channel, good in FRAMES.items():
        for payload in islice(mutants(good, Random(f"log {channel}")), EACH):
            sequence += 1
            raw = b'["' + channel.encode() + b'",' + payload + b"]"
            read = read_frame(raw, "", frozenset(FRAMES))
            if isinstance(read, UnreadableFrame):
                rejected += 1
                intake.reject("uw", "uw.socket", read.reason, raw)
            elif isinstance(read, DataFrame):
                body = uw.frame_type(channel)(
                    channel=channel,
                    connection="c",
                    sequence=sequence,
                    received_at=AT,
                    payload=msgspec.Raw(read.payload),
                )
                intake.put(f"uw/{channel}", body, feed="uw.socket", occurred_at=AT)
    return rejected


def _answers(intake: Intake) -> int:
    """The same for bodies of REST."""
    rejected = 0
    for endpoint in rows_of_rest():
        for body in islice(answers(endpoint, Random(f"log {endpoint}")), EACH):
            if fault := json_fault(body):
                rejected += 1
                intake.reject("uw", "uw.rest", fault, body)
                continue
            answer = UwRestReceived(
                endpoint=endpoint,
                path=endpoint,
                query="",
                symbol="SPY",
                status=200,
                headers={},
                received_at=AT,
                payload=msgspec.Raw(body),
            )
            intake.put(f"uw/rest{endpoint}", answer, feed="uw.rest", occurred_at=AT)
    return rejected


async def test_malformed_messages_end_on_the_log_and_in_a_table_with_their_reason(
    intake: Intake,
    store: PostgresStore,
    redis: Redis,
    database_url: str,
    until: Until,
) -> None:
    intake.on_message(Drift(intake).heard)
    rejected = _frames(intake) + _answers(intake)
    put = intake.depth
    async with running(intake):
        await until(lambda: not intake.depth and intake.appended >= put)
    kept = await bodies(store, FeedMessageRejected)
    assert len(kept) == rejected > EACH * 10
    assert all(body.reason and body.payload_base64 for body in kept)
    target = PostgresTarget(database_url, feed.SCHEMA)
    await Projector(store, feed.PROJECTION, target).rebuild()
    await Projector(store, hot.PROJECTION, RedisTarget(redis, hot.PREFIX)).rebuild()
    await target.close()
    connection = await asyncpg.connect(database_url)
    try:
        counted = "SELECT count(*), count(nullif(reason, '')) FROM feed."
        assert [tuple(await connection.fetchrow(counted + "rejected_messages"))] == [
            (rejected, rejected)
        ]
        unread, reasons = await connection.fetchrow(counted + "uw_unread")
        assert unread == reasons > EACH
        for table in await connection.fetch(
            "SELECT viewname FROM pg_views WHERE schemaname = 'feed'"
        ):
            assert await connection.fetch(f"SELECT * FROM feed.{table[0]}") is not None  # noqa: S608
    finally:
        await connection.close()
