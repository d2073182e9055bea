"""Every REST endpoint of Unusual Whales, classified in one place: 193 operations.

run/feeds asks those that have schedules; docs/unusual-whales.md is written from them.
The natural keys of the rows that go into a derived table stand in row_keys.
"""

from __future__ import annotations

from dataclasses import replace

from domain.payloads.unusual_whales.endpoint import Endpoint, Storage
from domain.payloads.unusual_whales.endpoints_further import FURTHER
from domain.payloads.unusual_whales.endpoints_needed import NEEDED
from domain.payloads.unusual_whales.endpoints_useful import USEFUL
from domain.payloads.unusual_whales.row_keys import ROW_KEYS

ENDPOINTS: tuple[Endpoint, ...] = tuple(
    replace(endpoint, row_key=ROW_KEYS[endpoint.path])
    if endpoint.storage is Storage.DERIVED
    else endpoint
    for endpoint in (*NEEDED, *USEFUL, *FURTHER)
)
SCHEDULED: tuple[Endpoint, ...] = tuple(e for e in ENDPOINTS if e.schedules)
