"""The rows of the live tables: by id, in the order in which they came to be.

Changed by the folds beside it (api/fold_*.py) alone. Figures are text from here on: the page
shows them and computes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.event import Recorded
from domain.events.system import SessionPlanned
from domain.instruments import Structure

ROWS_MAX = 2_000
"""Rows that the page keeps of one table: the oldest that is over goes first."""

Row = dict[str, Any]
Table = dict[str, Row]


@dataclass(slots=True)
class DeskFold:
    """All tables as of `position`."""

    position: int = 0
    positions: Table = field(default_factory=dict)
    orders: Table = field(default_factory=dict)
    signals: Table = field(default_factory=dict)
    approvals: Table = field(default_factory=dict)
    publications: Table = field(default_factory=dict)
    reports: Table = field(default_factory=dict)
    alerts: Table = field(default_factory=dict)
    feeds: Table = field(default_factory=dict)
    halt: Row = field(default_factory=lambda: {"is_halted": False})
    clock: Row = field(default_factory=dict)
    broker: Row = field(default_factory=dict)
    account: Row = field(default_factory=dict)
    session: Row = field(default_factory=dict)
    plan: SessionPlanned | None = None
    jobs: Table = field(default_factory=dict)
    """Those of the keeper, by name."""
    ingestion: Row = field(default_factory=dict)
    """The newest report of a session's ingestion, summed up."""
    calibration: Table = field(default_factory=dict)
    """The newest score of each model, symbol and bucket."""
    limits: Table = field(default_factory=dict)
    """Limits of risk in force, by name."""
    parameters: Table = field(default_factory=dict)
    """Those in force that are no limits of risk, by name."""
    parameters_version: int = 0
    checks: Table = field(default_factory=dict)
    """The newest measurement of each check of risk, by code, and by code and strategy."""
    rows_max: int = ROWS_MAX

    def add(self, table: Table, key: str, event: Recorded, row: Row) -> None:
        row |= {
            "event_id": str(event.event_id),
            "correlation_id": str(event.correlation_id),
            "position": event.position,
            "since": at(event.market_time),
            "as_of": at(event.market_time),
        }
        table[key] = row
        if len(table) > self.rows_max:
            over = next((k for k, r in table.items() if r.get("is_over")), next(iter(table)))
            del table[over]

    def change(self, table: Table, key: str, event: Recorded, **values: object) -> None:
        row = table.get(key)
        if row is not None:
            row.update(values, as_of=at(event.market_time), position=event.position)


def at(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def text(value: object | None) -> str | None:
    return None if value is None else str(value)


def legs_of(structure: Structure) -> list[str]:
    return [
        f"{leg.ratio:+d} {leg.contract.symbol} {leg.contract.expiry} "
        f"{leg.contract.strike.normalize():f}{leg.contract.right.value}"
        for leg in structure.legs
    ]
