"""A list of metrics under construction: units from the catalogue, rounding, reasons for nulls.

Called by the report modules only.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

from domain.analytics.catalogue import UNITS
from domain.analytics.ewma import EwMoments
from domain.analytics.realised import COVERAGE_MIN
from domain.events.analytics import Metric, Quality

_OK = Quality.OK
MINUTE_STALE_SECONDS = 70.0
"""How old the last closed minute may be for what is computed with it."""
IMPORTED = "IMPORTED"
"""Why a z-score is WARMUP_MODEL: what it is measured against is a vendor's history."""


def moment(seconds: float) -> datetime:
    """The time of an epoch second."""
    return datetime.fromtimestamp(seconds, UTC)


def of_bars(coverage: float) -> tuple[Quality, str]:
    """Quality of what rests on bars of which this share came; under COVERAGE_MIN it is no value."""
    if coverage < COVERAGE_MIN:
        return Quality.MISSING, "COVERAGE"
    return (Quality.DEGRADED, "MISSING_BARS") if coverage < 1 else (Quality.OK, "")


class Report:
    """Collects metrics in the order in which they are given."""

    __slots__ = ("metrics", "now")

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.metrics: list[Metric] = []

    def number(
        self,
        name: str,
        value: float | None,
        as_of: datetime,
        quality: Quality = _OK,
        reason: str = "",
    ) -> None:
        """A number. `reason` goes with a quality other than OK, and with a null.

        A null that claims to be OK is MISSING.
        """
        if value is None or not math.isfinite(value):
            if quality is _OK or quality is Quality.WARMUP_MODEL:
                quality = Quality.MISSING
            reason = reason or (quality.value if value is None else "NOT_FINITE")
            self.metrics.append(Metric(name, None, UNITS[name], as_of, quality, reason))
            return
        rounded = float(f"{value:.11e}")
        if quality is _OK:
            reason = ""
        self.metrics.append(Metric(name, rounded, UNITS[name], as_of, quality, reason))

    def text(
        self,
        name: str,
        value: str | None,
        as_of: datetime,
        quality: Quality = _OK,
        reason: str = "",
    ) -> None:
        """A text; its reason is kept even when it is OK, because it says why it is that."""
        if value is None and quality is _OK:
            quality = Quality.MISSING
        if value is None:
            reason = reason or quality.value
        self.metrics.append(Metric(name, value, UNITS[name], as_of, quality, reason))


def add_score(
    report: Report,
    name: str,
    score: float | None,
    against: EwMoments,
    as_of: datetime,
    quality: Quality,
    reason: str,
) -> None:
    """A z-score and what it is measured against: warming up, or warm by imported history."""
    if quality is _OK and score is None:
        quality, reason = Quality.WARMUP, "WARMUP"
    elif quality is _OK and against.rests_on_import:
        quality, reason = Quality.WARMUP_MODEL, IMPORTED
    report.number(name, score, as_of, quality, reason)
