"""What risk knows of the broker's side: the connection, and what goes wrong on it.

Folded by domain/risk/state.py; domain/risk/halts.py judges it. Times are real seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.events.orders import BrokerErrorSeen, EntryRefused, OrderChanged, OrderState
from domain.risk.codes import DenialCode
from domain.risk.parameters import REMEMBERED_MAX

RATE_CODES = frozenset(
    {
        DenialCode.DUPLICATE_ORDER.value,
        DenialCode.RATE_ALL.value,
        DenialCode.RATE_BUCKET.value,
    }
)
_NOTICES = frozenset(
    {161, 202, 399, 10147, 10148, 10349, 1100, 1101, 1102, 1300, *range(2100, 2200)}
)
"""Codes that report a cancel, one that came after the end of its order, a held order or a farm:
nothing went wrong."""


@dataclass(slots=True)
class Connection:
    """The broker side. What is counted for a halt is forgotten at its release."""

    ready_id: str = ""
    down_since: float | None = None
    reconciled: bool = False
    mismatch_since: float | None = None
    mismatch: tuple[str, ...] = ()
    rejects: dict[str, float] = field(default_factory=dict)
    """By order reference: a rejection told twice is one."""
    errors: tuple[float, ...] = ()
    rate_refusals: tuple[float, ...] = ()
    unknown: dict[str, float] = field(default_factory=dict)
    """Orders in state Unknown, since when."""
    overfilled: tuple[str, ...] = ()
    skews: tuple[float, ...] = ()
    """Last two differences from the broker's clock, in real seconds."""
    speed_since: float = 0.0
    """When the present speed began: clocks need a moment to agree on it."""
    close_expiring: bool = False
    """A halt for disconnection is to be followed by closing what expires today."""

    @property
    def is_ready(self) -> bool:
        return self.ready_id != ""

    def order_changed(self, body: OrderChanged, most: int | None, at: float) -> None:
        """`most` is the largest quantity that was ever asked for, None for a foreign order."""
        ref = body.order_ref
        if body.state is OrderState.REJECTED:
            self.rejects.setdefault(ref, at)
            for old in list(self.rejects)[:-REMEMBERED_MAX]:
                del self.rejects[old]
        if body.state is OrderState.UNKNOWN:
            self.unknown.setdefault(ref, at)
        else:
            self.unknown.pop(ref, None)
        if most is not None and body.filled > most:
            text = f"{ref}: {body.filled} filled of {most}"
            self.overfilled = (*self.overfilled, text)[-REMEMBERED_MAX:]

    def error_seen(self, body: BrokerErrorSeen, at: float) -> None:
        if body.code not in _NOTICES:
            self.errors = (*self.errors, at)[-REMEMBERED_MAX:]

    def entry_refused(self, body: EntryRefused, at: float) -> None:
        if RATE_CODES & set(body.codes):
            self.rate_refusals = (*self.rate_refusals, at)[-REMEMBERED_MAX:]

    def released(self) -> None:
        """A human has looked: what led to the halt does not lead to the next."""
        self.close_expiring = False
        self.rejects, self.errors, self.rate_refusals = {}, (), ()
        self.overfilled, self.skews = (), ()
