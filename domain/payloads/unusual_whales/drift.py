"""What a payload has otherwise than this build knows: fields that are new, gone or of other kinds.

Called by run/feeds/drift.py on a share of what comes in; pure.
"""

from __future__ import annotations

from typing import NamedTuple

from domain.payloads.unusual_whales.known_fields import CHANNELS, FITS, Known, kind_of
from domain.payloads.unusual_whales.known_rows import ROWS, TEXTS
from domain.payloads.unusual_whales.reading import (
    Fields,
    PayloadError,
    read_json,
    read_object,
    rows_of,
)

NAME_CHARACTERS_MAX = 80
ROWS_MAX = 50
NEW_FIELD = "new_field"
VANISHED_FIELD = "vanished_field"
CHANGED_TYPE = "changed_type"


class Difference(NamedTuple):
    """One difference; `field` is empty for a payload that cannot be read at all."""

    kind: str
    field: str
    detail: str


def drift(channel: str, payload: bytes) -> list[Difference]:
    """Differences of a frame; none when it fits, or when nothing is known of the channel."""
    known = CHANNELS.get(channel.partition(":")[0])
    if known is None:
        return []
    try:
        return sorted(_differences(read_object(payload), known))
    except PayloadError as error:
        return [Difference(CHANGED_TYPE, "", str(error))]


def rest_drift(endpoint: str, body: bytes) -> list[Difference]:
    """The same for rows of a REST body, each difference once; of a long body for a share of them.

    `endpoint` is the template, such as /api/stock/{ticker}/option-contracts.
    """
    if endpoint in TEXTS:
        return _texts_drift(body)
    known = ROWS.get(endpoint)
    if known is None:
        return []
    found: set[Difference] = set()
    try:
        rows = rows_of(body)
        for row in rows[:: 1 + len(rows) // ROWS_MAX]:
            found.update(_differences(row, known))
    except PayloadError as error:
        return [Difference(CHANGED_TYPE, "", str(error))]
    return sorted(found)


def _texts_drift(body: bytes) -> list[Difference]:
    try:
        value = read_json(body)
    except PayloadError as error:
        return [Difference(CHANGED_TYPE, "", str(error))]
    rows = value.get("data") if isinstance(value, dict) else value
    if not isinstance(rows, list):
        return [Difference(CHANGED_TYPE, "", f"must be list, was {kind_of(rows) or 'null'}")]
    kinds = {kind_of(row) for row in rows[:: 1 + len(rows) // ROWS_MAX]}
    return [
        Difference(CHANGED_TYPE, "", f"must be text, was {kind or 'null'}")
        for kind in sorted(kinds - {"text"})
    ]


def _differences(fields: Fields, known: Known) -> list[Difference]:
    found = []
    required, optional = known
    seen = 0
    for name, value in fields.items():
        expected = required.get(name)
        if expected is None:
            expected = optional.get(name)
        else:
            seen += 1
        kind = kind_of(value)
        if expected is None:
            found.append(Difference(NEW_FIELD, name[:NAME_CHARACTERS_MAX], kind or "null"))
        elif kind not in FITS[expected]:
            found.append(Difference(CHANGED_TYPE, name, f"must be {expected}, was {kind}"))
    if seen < len(required):
        gone = required.keys() - set(fields)
        found += [Difference(VANISHED_FIELD, name, required[name]) for name in gone]
    return found
