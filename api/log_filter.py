"""What a page of the timeline shows: one filter, put to Postgres and to archived files alike.

The two must mean the same; a test archives days and compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from store.archived_days import Question


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events a page shows; empty conditions hold for all."""

    retention: Literal["desk", "market", "all"] = "desk"
    types: tuple[str, ...] = ()
    without_types: tuple[str, ...] = ()
    stream: str = ""
    """How the stream's name begins."""
    worker: str = ""
    symbol: str = ""
    text: str = ""
    correlation: UUID | None = None


def clauses(wanted: Filter) -> Sequence[tuple[str, object | None]]:
    """Conditions in SQL, each with the value for its place; None for one without."""
    found: list[tuple[str, object | None]] = []
    if wanted.retention != "all":
        found.append((f"retention = '{wanted.retention}'", None))
    if wanted.types:
        found.append(("type = ANY ({}::text[])", list(wanted.types)))
    if wanted.without_types:
        found.append(("type <> ALL ({}::text[])", list(wanted.without_types)))
    if wanted.stream:
        found.append(("stream LIKE {}", literal(wanted.stream) + "%"))
    if wanted.worker:
        found.append(("worker = {}", wanted.worker))
    if wanted.symbol:
        # Bodies are compact JSON, so that a nested symbol is found without parsing.
        found.append(
            (
                "(data::text LIKE '%\"symbol\":\"' || {0} || '\"%'"
                " OR stream LIKE '%' || {0} OR stream LIKE '%/' || {0} || '/%')",
                wanted.symbol,
            )
        )
    if wanted.text:
        found.append(
            ("(data::text ILIKE {0} OR stream ILIKE {0})", f"%{literal(wanted.text)}%"),
        )
    if wanted.correlation is not None:
        # The same condition as the log's own reader has, for which there are indexes.
        found.append(
            (
                "(correlation_id = {0} AND (retention = 'desk' OR input_position IS NOT NULL"
                " OR event_id = {0}))",
                wanted.correlation,
            )
        )
    return found


def question(wanted: Filter, after: int, up_to: int) -> Question:
    """The same for archived files; the class is a choice of files."""
    return Question(
        after,
        up_to,
        types=frozenset(wanted.types),
        without_types=frozenset(wanted.without_types),
        stream_begins=wanted.stream,
        worker=wanted.worker,
        symbol=wanted.symbol,
        text=wanted.text,
        story=wanted.correlation,
    )


def literal(text: str) -> str:
    """Text without wildcards of LIKE."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
