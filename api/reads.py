"""The reads of the live page: health and the tables, brought up to the head of the log first."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.responses import Response

from api.control_models import RowsQuery
from api.desk_tables import newest_first
from api.dispatch import Call, json_answer
from api.fold_state import Row


async def health(call: Call) -> Response:
    return json_answer(await call.desk.health.read())


async def positions(call: Call) -> Response:
    return _rows(call, await call.desk.tables.positions())


async def pnl(call: Call) -> Response:
    return json_answer(await call.desk.tables.pnl())


async def orders(call: Call) -> Response:
    fold = await call.desk.tables.fold()
    return _rows(call, newest_first(fold.orders.values(), open_first=True))


async def signals(call: Call) -> Response:
    fold = await call.desk.tables.fold()
    return _rows(call, newest_first(fold.signals.values()))


async def approvals(call: Call) -> Response:
    fold = await call.desk.tables.fold()
    return _rows(call, newest_first(fold.approvals.values(), open_first=True))


async def publications(call: Call) -> Response:
    fold = await call.desk.tables.fold()
    return _rows(call, newest_first(fold.publications.values()))


async def reports(call: Call) -> Response:
    fold = await call.desk.tables.fold()
    return _rows(call, newest_first(fold.reports.values()))


async def alerts(call: Call) -> Response:
    fold = await call.desk.tables.fold()
    return _rows(call, newest_first(fold.alerts.values(), open_first=True))


def _rows(call: Call, rows: Iterable[Row]) -> Response:
    query = call.queried(RowsQuery)
    kept = [row for row in rows if not (query.open and row["is_over"])]
    return json_answer({"rows": kept[: query.limit], "count": len(kept)})
