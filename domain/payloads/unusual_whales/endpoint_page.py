"""`python -m domain.payloads.unusual_whales.endpoint_page > docs/unusual-whales.md`: the page of
all REST endpoints, from their classification. A test holds the page current.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from domain.payloads.unusual_whales.endpoint import Endpoint, Priority
from domain.payloads.unusual_whales.endpoints import ENDPOINTS

_HEAD = """# Unusual Whales: every REST endpoint

Generated from `domain/payloads/unusual_whales/endpoints.py` (`make docs`). Every answer is kept
verbatim as UwRestReceived, whatever its class; the class says what becomes of its rows: *hot
snapshot* (only the newest state matters), *archive* (facts that happened once, each with a key),
*derived table* (a series that may be restated): of these `feed.uw_rest_rows` has the newest row of
each key of a day (docs/projections.md). The call's own parameters are part of the key. Of `a/b` the
first that is there counts, and `a/` may be absent; without a key the whole answer is one row.

"In session" is from the open to the close of options, 15 minutes after that of the exchange; half
days move both. "x 3" is SPY, QQQ and IWM. Times are New York's. Required parameters have a star.
`data[]` and `data{}` are rows and an object under `data`, `[]` a bare array.

The schedule stays inside 100 calls a minute, three in flight and the day's quota, whose size the
vendor's own headers tell; 20 calls a minute are kept for gap fills, the operator and second tries.
When the quota is too small, priority 2 is asked half as often, then priority 1, then both less
and less; what decisions read (`decides` in the data) is stretched last. At 90 % of the quota
priority 2 stops, at 97 % everything but gap fills. While the socket is down the cadences for that
case hold for an hour, priority 2 is off, and then the plain ones of priority 1 are asked.

An answer 401, 403 (JSON), 404 or 422 switches the endpoint, or the one path that was refused, off
for the session, by an EndpointDisabled event and an alarm."""

_TITLES = {
    Priority.NEEDED: "Priority 1: needed",
    Priority.USEFUL: "Priority 2: useful",
    Priority.OFF: "Priority 3: off",
}


def page() -> str:
    """The page's text."""
    return "\n".join([_HEAD, *_sections()]) + "\n"


def _sections() -> Iterator[str]:
    for priority, title in _TITLES.items():
        rows = [endpoint for endpoint in ENDPOINTS if endpoint.priority is priority]
        yield f"\n## {title} ({len(rows)})\n"
        yield "| Call | Parameters | Body | Class | Key of a row | Cadence | Plan |"
        yield "| --- | --- | --- | --- | --- | --- | --- |"
        yield from (_row(endpoint) for endpoint in rows)


def _row(endpoint: Endpoint) -> str:
    call = f"`{endpoint.method} {endpoint.path}`"
    parameters = endpoint.parameters or "-"
    about = (endpoint.body, endpoint.storage.value, _key(endpoint), endpoint.cadence)
    return f"| {' | '.join((call, parameters, *about, endpoint.plan))} |"


def _key(endpoint: Endpoint) -> str:
    if endpoint.row_key is None:
        return "-"
    return ", ".join(endpoint.row_key.fields) or "whole answer"


if __name__ == "__main__":
    sys.stdout.write(page())
