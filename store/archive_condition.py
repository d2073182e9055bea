"""What is wanted of an archived file, as a condition on its columns.

Used by store/archive.py. It means what the SQL of store/reading.py and of api/log_filter.py means;
tests hold them together.
"""

from __future__ import annotations

from functools import reduce
from operator import and_
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from domain.event import Retention
from store.archived_days import ArchivedDay, Question


def condition(
    day: ArchivedDay, question: Question, streams: list[str] | None
) -> tuple[pc.Expression, set[str]]:
    """The condition, and which columns it needs; `streams` are those of the file that are wanted,
    None for all."""
    column = pc.field
    position = column("position")
    parts = [(position > question.after) & (position <= question.up_to)]
    columns = {"position"}
    if question.types or question.own_clock:
        either = column("type").isin(sorted(question.types))
        columns.add("type")
        if question.own_clock:
            types, own = question.own_clock
            columns.add("stream")
            either |= column("type").isin(sorted(types)) & column("stream").isin(list(own))
        parts.append(either)
    if streams is not None:
        columns.add("stream")
        parts.append(column("stream").isin(streams))
    if question.without:
        parts.append(~position.isin(sorted(question.without)))
    if question.without_types:
        columns.add("type")
        parts.append(~column("type").isin(sorted(question.without_types)))
    if question.stream_begins:
        columns.add("stream")
        parts.append(pc.starts_with(column("stream"), question.stream_begins))
    if question.worker:
        columns.add("worker")
        parts.append(column("worker") == question.worker)
    if question.symbol:
        columns |= {"stream", "data"}
        symbol, stream = question.symbol, column("stream")
        parts.append(
            pc.match_substring(column("data"), f'"symbol":"{symbol}"')
            | pc.ends_with(stream, symbol)
            | pc.match_substring(stream, f"/{symbol}/")
        )
    if question.text:
        columns |= {"stream", "data"}
        parts.append(
            pc.match_substring(column("data"), question.text, ignore_case=True)
            | pc.match_substring(column("stream"), question.text, ignore_case=True)
        )
    if question.versions is not None:
        columns.add("version")
        low, high = question.versions
        parts.append((column("version") > low) & (column("version") <= high))
    if question.story is not None:
        columns |= {"correlation_id", "event_id", "input_position"}
        of_story = column("correlation_id") == _id(question.story)
        if day.retention is Retention.MARKET:
            of_story &= column("input_position").is_valid()
        # A null correlation is the event's own id: that one is the root of its story.
        parts.append(of_story | (column("event_id") == _id(question.story)))
    if question.by_id is not None:
        name, ids = question.by_id
        columns.add(name)
        values = pa.array([identity.bytes for identity in ids], pa.binary(16))
        parts.append(column(name).isin(values))
    if question.emitted_by is not None:
        worker, low, high = question.emitted_by
        columns |= {"worker", "input_position"}
        inputs = column("input_position")
        parts.append((column("worker") == worker) & (inputs > low) & (inputs <= high))
    return reduce(and_, parts), columns


def _id(identity: UUID) -> pa.Scalar:
    return pa.scalar(identity.bytes, pa.binary(16))
