"""Rows of REST answers whose endpoint is classified as a derived table, in one table for all.

Pure: an event in, effects out. A newer answer takes the place of a row of the same day, endpoint,
parameters and key, where it says something else. What has no key is told in uw_unread.
"""

from __future__ import annotations

from collections.abc import Mapping

from domain.event import Recorded
from domain.events.feeds import UwRestReceived
from domain.payloads.unusual_whales.derived_rows import DerivedRow, params_of, read_derived_rows
from domain.payloads.unusual_whales.endpoints import ENDPOINTS
from domain.payloads.unusual_whales.reading import PayloadError
from domain.payloads.unusual_whales.row_keys import RowKey
from projections.feed import tables
from projections.rows import Call, Insert, column

_ANSWERED = 200
_DERIVED: Mapping[str, tuple[str, RowKey]] = {
    endpoint.path: (endpoint.body, endpoint.row_key)
    for endpoint in ENDPOINTS
    if endpoint.row_key is not None
}


def rows(event: Recorded, body: UwRestReceived) -> list[Insert | Call]:
    """The answer verbatim, and its rows where they belong in the derived table."""
    effects: list[Insert | Call] = [*tables.rest_payload(event, body)]
    derived = _DERIVED.get(body.endpoint)
    if derived is None or body.status != _ANSWERED:
        return effects
    form, key = derived
    try:
        told = read_derived_rows(form, key, bytes(body.payload))
    except PayloadError as error:
        return [*effects, *tables.unread(event, body.received_at, body.endpoint, str(error))]
    if told.rows:
        effects.append(_restated(event, body, key, told.rows))
    if told.fault:
        effects += tables.unread(event, body.received_at, body.endpoint, told.fault)
    return effects


def _restated(event: Recorded, body: UwRestReceived, key: RowKey, told: list[DerivedRow]) -> Call:
    params = params_of(body.endpoint, body.path, body.query, key)
    about = (body.endpoint, *map(column, (params, body.symbol)))
    lists = ([row.key for row in told], [row.at for row in told], [row.row for row in told])
    first = (event.recorded_at, event.position, body.received_at)
    return Call("restate_rest_rows", (*first, *about, *lists))
