"""Touch and finish probabilities of a barrier under a total variance (reflection principle).

Called by signals and risk with the forecast variance and with the implied one. No continuity
correction: bars of 5 s are close to continuous monitoring.
"""

from __future__ import annotations

import math

_SQRT_TWO = math.sqrt(2.0)


def normal_cdf(x: float) -> float:
    return 0.5 * math.erfc(-x / _SQRT_TWO)


def p_touch(spot: float, barrier: float, variance: float, drift: float = 0.0) -> float:
    """Probability that the price touches `barrier` before the horizon.

    `variance` is total variance to the horizon and `drift` the total drift mu T of the price
    (dimensionless). At the barrier: 1. Without variance: 0.
    """
    if spot == barrier:
        return 1.0
    if variance <= 0.0:
        return 0.0
    b = math.log(barrier / spot)
    side = 1.0 if b > 0 else -1.0
    nu = drift - variance / 2
    deviation = math.sqrt(variance)
    direct = normal_cdf(side * (nu - b) / deviation)
    reflected = math.exp(2 * nu * b / variance) * normal_cdf(side * (-b - nu) / deviation)
    return min(direct + reflected, 1.0)


def p_finish_beyond(spot: float, barrier: float, variance: float, drift: float = 0.0) -> float:
    """Probability that the price ends beyond `barrier`, seen from the spot."""
    b = math.log(barrier / spot)
    side = 1.0 if b >= 0 else -1.0
    if variance <= 0.0:
        return 0.0
    nu = drift - variance / 2
    return normal_cdf(side * (nu - b) / math.sqrt(variance))
