"""The history of metrics: one row a metric, symbol and closed minute.

Pure: an event in, rows out. Reports of bars that close no minute have none, but that of a symbol
whose bars have stopped has them, because then every quality has changed.
"""

from __future__ import annotations

from domain.event import Recorded
from domain.events.analytics import Metric, MetricComputed, Quality
from projections.rows import Insert, column

COLUMNS = (
    *("recorded_at", "event_position", "source_at", "symbol", "name"),
    *("value", "text_value", "unit", "as_of", "quality", "reason", "params_version"),
)
LAST_BAR = "last_close"
"""The metric whose `as_of` is the end of the last bar."""


def is_kept(body: MetricComputed) -> bool:
    bar = next((metric for metric in body.metrics if metric.name == LAST_BAR), None)
    if bar is None:
        return False
    return bar.as_of.second == 0 or bar.quality is not Quality.OK


def rows(event: Recorded, body: MetricComputed) -> list[Insert]:
    if not is_kept(body):
        return []
    first = (event.recorded_at, event.position, body.evaluated_at, column(body.symbol))
    return [
        Insert("metrics", COLUMNS, (*first, *_of(metric), body.params_version))
        for metric in body.metrics
    ]


def _of(metric: Metric) -> tuple[object, ...]:
    is_text = isinstance(metric.value, str)
    number, text = (None, column(metric.value)) if is_text else (metric.value, None)
    about = (column(metric.unit), metric.as_of, metric.quality.value, column(metric.reason))
    return column(metric.name), number, text, *about
