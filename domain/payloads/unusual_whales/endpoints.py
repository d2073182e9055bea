"""Every REST endpoint of Unusual Whales, classified in one place: 193 operations.

run/feeds asks those that have schedules; docs/unusual-whales.md is written from them.
"""

from __future__ import annotations

from domain.payloads.unusual_whales.endpoint import Endpoint
from domain.payloads.unusual_whales.endpoints_further import FURTHER
from domain.payloads.unusual_whales.endpoints_needed import NEEDED
from domain.payloads.unusual_whales.endpoints_useful import USEFUL

ENDPOINTS: tuple[Endpoint, ...] = (*NEEDED, *USEFUL, *FURTHER)
SCHEDULED: tuple[Endpoint, ...] = tuple(e for e in ENDPOINTS if e.schedules)
