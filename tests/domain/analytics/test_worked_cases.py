"""Worked cases of the analytics, each by the name it has on docs/edge-cases.md."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import pytest

from domain.analytics.gex import Regime, exposure_of
from domain.analytics.variance import rho
from domain.events.analytics import ChainEvaluated, Metric, Quality
from domain.events.feeds import LineOpened
from domain.pricing.black_scholes import greeks
from tests.domain.analytics.build import RATE, Tape, bar, book_ticks, contract, plan, ticks
from tests.domain.analytics.day_build import start
from tests.domain.analytics.stage_runs import consumer, metric, reports, run, value
from tests.domain.analytics.test_analytics_stage import bars_only
from tests.domain.analytics.test_surface_and_exposure import SPOT, exposed

MINUTE_YEARS = 60 / (365 * 86_400)
STRIKES = tuple(658.0 + k / 2 for k in range(9))


def at_the_last(seconds: float) -> tuple[ChainEvaluated, Metric]:
    """Today's chain, quoted on lines, so many seconds before its expiry."""
    tape = Tape()
    start(tape)
    now: datetime = plan().day.close_at - timedelta(seconds=seconds)
    tape.add(book_ticks("SPY", now, 660.0), now)
    for strike in STRIKES:
        for call in (True, False):
            option = contract("SPY", 0, strike, call)
            tape.add(LineOpened(contract=option), now)
            inside = max(0.0, (660.0 - strike) * (1 if call else -1))
            # Time value falls with the distance, so that every strike has a volatility.
            worth = inside + 0.16 - 0.03 * abs(strike - 660.0)
            quote = [(1, round(worth - 0.01, 2), 20.0), (2, round(worth + 0.01, 2), 20.0)]
            tape.add(ticks("SPY", now, quote, option), now)
    tape.add(bar("SPY", now - timedelta(seconds=5), 660.0), now)
    emitted = run(tape.events)
    chain = next(e.body for e in emitted if isinstance(e.body, ChainEvaluated))
    return chain, metric(reports(emitted)[-1], "atm_iv_0dte")


def test_time_floored_to_sixty_seconds_for_greeks_is_flagged() -> None:
    """Half a minute before the expiry the surface is whole and DEGRADED all the same: its greeks
    are those of a minute. Two minutes before nothing is floored, and nothing flagged."""
    early, good = at_the_last(120)
    late, flagged = at_the_last(30)
    assert not early.time_floored and "TIME_FLOORED" not in (early.reason, good.reason)
    assert late.time_floored
    assert (late.quality, late.reason) == (Quality.DEGRADED, "TIME_FLOORED")
    assert (flagged.quality, flagged.reason) == (Quality.DEGRADED, "TIME_FLOORED")
    k = late.con_id.index(contract("SPY", 0, 660.0, True).con_id)
    of_a_minute = greeks(late.spot, 660.0, MINUTE_YEARS, RATE, late.implied_volatility[k], True)
    assert late.gamma[k] == pytest.approx(of_a_minute.gamma[0], rel=1e-6)


@pytest.mark.parametrize(("right", "side", "sign"), [("C", "ABOVE", 1), ("P", "BELOW", -1)])
def test_gamma_of_one_sign_on_the_grid_has_no_flip_and_its_sign_gives_the_side(
    right: str, side: str, sign: int
) -> None:
    """Only calls, or only puts, are open: the profile has no root at any spot. The side follows
    the sign of the total, also from the other side; the regime goes by its size as ever."""
    table, surface = exposed({(right, 650.0): 2_000.0, (right, 670.0): 3_000.0})
    found = exposure_of(table, surface, 45)
    assert (found.flip, found.roots) == (None, ())
    assert found.total * sign > 0
    regime = Regime(flip_side="BELOW" if sign > 0 else "ABOVE")
    regime.update_side(SPOT, found.flip, found.total)
    assert regime.flip_side == side
    for norm, name in ((0.015, "NEUTRAL"), (0.021, "POS"), (0.015, "POS"), (0.01, "NEUTRAL")):
        regime.update(norm, 0.02, 0.01)
        assert regime.name == name


@pytest.mark.parametrize(
    ("sessions", "quality", "reason"),
    [(13, Quality.WARMUP_MODEL, "MODEL"), (14, Quality.OK, "")],
)
def test_noise_area_of_the_first_fourteen_sessions_comes_from_the_model(
    sessions: int, quality: Quality, reason: str
) -> None:
    """With 13 sessions of minutes the width is what the variance forecast says of the time since
    the open, with 14 the mean of what they moved."""
    tape = Tape()
    start(tape, minute_sessions=sessions)
    bars_only(tape, 5)
    worker = consumer()
    (found,) = reports(run(tape.events, worker))[-1:]
    for name in ("noise_upper", "noise_lower", "noise_x"):
        assert (metric(found, name).quality, metric(found, name).reason) == (quality, reason)
    symbol = worker.states[0].symbols["SPY"]
    past, opened = symbol.past, symbol.bars.open
    moved = value(found, "noise_upper") / max(opened, past.previous_close) - 1
    so_far = past.forecast.rv_hat * (1 - rho(5, 390))
    of_model = math.sqrt(2 / math.pi * so_far)
    expected = of_model if past.moves is None else past.moves[4]
    assert (past.moves is None) is (sessions < 14)
    assert moved == pytest.approx(expected, rel=1e-6)
    assert expected == of_model or abs(expected / of_model - 1) > 0.01, "the two differ"
