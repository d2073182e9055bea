"""The platform judges its own predictions: recalibration, skill, trust (rules, 3.6).

Folded from predictions and their outcomes, in outcome order. One state for each model and bucket,
pooled over symbols.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from domain.forecasts.scores import BINS, Bin, bin_of
from domain.parameter import ParameterState
from domain.signals.score import clip, logistic

TIE = 0.5
"""Outcome of a direction prediction whose price did not change."""
WINDOW_MAX = 5_000
"""Outcomes kept after a failure or a recovery, at most: the window that is looked at then."""


@dataclass(slots=True)
class Recalibration:
    """L = a + b s, updated by one Newton step an outcome. It starts distrustful at b = 0.5."""

    a: float = 0.0
    b: float = 0.5
    precision_aa: float = 16.0
    precision_ab: float = 0.0
    precision_bb: float = 16.0

    def update(self, s: float, outcome: float, offset: float = 0.0) -> None:
        """`offset` is added to the log-odds: the fair game's odds of a neutral structure."""
        p = logistic(offset + self.a + self.b * s)
        weight = p * (1 - p)
        self.precision_aa += weight
        self.precision_ab += weight * s
        self.precision_bb += weight * s * s
        determinant = self.precision_aa * self.precision_bb - self.precision_ab**2
        error = outcome - p
        step_a = (self.precision_bb - self.precision_ab * s) * error / determinant
        step_b = (self.precision_aa * s - self.precision_ab) * error / determinant
        self.a = clip(self.a + step_a, -0.5, 0.5)
        self.b = clip(self.b + step_b, 0.0, 1.5)


@dataclass(slots=True)
class Weighted:
    """Sums for the Brier skill over outcomes weighted 2^(-age / half-life), age in outcomes."""

    weight: float = 0.0
    outcome: float = 0.0
    outcome_squared: float = 0.0
    brier: float = 0.0

    def add(self, p: float, outcome: float, decay: float) -> None:
        self.weight = self.weight * decay + 1
        self.outcome = self.outcome * decay + outcome
        self.outcome_squared = self.outcome_squared * decay + outcome * outcome
        self.brier = self.brier * decay + (p - outcome) ** 2

    @property
    def base(self) -> float | None:
        return None if self.weight == 0 else self.outcome / self.weight

    @property
    def skill(self) -> float | None:
        """1 - BS / BS_ref; None while all outcomes are alike."""
        base = self.base
        if base is None:
            return None
        reference = self.outcome_squared / self.weight - base * base
        if reference <= 1e-12:
            return None
        return 1 - (self.brier / self.weight) / reference


@dataclass(slots=True)
class Spacing:
    """Predictions of one symbol: how far apart they are and how far they look, session seconds."""

    count: int = 0
    first: float = 0.0
    last: float = 0.0
    horizons: float = 0.0

    def add(self, made: float, horizon: float) -> None:
        self.first = made if self.count == 0 else min(self.first, made)
        self.last = max(self.last, made)
        self.horizons += horizon
        self.count += 1

    @property
    def n_eff(self) -> float:
        """n / max(1, horizon / mean spacing): overlapping outcomes count less."""
        if self.count < 2 or self.last <= self.first:
            return min(1.0, float(self.count))
        spacing = (self.last - self.first) / (self.count - 1)
        return self.count / max(1.0, self.horizons / self.count / spacing)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A resolved prediction. Times in seconds of session time since the first session."""

    symbol: str
    p: float
    y: float
    made: float
    horizon: float


def _n_eff(spacings: dict[str, Spacing]) -> float:
    return sum((spacings[symbol].n_eff for symbol in sorted(spacings)), 0.0)


@dataclass(slots=True)
class Record:
    """Everything known about one model in one bucket."""

    recalibration: Recalibration = field(default_factory=Recalibration)
    recent: Weighted = field(default_factory=Weighted)
    ever: Weighted = field(default_factory=Weighted)
    bins: list[Bin] = field(default_factory=lambda: [Bin() for _ in range(BINS)])
    """Outcomes by the tenth of their probability, cumulative: what a hit rate is read from."""
    is_of_direction: bool = False
    """Of P2: where the price is the same at the end nobody was right, and no hit rate counts it."""
    spacings: dict[str, Spacing] = field(default_factory=dict)
    failed: bool = False
    may_fail: bool = True
    """False from a recovery until the recent skill is above its floor again: what it remembers from
    before the failure counts no more, and the outcomes since must fail by themselves."""
    since: deque[Outcome] = field(default_factory=lambda: deque(maxlen=WINDOW_MAX))

    @property
    def n_eff(self) -> float:
        return _n_eff(self.spacings)

    @property
    def hit_rate(self) -> float | None:
        """Mean outcome, cumulative."""
        return self.ever.base

    def add(self, outcome: Outcome, parameters: ParameterState) -> None:
        decay = math.pow(2, -1 / parameters.number("signals.calibration_half_life"))
        self.recent.add(outcome.p, outcome.y, decay)
        self.ever.add(outcome.p, outcome.y, 1.0)
        if not (self.is_of_direction and outcome.y == TIE):
            into = self.bins[bin_of(outcome.p)]
            into.weight += 1
            into.p += outcome.p
            into.y += outcome.y
        self.spacings.setdefault(outcome.symbol, Spacing()).add(outcome.made, outcome.horizon)
        self._judge(outcome, parameters)

    def _judge(self, outcome: Outcome, parameters: ParameterState) -> None:
        needed = parameters.number("signals.trust_n_eff")
        floor = parameters.number("signals.trust_skill_floor")
        if self.failed:
            self.since.append(outcome)
            latest = self._latest_skill(needed)
            if latest is not None and latest > 0:
                self.failed, self.may_fail = False, False
                self.since.clear()
            return
        skill = self.recent.skill
        below = skill is not None and skill < floor
        if not below:
            self.may_fail = True
            self.since.clear()
        elif self.may_fail:
            self.failed = self.n_eff >= needed
        else:
            self.since.append(outcome)
            latest = self._latest_skill(needed)
            if latest is not None and latest < floor:
                self.failed = True
                self.since.clear()

    def _latest_skill(self, needed: float) -> float | None:
        """Of the latest outcomes worth `needed`, all since the failure or the recovery; None while
        there are fewer, or all are alike."""
        spacings: dict[str, Spacing] = {}
        window = Weighted()
        for outcome in reversed(self.since):
            spacings.setdefault(outcome.symbol, Spacing()).add(outcome.made, outcome.horizon)
            window.add(outcome.p, outcome.y, 1.0)
            if _n_eff(spacings) >= needed:
                return window.skill
        return None

    def trust(self, parameters: ParameterState) -> float:
        """Size factor: full only once enough outcomes show skill."""
        skill = self.recent.skill
        proven = self.n_eff >= parameters.number("signals.trust_n_eff")
        if proven and skill is not None and skill > 0:
            return parameters.number("signals.trust_full")
        return parameters.number("signals.trust_start")
