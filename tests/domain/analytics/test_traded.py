"""Which expiries have a chain on the log: those that may be traded now, and no more often."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest

from domain.analytics.traded import ExpiryRole, is_monthly, swing_expiry
from domain.events.analytics import ChainEvaluated
from domain.events.feeds import LineOpened
from tests.domain.analytics.build import contract, snapshot
from tests.domain.analytics.stage_runs import at, chain_tape, day_emissions, run
from tests.domain.risk.build import DAY, session

SESSION = session()


def test_the_swing_expiry_is_the_listed_one_nearest_to_the_target_inside_its_range() -> None:
    listed = [DAY + timedelta(days=n) for n in (0, 1, 3, 20, 24, 31, 38, 45, 46, 60)]
    assert swing_expiry(listed, SESSION, 21, 45, 35) == DAY + timedelta(days=38)
    assert swing_expiry(listed, SESSION, 21, 37, 35) == DAY + timedelta(days=31)
    assert swing_expiry(listed[:4], SESSION, 21, 45, 35) is None


def test_a_tie_goes_to_the_monthly_expiry_then_to_the_nearer() -> None:
    monthly = date(2026, 11, 20)
    away = (monthly - DAY).days
    other = DAY + timedelta(days=away - 8)
    assert swing_expiry([other, monthly], SESSION, 21, 60, away - 4) == monthly
    plain = [DAY + timedelta(days=n) for n in (33, 37)]
    assert not any(is_monthly(day) for day in plain)
    assert swing_expiry(plain, SESSION, 21, 45, 35) == plain[0]


@pytest.mark.parametrize(
    ("day", "monthly"),
    [
        (date(2026, 11, 20), True),
        (date(2026, 11, 13), False),
        (date(2027, 6, 18), True),
        (date(2027, 6, 17), True),
        (date(2027, 6, 10), False),
    ],
)
def test_monthly_is_the_third_friday_or_the_thursday_before(day: date, monthly: bool) -> None:
    assert is_monthly(day) is monthly


def test_roles_are_told_by_the_plan_and_weeks_by_the_range() -> None:
    tomorrow = DAY + timedelta(days=1)
    assert ExpiryRole.TODAY.is_expiry(DAY, SESSION)
    assert not ExpiryRole.TODAY.is_expiry(tomorrow, SESSION)
    assert ExpiryRole.NEXT_SESSION.is_expiry(tomorrow, SESSION)
    assert not ExpiryRole.SWING.is_expiry(DAY + timedelta(days=13), SESSION)
    assert ExpiryRole.SWING.is_expiry(DAY + timedelta(days=14), SESSION)


def test_in_the_morning_the_chain_held_for_weeks_is_published_at_every_third_refresh() -> None:
    chains = [
        e.body
        for e in day_emissions()
        if isinstance(e.body, ChainEvaluated) and e.body.symbol == "SPY"
    ]
    by_days = Counter((body.expiry - body.evaluated_at.date()).days for body in chains)
    assert by_days.pop(0) == 24
    ((days, count),) = by_days.items()
    assert 21 <= days <= 45 and count == 8


def told_today(*extra: tuple[float, object]) -> tuple[float, ...]:
    """Strikes of today's chain at the first bar, the spot at 660."""
    found = [e.body for e in run(chain_tape(*extra).events) if isinstance(e.body, ChainEvaluated)]
    (chain,) = (body for body in found if body.expiry == DAY)
    return tuple(sorted(set(chain.strike)))


def test_strikes_are_told_as_far_as_the_market_may_go() -> None:
    """3 % on an ordinary day. At a volatility of 0.9 two deviations to the close are 4.9 %: a short
    outside the expected move, with its wing, lies beyond 3 %."""
    calm = told_today()
    assert (calm[0], calm[-1]) == (642.0, 678.0)
    wild = told_today((3.5, snapshot("SPY", at(3.5), 660.0, 0, volatility=0.9)))
    assert (wild[0], wild[-1]) == (628.0, 692.0)


def test_a_strike_with_an_open_line_is_told_however_far_it_is() -> None:
    """What is held or being traded is valued, and followed, after the market has gone."""
    held = told_today((3.5, LineOpened(contract=contract("SPY", 0, 690.0, True))))
    assert held[-2:] == (678.0, 690.0)
