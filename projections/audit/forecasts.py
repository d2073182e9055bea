"""Audit rows of the forecasts: the newest score of each model, symbol and bucket.

Pure: an event in, changes of tables out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from domain.event import Recorded
from domain.events.forecasts import CalibrationUpdated
from projections.audit.desk import taken, where
from projections.rows import Change, Upsert, json_text

_TAKEN = (
    "model",
    "symbol",
    "bucket",
    "scheduled",
    "kind",
    "as_of",
    "voided",
    "n_eff",
    "gate",
    "trust",
    "a",
    "b",
    "rank_correlation",
)


def calibration_id(body: CalibrationUpdated) -> str:
    made = "scheduled" if body.scheduled else "decisions"
    return f"{body.model}/{body.symbol}/{body.bucket}/{made}"


def calibrated(event: Recorded, body: CalibrationUpdated) -> list[Change]:
    values = where(event) | taken(body, _TAKEN)
    values |= {"calibration_id": calibration_id(body), "outcomes": body.count}
    for name in ("ever", "recent", "bins", "coverage"):
        values[name] = json_text(getattr(body, name))
    return [Upsert("calibration", "calibration_id", values)]


TABLES: Mapping[type[Any], Callable[[Recorded, Any], list[Change]]] = {
    CalibrationUpdated: calibrated,
}
