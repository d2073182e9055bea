"""Recursive least squares with forgetting, in fixed order and without BLAS (rules, 3.1 and 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class LeastSquares:
    """theta of y = x'theta, one observation at a time.

    `spread` is P, the inverse information. Its trace is held at `trace_max`: without news P grows
    by 1/forgetting a step, and the first observation after a quiet time would overturn theta.
    """

    theta: list[float]
    spread: list[list[float]]
    trace_max: float | None = None

    @staticmethod
    def start(
        theta: Sequence[float], variance: float, trace_max: float | None = None
    ) -> LeastSquares:
        """P0 = diag(variance)."""
        size = range(len(theta))
        spread = [[variance if row == column else 0.0 for column in size] for row in size]
        return LeastSquares(list(theta), spread, trace_max)

    def predict(self, x: Sequence[float]) -> float:
        return dot(x, self.theta)

    def update(self, x: Sequence[float], y: float, forgetting: float) -> float:
        """One step; returns the residual before it."""
        size = range(len(self.theta))
        px = [dot(self.spread[row], x) for row in size]
        scale = forgetting + dot(x, px)
        gain = [value / scale for value in px]
        residual = y - self.predict(x)
        for row in size:
            self.theta[row] += gain[row] * residual
            for column in size:
                # x'P is px, because P is symmetric.
                old = self.spread[row][column]
                self.spread[row][column] = (old - gain[row] * px[column]) / forgetting
        trace = sum(self.spread[row][row] for row in size)
        if self.trace_max is not None and trace > self.trace_max:
            shrink = self.trace_max / trace
            self.spread = [[value * shrink for value in row] for row in self.spread]
        return residual


def dot(a: Sequence[float], b: Sequence[float]) -> float:
    total = 0.0
    for left, right in zip(a, b, strict=True):
        total += left * right
    return total
