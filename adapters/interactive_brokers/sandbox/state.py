"""Orders, executions and positions of the sandbox, and how they are written to disk and back.

Every change is one JSON line in the ledger; on start the lines are folded again, the last line
of an order winning. Positions and cash are derived from executions, never stored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from adapters.interactive_brokers.sandbox.contracts import NEW_YORK
from adapters.interactive_brokers.sandbox.requests import PlaceRequest

OPENING_CASH = Decimal(1_000_000)
FINAL_STATUSES = frozenset({"Filled", "Cancelled", "Inactive"})


@dataclass(frozen=True, slots=True)
class SimLeg:
    con_id: int
    ratio: int
    """Signed as the combination is bought."""


@dataclass(slots=True)
class SimOrder:
    """One order. `quantity` is what is asked, `filled` what is done; prices in dollars.

    `size_cap` is set while a child order is sized to what its parent has filled so far.
    """

    order_id: int
    client_id: int
    perm_id: int
    con_id: int
    symbol: str
    legs: tuple[SimLeg, ...]
    action: str
    quantity: int
    order_type: str
    limit_price: Decimal
    stop_price: Decimal | None
    tif: str
    account: str
    order_ref: str
    oca_group: str
    oca_type: int
    parent_id: int
    transmit: bool
    routing: tuple[tuple[str, str], ...] = ()
    status: str = "PendingSubmit"
    why_held: str = ""
    filled: int = 0
    average_price: Decimal = Decimal(0)
    last_price: Decimal = Decimal(0)
    triggered: bool = False
    submitted_on: str = ""
    completed_at: str = ""
    completed_status: str = ""
    size_cap: int | None = None

    @property
    def total(self) -> int:
        return self.quantity if self.size_cap is None else min(self.quantity, self.size_cap)

    @property
    def sign(self) -> int:
        return 1 if self.action == "BUY" else -1

    @property
    def is_working(self) -> bool:
        return self.status in ("PreSubmitted", "Submitted") and self.transmit

    @property
    def is_final(self) -> bool:
        return self.status in FINAL_STATUSES

    @property
    def remaining(self) -> int:
        return max(self.total - self.filled, 0)

    @property
    def is_stop(self) -> bool:
        return self.order_type == "STP LMT"

    def contract_sides(self) -> dict[int, int]:
        """Sign of each option contract this order would trade."""
        if not self.legs:
            return {self.con_id: self.sign}
        return {leg.con_id: self.sign * (1 if leg.ratio > 0 else -1) for leg in self.legs}


@dataclass(frozen=True, slots=True)
class SimExecution:
    """One execution. `realised` is its profit in dollars, None when it opens."""

    exec_id: str
    order_id: int
    client_id: int
    perm_id: int
    order_ref: str
    con_id: int
    symbol: str
    side: str
    quantity: int
    price: Decimal
    cumulative: int
    average_price: Decimal
    at: str
    account: str
    commission: Decimal
    moves_position: bool
    liquidation: int = 0
    realised: Decimal | None = None

    @property
    def family(self) -> str:
        return self.exec_id.rpartition(".")[0]

    @property
    def signed_quantity(self) -> int:
        return self.quantity if self.side == "BOT" else -self.quantity


@dataclass(frozen=True, slots=True)
class SimAdjustment:
    """A position change without an order: expiry, exercise, assignment."""

    con_id: int
    quantity: int
    price: Decimal
    multiplier: int
    at: str
    cause: str


@dataclass(frozen=True, slots=True)
class SimPosition:
    con_id: int
    quantity: int
    cost: Decimal
    """Signed dollars paid, commissions included."""

    @property
    def average_cost(self) -> Decimal:
        return self.cost / self.quantity if self.quantity else Decimal(0)


@dataclass(slots=True)
class LedgerView:
    """Everything the sandbox did: the oracle of tests."""

    orders: list[SimOrder] = field(default_factory=list)
    executions: list[SimExecution] = field(default_factory=list)
    adjustments: list[SimAdjustment] = field(default_factory=list)
    positions: dict[int, SimPosition] = field(default_factory=dict)
    cash: Decimal = OPENING_CASH

    def counted_executions(self) -> list[SimExecution]:
        """The newest of each execution family, in order."""
        newest: dict[str, SimExecution] = {}
        for execution in self.executions:
            newest[execution.family] = execution
        return list(newest.values())


def _fields(record: object) -> dict[str, object]:
    """The same as asdict, without the deep copies that nobody needs to write a line."""
    return {field.name: getattr(record, field.name) for field in fields(record)}  # type: ignore[arg-type]


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return str(value)
    if is_dataclass(value):
        return _fields(value)
    raise TypeError(f"ledger values must be plain, was {value!r}")


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)


def order_from(data: dict[str, Any]) -> SimOrder:
    data["legs"] = tuple(SimLeg(**leg) for leg in data["legs"])
    data["routing"] = tuple((tag, value) for tag, value in data["routing"])
    for name in ("limit_price", "average_price", "last_price"):
        data[name] = Decimal(data[name])
    data["stop_price"] = _decimal(data["stop_price"])
    return SimOrder(**data)


def execution_from(data: dict[str, Any]) -> SimExecution:
    for name in ("price", "average_price", "commission"):
        data[name] = Decimal(data[name])
    data["realised"] = _decimal(data["realised"])
    return SimExecution(**data)


def _drop_torn_line(path: Path) -> None:
    """A crash can cut the last line short; the next line must not be glued to it."""
    if not path.exists():
        return
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        path.write_bytes(data[: data.rfind(b"\n") + 1])


class LedgerFile:
    """Append-only JSON lines in the sandbox's state directory."""

    def __init__(self, state_dir: Path) -> None:
        state_dir.mkdir(parents=True, exist_ok=True)
        self._path = state_dir / "tws_ledger.jsonl"
        _drop_torn_line(self._path)
        self._file = self._path.open("a", encoding="utf-8")

    def write(self, kind: str, record: object) -> None:
        data = record if isinstance(record, dict) else _fields(record)
        self._file.write(json.dumps({"kind": kind, **data}, default=_plain) + "\n")
        self._file.flush()

    def read(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The lines so far, oldest first."""
        with self._path.open(encoding="utf-8") as file:
            for line in file:
                data = json.loads(line)
                yield data.pop("kind"), data

    def close(self) -> None:
        self._file.close()


def order_of(
    request: PlaceRequest, client_id: int, perm_id: int, con_id: int, session: date
) -> SimOrder:
    """A new order as asked; the engine gives it its first status."""
    assert request.limit_price is not None
    return SimOrder(
        order_id=request.order_id,
        client_id=client_id,
        perm_id=perm_id,
        con_id=con_id,
        symbol=request.contract.symbol,
        legs=tuple(SimLeg(leg.con_id, leg.signed_ratio) for leg in request.legs),
        action=request.action,
        quantity=int(request.quantity),
        order_type=request.order_type,
        limit_price=request.limit_price,
        stop_price=request.aux_price if request.order_type == "STP LMT" else None,
        tif=request.tif or "DAY",
        account=request.account,
        order_ref=request.order_ref,
        oca_group=request.oca_group,
        oca_type=request.oca_type or 3,
        parent_id=request.parent_id,
        transmit=request.transmit,
        routing=request.routing,
        submitted_on=session.isoformat(),
    )


def copy_of(order: SimOrder) -> SimOrder:
    return replace(order)


def same_day(text: str, session: date) -> bool:
    """True when a stored UTC time falls on that New York day."""
    return bool(text) and datetime.fromisoformat(text).astimezone(NEW_YORK).date() == session
