"""The views with data as jsonb: any payload that the log takes leaves them usable."""

from __future__ import annotations

import json

import asyncpg
import pytest

from store.postgres import PostgresStore
from tests.store.propose import halt, price

STRANGE = (rb'{"name":"a\u0000b"}', b'{"close":1e200000}', rb'{"half":"\ud800"}')


@pytest.mark.parametrize("view", ["events_jsonb", "market_events_jsonb", "desk_events_jsonb"])
async def test_payloads_that_jsonb_cannot_hold_are_shown_as_their_text(
    store: PostgresStore, database_url: str, view: str
) -> None:
    """One of them must not fail a query over all; the others keep their operators."""
    payloads = [b'{"close":"671.25"}', *STRANGE, b'{"close":1e999}']
    await store.append([price(n, payload=payload) for n, payload in enumerate(payloads)])
    await store.append([halt("a\0b"), halt("plain")])
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            f"SELECT position, jsonb_typeof(data) AS kind, data #>> '{{}}' AS text,"  # noqa: S608
            f" data->'payload'->>'close' AS close, data->>'reason' AS reason"
            f" FROM {view} ORDER BY position"
        )
        stored = dict(await connection.fetch("SELECT position, data::text FROM events"))
    finally:
        await connection.close()
    expected = {1: "object", 2: "string", 3: "string", 4: "string", 5: "object"}
    if view == "desk_events_jsonb":
        expected = {}
    if view != "market_events_jsonb":
        expected |= {6: "string", 7: "object"}
    assert {row["position"]: row["kind"] for row in rows} == expected
    for row in rows:
        if row["kind"] == "string":
            assert row["text"] == stored[row["position"]]
            json.loads(row["text"])
        elif row["position"] == 1:
            assert row["close"] == "671.25"
        elif row["position"] == 7:
            assert row["reason"] == "plain"
