"""Rows of REST answers that go into the derived table, each with the text of its natural key.

Rows stay as the vendor wrote them; only what the key and the time take is read. Called by
projections/feed/rest_rows.py. Pure.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from domain.payloads.unusual_whales.reading import (
    Fields,
    JsonValue,
    PayloadError,
    as_fields,
    read_json,
)
from domain.payloads.unusual_whales.row_keys import RowKey

ROWS_MAX = 100_000
"""Of one answer; the largest that was seen had 53,000."""
KEY_BYTES_MAX = 300
"""Of a key and of the parameters of a call: an index holds both."""
_PAGING = frozenset({"page", "limit", "offset"})
_DIGEST_BYTES = 16
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_array = msgspec.json.Decoder(list[msgspec.Raw])


class DerivedRow(msgspec.Struct, frozen=True, gc=False):
    """One row of an answer."""

    key: str
    at: datetime | None
    row: str
    """JSON text, as the vendor wrote it."""


@dataclass(frozen=True, slots=True)
class DerivedRows:
    """What an answer told; `fault` says what of it is not among the rows, and why."""

    rows: list[DerivedRow]
    fault: str = ""


def params_of(template: str, path: str, query: str, key: RowKey) -> str:
    """What a call asked for: the parts of its path and its query as `name=value`, sorted. Which
    page of the rows it was says nothing where rows have keys of their own."""
    filled = zip(template.split("/"), path.split("/"), strict=False)
    parts = [f"{name[1:-1]}={value}" for name, value in filled if name.startswith("{")]
    asked = [part for part in query.split("&") if part]
    if key.fields:
        asked = [part for part in asked if part.partition("=")[0] not in _PAGING]
    return _short("&".join([*parts, *sorted(asked)]))


def read_derived_rows(form: str, key: RowKey, body: bytes) -> DerivedRows:
    """Rows of an answer whose form is that of Endpoint.body. Of rows of one key the last counts.

    Raises:
        PayloadError: the body is not such an answer.
    """
    try:
        content = _content(form, body)
        if not key.fields:
            return DerivedRows([DerivedRow("", None, bytes(content).decode())])
        return _keyed(key, _groups(form, content))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PayloadError(f"body must hold rows: {error}") from None


def _content(form: str, body: bytes) -> bytes:
    """The rows without what is around them."""
    name = form.split("[")[0].split("{")[0]
    if not name or not body.lstrip().startswith(b"{"):
        return body
    return bytes(_object.decode(body).get(name, body))


def _listed(content: bytes) -> list[msgspec.Raw]:
    rows = [msgspec.Raw(content)] if content[:1] == b"{" else _array.decode(content)
    if len(rows) > ROWS_MAX:
        raise PayloadError(f"rows must be at most {ROWS_MAX}, were {len(rows)}")
    return rows


_Group = tuple[dict[str, JsonValue], list[msgspec.Raw]]


def _groups(form: str, content: bytes) -> Iterator[_Group]:
    """Rows with the fields that stand beside them and tell their group from others."""
    if content.strip() == b"null":
        return
    rows = _listed(content.strip())
    if not form.startswith("data[].data[]"):
        yield {}, rows
        return
    for outer in rows:
        group = _object.decode(outer)
        inner = group.pop("data", msgspec.Raw(b"[]"))
        beside = {name: read_json(bytes(value)) for name, value in group.items()}
        yield beside, _listed(bytes(inner).strip())


def _keyed(key: RowKey, groups: Iterator[_Group]) -> DerivedRows:
    rows: dict[str, DerivedRow] = {}
    faults: Counter[str] = Counter()
    total = 0
    for beside, listed in groups:
        for raw in listed:
            total += 1
            try:
                told = dict(as_fields(read_json(bytes(raw))).items())
                text = _short("|".join(_part(name, beside | told) for name in key.fields))
            except PayloadError as error:
                faults[str(error)] += 1
                continue
            if text in rows:
                faults["key must be of one row, was of several"] += 1
            rows[text] = DerivedRow(text, _time(Fields(told), key.at), bytes(raw).decode())
    if total > ROWS_MAX:
        raise PayloadError(f"rows must be at most {ROWS_MAX}, were {total}")
    if not faults:
        return DerivedRows(list(rows.values()))
    [(first, _)] = faults.most_common(1)
    return DerivedRows(list(rows.values()), f"{faults.total()} of {total} rows: {first}")


def _part(name: str, told: dict[str, JsonValue]) -> str:
    """The text of one field of a key. What separates fields cannot come from within one."""
    names = name.split("/")
    for each in names:
        value = told.get(each)
        if value is None or value == "":
            continue
        if isinstance(value, list | dict):
            raise PayloadError(f"{each} must be a plain value, was {type(value).__name__}")
        return str(value).replace("\\", "\\\\").replace("|", "\\|").replace("\x00", "\ufffd")
    if names[-1]:
        raise PayloadError(f"{name} must be given, was not")
    return ""


def _time(fields: Fields, name: str) -> datetime | None:
    """None where the row has none, or none that can be read: the row is there all the same."""
    try:
        return fields.instant(name) if name else None
    except PayloadError:
        return None


def _short(text: str) -> str:
    """A text for an index: a long one is its beginning and its digest."""
    told = text.encode()
    if len(told) <= KEY_BYTES_MAX:
        return text
    digest = hashlib.blake2b(told, digest_size=_DIGEST_BYTES).hexdigest()
    kept = told[: KEY_BYTES_MAX - 2 * _DIGEST_BYTES - 1].decode(errors="ignore")
    return f"{kept}~{digest}"
