"""A session that follows a played one looks back on what was traded then."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from adapters.market_model.paths import BETA
from adapters.market_model.scenario import DEFAULT_SEED, QUIET_DAY
from adapters.market_model.seeded import SeededMarket
from adapters.market_model.session_plan import xnys_plan

GAP_PERCENT = -1.5


@pytest.fixture(scope="module")
def following(whole_day: SeededMarket) -> SeededMarket:
    day = whole_day.plan.later[0].session_date
    scenario = replace(QUIET_DAY, overnight_percent=GAP_PERCENT)
    return SeededMarket(DEFAULT_SEED + 1, day, xnys_plan(day), scenario, before=whole_day)


def test_it_opens_a_gap_away_from_the_close(
    whole_day: SeededMarket, following: SeededMarket
) -> None:
    for symbol in whole_day.symbols:
        close = whole_day.bars(symbol, whole_day.session_date, 300)[-1].close
        gap = math.log(following.spot(symbol) / close)
        assert gap == pytest.approx(GAP_PERCENT / 100 * BETA[symbol], abs=1e-4)


def test_its_history_is_what_was_published(
    whole_day: SeededMarket, following: SeededMarket
) -> None:
    """Daily bar, bars of five minutes, tide and net premium of the day that was played, and of the
    days before it."""
    played, earlier = whole_day.session_date, whole_day.plan.earlier[-1].session_date
    for symbol in whole_day.symbols:
        traded = whole_day.bars(symbol, played, 300)
        daily = following.daily_bars(symbol, 2)
        assert daily[0] == whole_day.daily_bars(symbol, 1)[0]
        assert daily[1] == (
            played,
            traded[0].open,
            max(bar.high for bar in traded),
            min(bar.low for bar in traded),
            traded[-1].close,
            sum(bar.volume for bar in traded),
        )
        for day in (played, earlier):
            assert following.bars(symbol, day, 300) == whole_day.bars(symbol, day, 300)
        assert following.past_net_premium(symbol, played) == whole_day.net_premium(symbol)[:-1]
    assert following.past_tide(played, 60)[-1] == whole_day.tide()
    assert following.past_tide(earlier, 60) == whole_day.past_tide(earlier, 60)


def test_what_was_listed_stays_under_its_id_until_it_expires(
    whole_day: SeededMarket, following: SeededMarket
) -> None:
    before = {c.con_id: c for c in whole_day.contracts("SPY")}
    after = {c.con_id: c for c in following.contracts("SPY")}
    expired = {c.con_id for c in before.values() if c.expiry == whole_day.session_date}
    assert expired and not expired & after.keys()
    assert {con_id: before[con_id] for con_id in before.keys() - expired}.items() <= after.items()
