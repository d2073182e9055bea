"""How good every forecast is: the newest score of each model, symbol and bucket.

The rows are those of api/fold_calibration.py; the projection `audit` has the same in Postgres.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from api.control_models import Sent
from api.dispatch import Call, json_answer
from api.log_pages import LIMIT_MAX

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9+_]{1,20}$")]


class CalibrationQuery(Sent):
    """Rows of one model, symbol (ALL: pooled) or bucket (ANY: of every bucket); else of all.

    `after` is the `calibration_id` of the last row of the page before.
    """

    model: Name | None = None
    symbol: Name | None = None
    bucket: Name | None = None
    scheduled: bool | None = None
    after: Annotated[str, Field(max_length=100)] = ""
    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = 200


async def calibration(call: Call) -> Response:
    """`next` is what `after` takes for the following page; null on the last one."""
    query = call.queried(CalibrationQuery)
    rows = (await call.desk.tables.fold()).calibration
    asked = {
        name: value
        for name in ("model", "symbol", "bucket", "scheduled")
        if (value := getattr(query, name)) is not None
    }
    found = [
        rows[key]
        for key in sorted(rows)
        if all(rows[key][name] == value for name, value in asked.items())
    ]
    rest = [row for row in found if row["calibration_id"] > query.after]
    page = rest[: query.limit]
    following = page[-1]["calibration_id"] if len(rest) > len(page) else None
    return json_answer({"rows": page, "count": len(found), "next": following})
