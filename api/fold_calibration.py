"""The newest score of each forecast: one row a model, symbol and bucket.

Called through the table in api/desk_fold.py. Pure.
"""

from __future__ import annotations

from api.fold_state import DeskFold, Row, at
from domain.event import Recorded
from domain.events.forecasts import CalibrationUpdated


def calibrated(fold: DeskFold, event: Recorded, body: CalibrationUpdated) -> None:
    made = "scheduled" if body.scheduled else "decisions"
    key = f"{body.model}/{body.symbol}/{body.bucket}/{made}"
    row: Row = {
        "calibration_id": key,
        **body.model_dump(mode="json"),
        "as_of": at(body.as_of),
        "event_id": str(event.event_id),
        "position": event.position,
    }
    fold.calibration[key] = row
