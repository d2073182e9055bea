"""What fills of a bucket really cost against the mid at which their order was decided (6.2).

Folded by the strategy stage from the fills of its own positions; the cost of a candidate rests on
it once there are enough of them (4.3).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.events.orders import FillRecorded

HALF_LIFE_FILLS = 20.0
FILLS_MIN = 20
"""Before so many fills the planned budget is the better guess."""
POSITIONS_MAX = 500


@dataclass(slots=True)
class Slippage:
    """EW(20) of slippage a share, in fills: normalised weights 2^(-age / half-life)."""

    positions: dict[str, None] = field(default_factory=dict)
    """Positions whose fills count, the newest ones."""
    fills: int = 0
    weight: float = 0.0
    total: float = 0.0

    def follow(self, position_id: str) -> None:
        self.positions.pop(position_id, None)
        if len(self.positions) >= POSITIONS_MAX:
            del self.positions[next(iter(self.positions))]
        self.positions[position_id] = None

    def filled(self, body: FillRecorded) -> None:
        """Entries and exits alike. A corrected price of the same execution is no further fill."""
        measured = body.slippage_decision
        if measured is None or body.corrects or body.position_id not in self.positions:
            return
        kept = 2.0 ** (-1.0 / HALF_LIFE_FILLS)
        self.fills += 1
        self.weight = self.weight * kept + 1.0
        self.total = self.total * kept + float(measured)

    @property
    def measured(self) -> float | None:
        """Dollars a share each way, at least 0; None before there are enough fills."""
        if self.fills < FILLS_MIN:
            return None
        return max(0.0, self.total / self.weight)
