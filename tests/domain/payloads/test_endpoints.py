"""The classification of the vendor's REST endpoints, and the page that is written from it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from domain.payloads.unusual_whales.endpoint import Endpoint, Priority, Storage
from domain.payloads.unusual_whales.endpoint_page import page
from domain.payloads.unusual_whales.endpoints import ENDPOINTS, SCHEDULED
from domain.payloads.unusual_whales.row_keys import ROW_KEYS

DOCS = Path(__file__).resolve().parents[3] / "docs"
KNOWN_PLACEHOLDERS = {
    "{symbol}", "{symbols}", "{expiry}", "{expiries}", "{contract}", "{low}", "{high}", "{recent}",
}  # fmt: skip


def test_all_193_operations_are_classified_once() -> None:
    assert Counter(e.priority for e in ENDPOINTS) == {
        Priority.NEEDED: 29, Priority.USEFUL: 34, Priority.OFF: 130,
    }  # fmt: skip
    assert len({(e.method, e.path) for e in ENDPOINTS}) == 193


def test_nothing_is_written_at_the_vendor_and_nothing_that_is_off_is_asked() -> None:
    assert {e.priority for e in SCHEDULED} == {Priority.NEEDED, Priority.USEFUL}
    assert {e.method for e in SCHEDULED} == {"GET"}
    assert not [e.path for e in SCHEDULED if "deprecated" in e.cadence or "add-on" in e.plan]


def test_every_derived_table_says_what_tells_its_rows_apart() -> None:
    """An object is one row; a key is for lists."""
    derived = {e.path: e for e in ENDPOINTS if e.storage is Storage.DERIVED}
    assert ROW_KEYS.keys() == derived.keys()
    assert {e.path for e in ENDPOINTS if e.row_key} == derived.keys()
    assert not [p for p, e in derived.items() if e.body == "data{}" and ROW_KEYS[p].fields]
    scheduled = {e.path for e in SCHEDULED} & derived.keys()
    assert {p for p in scheduled if not ROW_KEYS[p].fields} == {
        "/api/stock/{ticker}/volatility/stats"
    }


def test_every_needed_endpoint_is_asked() -> None:
    assert all(e.schedules for e in ENDPOINTS if e.priority is Priority.NEEDED)


@pytest.mark.parametrize("endpoint", SCHEDULED, ids=lambda e: e.path)
def test_a_schedule_gives_what_its_endpoint_takes(endpoint: Endpoint) -> None:
    """Required parameters and parts of the path are filled, and only from what is known."""
    for schedule in endpoint.schedules:
        given = {name for name, _ in schedule.query}
        required = set(re.findall(r"([\w\[\]]+)\*", endpoint.parameters))
        taken = set(re.findall(r"[\w\[\]]+", endpoint.parameters))
        assert required <= given <= taken, endpoint.path
        filled = {name for name, _ in schedule.fills} | {"ticker"}
        assert set(re.findall(r"\{(\w+)\}", endpoint.path)) <= filled
        values = [value for _, value in (*schedule.query, *schedule.fills)]
        used = {p for value in values for p in re.findall(r"\{\w+\}", value)}
        assert used <= KNOWN_PLACEHOLDERS


def test_the_page_of_endpoints_is_the_one_that_is_generated() -> None:
    assert (DOCS / "unusual-whales.md").read_text() == page()
