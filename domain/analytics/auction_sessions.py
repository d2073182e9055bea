"""What earlier closing auctions say of today's: usual imbalances, and how far prices went.

Called by the stage. The imbalance is measured against EW(20 sessions) of its value at the same 10
seconds of the session; the scale of the square-root impact law is an average of the last auctions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from domain.analytics.auction import AuctionRun
from domain.analytics.ewma import EwMoments, clip

BUCKET_SECONDS = 10
SESSIONS = 20
SCALE_MAX = 1.5
_DECAY = 2.0 ** (-1.0 / SESSIONS)


def bucket_of(seconds_before_close: float) -> int:
    """The stretch of 10 seconds; 0 is the last one before the close."""
    return math.ceil(seconds_before_close / BUCKET_SECONDS) - 1


@dataclass(slots=True)
class ImpactScale:
    """Y: realised over expected move of the last auctions, as sums weighted 2^(-age / 20).

    Their ratio is taken, not the mean of ratios: an auction with hardly any imbalance says little.
    The start value counts as an auction before the first.
    """

    moved: float = 0.0
    unit: float = 0.0
    auctions: int = 0

    def value(self, start: float) -> float:
        return clip(self.moved / self.unit, 0.0, SCALE_MAX) if self.unit > 0 else start

    def add(self, moved_bps: float, unit_bps: float, start: float) -> None:
        """`moved_bps` counts + on the side of the imbalance, `unit_bps` > 0."""
        if self.auctions == 0:
            self.moved, self.unit = start * unit_bps, unit_bps
        self.moved = self.moved * _DECAY + moved_bps
        self.unit = self.unit * _DECAY + unit_bps
        self.auctions += 1


@dataclass(slots=True)
class AuctionSessions:
    """Of one symbol, over sessions."""

    buckets: dict[int, EwMoments] = field(default_factory=dict)
    sessions: int = 0
    scale: ImpactScale = field(default_factory=ImpactScale)

    def score(self, q: float, seconds_before_close: float) -> float | None:
        """z of an imbalance; None until 20 sessions had one in the same 10 seconds."""
        moments = self.buckets.get(bucket_of(seconds_before_close))
        return moments.score(q) if moments is not None and moments.is_warm else None

    def absorb(self, run: AuctionRun) -> None:
        """Take in a session that is over."""
        if run.by_bucket:
            self.sessions += 1
        for bucket, q in run.by_bucket.items():
            moments = self.buckets.get(bucket)
            if moments is None:
                moments = self.buckets[bucket] = EwMoments(SESSIONS, SESSIONS)
            moments.update(q, 1.0)
