"""What is known of one model, symbol and bucket: every score, and the event that tells it.

Filled by the stage with each resolved prediction, in outcome order (rules, 3.6).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from domain.events.forecasts import CalibrationBin, CalibrationUpdated, Coverage, Scores
from domain.forecasts.intervals import LEVELS, AdaptiveWidth, kupiec, level_name, wilson
from domain.forecasts.record import Record, Spacing
from domain.forecasts.scores import (
    IntervalScore,
    PointScore,
    ProbabilityScore,
    VarianceScore,
    rank_correlation,
)
from domain.numbers import significant
from domain.parameter import ParameterState

ALL = "ALL"
ANY = "ANY"
RANKED_MAX = 500


class CalibrationKey(NamedTuple):
    model: str
    symbol: str
    bucket: str
    scheduled: bool


@dataclass(slots=True)
class Pair:
    """The same sums twice: for ever, and of the recent outcomes."""

    ever: IntervalScore = field(default_factory=IntervalScore)
    recent: IntervalScore = field(default_factory=IntervalScore)


@dataclass(slots=True)
class Calibration:
    """`kind` is prob, point or variance; only its own scores are kept."""

    key: CalibrationKey
    kind: str
    count: int = 0
    voided: int = 0
    spacings: dict[str, Spacing] = field(default_factory=dict)
    probability: tuple[ProbabilityScore, ProbabilityScore] | None = None
    point: tuple[PointScore, PointScore] | None = None
    variance: tuple[VarianceScore, VarianceScore] | None = None
    intervals: dict[float, Pair] = field(default_factory=dict)
    widths: dict[float, AdaptiveWidth] = field(default_factory=dict)
    """Of one symbol; where intervals of several are pooled, none adapts."""
    ranked: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=RANKED_MAX))
    record: Record | None = None
    """What MODEL_TRUST judges by, where this model has that gate."""

    @staticmethod
    def of(key: CalibrationKey, kind: str, *, judges: bool) -> Calibration:
        made = Calibration(key, kind, record=Record() if judges else None)
        if kind == "prob":
            made.probability = ProbabilityScore(), ProbabilityScore()
        elif kind == "point":
            made.point = PointScore(), PointScore()
        else:
            made.variance = VarianceScore(), VarianceScore()
        if kind != "prob":
            made.intervals = {level: Pair() for level in LEVELS}
            made.widths = {level: AdaptiveWidth(level) for level in LEVELS}
        return made

    @property
    def n_eff(self) -> float:
        return math.fsum(spacing.n_eff for spacing in self.spacings.values())

    def is_proven(self, parameters: ParameterState) -> bool:
        """Enough outcomes and recent skill of a point forecast: what gives others their full trust
        (rules, 3.6)."""
        assert self.point is not None, "only a point forecast times orders"
        skill = self.point[1].skill
        enough = self.n_eff >= parameters.number("signals.trust_n_eff")
        return enough and skill is not None and skill > 0

    def counted(self, symbol: str, made: float, horizon: float) -> None:
        self.count += 1
        self.spacings.setdefault(symbol, Spacing()).add(made, horizon)

    def add_probability(self, p: float, y: float, decay: float) -> None:
        assert self.probability is not None
        self.probability[0].add(p, y, 1.0)
        self.probability[1].add(p, y, decay)

    def add_point(self, forecast: float, y: float, decay: float) -> None:
        assert self.point is not None
        self.point[0].add(forecast, y, 1.0)
        self.point[1].add(forecast, y, decay)
        self.ranked.append((forecast, y))

    def add_variance(self, forecast: float, reference: float, y: float, decay: float) -> None:
        assert self.variance is not None
        self.variance[0].add(forecast, reference, y, 1.0)
        self.variance[1].add(forecast, reference, y, decay)
        self.ranked.append((forecast, y))

    def add_intervals(
        self, intervals: Mapping[str, tuple[float, float]], y: float, decay: float
    ) -> None:
        for level, pair in self.intervals.items():
            found = intervals.get(level_name(level))
            if found is None:
                continue
            low, high = found
            pair.ever.add(low, high, y, 1.0)
            pair.recent.add(low, high, y, decay)
            if self.key.symbol != ALL:
                self.widths[level].update(missed=not low <= y <= high)

    def event(self, as_of: datetime, parameters: ParameterState) -> CalibrationUpdated:
        key, record = self.key, self.record
        share = self.n_eff / self.count if self.count else 0.0
        now = None if record is None else record.recalibration
        trust = None if record is None else record.trust(parameters)
        gate = "" if record is None else "fail" if record.failed else "pass"
        return CalibrationUpdated(
            model=key.model,
            symbol=key.symbol,
            bucket=key.bucket,
            scheduled=key.scheduled,
            kind=self.kind,
            as_of=as_of,
            count=self.count,
            voided=self.voided,
            n_eff=_known(self.n_eff),
            ever=self._scores(0),
            recent=self._scores(1),
            bins=self._bins(share),
            coverage=self._coverage(share),
            rank_correlation=significant(rank_correlation(list(self.ranked))),
            a=None if now is None else _known(now.a),
            b=None if now is None else _known(now.b),
            gate=gate,
            trust=trust,
        )

    def _scores(self, which: int) -> Scores:
        if self.probability is not None:
            return _probability_scores(self.probability[which])
        if self.point is not None:
            point = self.point[which]
            return Scores(
                count=_known(point.weight),
                skill=significant(point.skill),
                mean_error=significant(point.mean_error),
                rmse=significant(point.rmse),
                sign_hits=significant(point.sign_hits),
            )
        assert self.variance is not None
        variance = self.variance[which]
        return Scores(
            count=_known(variance.weight),
            skill=significant(variance.skill),
            qlike=significant(variance.loss),
            qlike_reference=significant(variance.reference),
        )

    def _bins(self, share: float) -> tuple[CalibrationBin, ...]:
        """Filled tenths over all outcomes; `share` is n_eff over the count."""
        if self.probability is None:
            return ()
        found = []
        for one in self.probability[0].bins:
            bounds = wilson(one.y / one.weight, one.weight * share) if one.weight > 0 else None
            if bounds is not None:
                found.append(
                    CalibrationBin(
                        p=_known(one.p / one.weight),
                        rate=_known(one.y / one.weight),
                        count=one.weight,
                        low=_known(bounds[0]),
                        high=_known(bounds[1]),
                    )
                )
        return tuple(found)

    def _coverage(self, share: float) -> tuple[Coverage, ...]:
        found = []
        for level, pair in self.intervals.items():
            rate, width = pair.ever.coverage, pair.ever.width
            if rate is None or width is None:
                continue
            effective = pair.ever.weight * share
            bounds, test = wilson(rate, effective), kupiec(level, rate * effective, effective)
            if bounds is None or test is None:
                continue
            found.append(
                Coverage(
                    level=level,
                    coverage=_known(rate),
                    low=_known(bounds[0]),
                    high=_known(bounds[1]),
                    kupiec=_known(test[0]),
                    kupiec_p=_known(test[1]),
                    width=_known(width),
                    alpha=_known(self.widths[level].alpha),
                )
            )
        return tuple(found)


def _probability_scores(found: ProbabilityScore) -> Scores:
    return Scores(
        count=_known(found.weight),
        base=significant(found.base),
        brier=significant(found.brier),
        skill=significant(found.skill),
        skill_half=significant(found.skill_half),
        log_loss=significant(found.log_loss),
        reliability=significant(found.reliability),
        resolution=significant(found.resolution),
        uncertainty=significant(found.uncertainty),
        calibration_error=significant(found.calibration_error),
    )


def _known(value: float) -> float:
    found = significant(value)
    assert found is not None, f"a score must be finite, was {value}"
    return found + 0.0
