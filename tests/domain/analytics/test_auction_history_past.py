"""Closing imbalance of the basket, imported history, and what it says at the start of a day."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pytest

from domain.analytics.auction import (
    AuctionRun,
    AuctionTicks,
    Member,
    imbalance_of,
    impact_bps,
    score,
)
from domain.analytics.daily import DailyBar, average_daily_volume, beta_to, trend_of
from domain.analytics.history import History
from domain.analytics.past import past_of
from domain.analytics.realised import parkinson, session_variance
from domain.analytics.variance import har_forecast
from tests.domain.analytics.build import DAY, plan, session
from tests.domain.analytics.day_build import (
    daily_closes,
    earlier_days,
    history_events,
    imported,
    past_bars,
)


def member(symbol: str, signed: float | None, **changes: object) -> Member:
    fields: dict[str, object] = {
        "symbol": symbol,
        "signed": signed,
        "price": 100.0,
        "average_daily_volume": 1e6,
        "paired": 50_000.0,
        "indicative": 100.1,
        "fresh": True,
        "is_nasdaq": False,
    }
    return Member(**(fields | changes))  # type: ignore[arg-type]


def test_basket_imbalance_is_weighted_by_dollars() -> None:
    found = imbalance_of("SPY", None, [member("A", 3_000.0), member("B", -1_000.0, price=50.0)])
    assert found.q == pytest.approx((3_000 * 100 - 1_000 * 50) / (1e6 * 100 + 1e6 * 50))
    paired = 50_000 * 150
    assert found.paired_ratio == pytest.approx(paired / (paired + 3_000 * 100 + 1_000 * 50))


def test_qqq_takes_nasdaq_members_and_iwm_half_the_basket() -> None:
    members = [member("A", 3_000.0), member("B", -1_000.0, is_nasdaq=True)]
    assert imbalance_of("QQQ", None, members).q == pytest.approx(-0.001)
    own = member("IWM", 10_000.0)
    expected = (10_000 + 0.5 * 2_000) / (1e6 + 0.5 * 2e6)
    assert imbalance_of("IWM", own, members).q == pytest.approx(expected)


def test_stale_basket_gives_no_imbalance() -> None:
    members = [member("A", 3_000.0), member("B", 1.0, fresh=False)]
    found = imbalance_of("SPY", None, members)
    assert (found.q, found.reason) == (None, "NO_AUCTION_DATA")


def test_imbalance_is_the_share_of_the_fresh_members_volume() -> None:
    """3000 of 2,000,000 shares at one price; the third, silent member is in neither sum."""
    members = [member("A", 3_000.0), member("B", 0.0), member("C", 9_000.0, fresh=False)]
    assert imbalance_of("SPY", None, members).q == pytest.approx(0.0015)


def test_nasdaq_before_its_indicative_price_has_no_deviation() -> None:
    found = imbalance_of("SPY", None, [member("A", 3_000.0, indicative=0.0)])
    assert found.q is not None and found.ind_dev_bps is None
    with_price = imbalance_of("SPY", None, [member("A", 3_000.0)])
    assert with_price.ind_dev_bps == pytest.approx(10.0)


def test_unsigned_feed_takes_the_side_of_the_indicative_price() -> None:
    ticks = AuctionTicks()
    ticks.apply(36, -1.0, 5_000.0, 1.0)
    assert ticks.signed(100.0, is_signed=True) == 5_000.0
    assert ticks.signed(100.0, is_signed=False) is None
    ticks.apply(35, 99.5, 0.0, 2.0)
    assert ticks.signed(100.0, is_signed=False) == -5_000.0
    assert ticks.signed(0.0, is_signed=False) is None, "without a mid there is no side"


def test_impact_is_a_square_root_and_persistence_decays() -> None:
    assert impact_bps(-0.0004, 1e-4, 0.5) == pytest.approx(-1e4 * 0.5 * 0.01 * 0.02)
    assert score(0.002) == pytest.approx(0.5) and score(1.0) == 4.0
    run = AuctionRun()
    run.sample(0.001, 600.0, 5.0)
    assert run.persist == 1.0
    run.sample(-0.001, 601.0, 60.0)
    assert run.persist == pytest.approx(0.0)
    assert run.moved_bps(600.6) == pytest.approx(10.0)


def bars(closes: list[float]) -> list[DailyBar]:
    return [
        DailyBar(DAY - timedelta(days=len(closes) - k), c, c + 1, c - 1, c, 1e6 + k)
        for k, c in enumerate(closes)
    ]


def test_daily_measures_against_numpy() -> None:
    closes = daily_closes("SPY", 30)
    found = trend_of(bars(closes))
    assert found is not None
    assert found.sma20 == pytest.approx(float(np.mean(closes[-20:])))
    assert found.sd20 == pytest.approx(float(np.std(closes[-20:], ddof=1) / np.mean(closes[-20:])))
    returns = np.diff(np.log(closes[-21:]))
    assert found.sd5 == pytest.approx(math.sqrt(5) * float(np.std(returns, ddof=1)))
    assert found.close_5_sessions_ago == closes[-5]
    volumes = [bar.volume for bar in bars(closes)[-20:]]
    assert average_daily_volume(bars(closes)) == pytest.approx(float(np.mean(volumes)))
    assert trend_of(bars(closes[:20])) is None
    assert average_daily_volume(bars(closes[:19])) is None


def test_beta_of_a_scaled_series_is_the_scale() -> None:
    days = earlier_days(100)
    market = dict(zip(days, daily_closes("SPY", 100), strict=True))
    own = {day: close**1.25 for day, close in market.items()}
    found, sessions = beta_to(own, market, 1.1)
    assert (found, sessions) == (pytest.approx(1.25, rel=1e-9), 99)
    tripled = {day: close**3 for day, close in market.items()}
    assert beta_to(tripled, market, 1.1)[0] == 1.6


def test_beta_is_the_default_until_sixty_sessions() -> None:
    days = earlier_days(60)
    market = dict(zip(days, daily_closes("SPY", 60), strict=True))
    assert beta_to(market, market, 1.1) == (1.1, 59)


def full_history() -> History:
    history = History()
    for event in history_events():
        history.take(event)
    return history


def test_past_is_read_from_history() -> None:
    history = full_history()
    past = past_of(history, session(), "QQQ", 1.4, 1.1)
    days = [d.session_date for d in plan().earlier][-22:]
    variances = []
    for day in days:
        rows = past_bars("QQQ", day, 5)
        value = session_variance([tuple(row[1:5]) for row in rows])  # type: ignore[misc]
        assert value is not None
        variances.append(value)
    assert history.unreadable == 0
    assert past.previous_close == daily_closes("QQQ")[-1]
    assert past.forecast == har_forecast(variances, 1.4)
    assert not past.forecast_from_ranges and not past.is_old
    assert past.iv_rank == 42.5 and past.adv20 == 60_000_000.0
    assert past.moves is not None and len(past.moves) == 390
    assert 0.8 <= past.beta <= 1.6 and past.beta_is_warm
    assert past.dividends[0].amount == 1.8 and past.ex_dividend == 0.0


def test_noise_moves_are_the_mean_of_the_last_fourteen_sessions() -> None:
    past = past_of(full_history(), session(), "SPY", 1.0, 1.0)
    days = [d.session_date for d in plan().earlier][-14:]
    moves = []
    for day in days:
        rows = past_bars("SPY", day, 1)
        first, close = float(str(rows[0][1])), float(str(rows[29][4]))
        moves.append(abs(close / first - 1))
    assert past.moves is not None
    assert past.moves[29] == pytest.approx(float(np.mean(moves)))


def test_session_itself_and_later_are_refused() -> None:
    history = full_history()
    before = past_of(history, session(), "SPY", 1.0, 1.0)
    later = [[str(DAY), 1.0, 2.0, 0.5, 1.0, 9e9, 1.0, 1]]
    history.take(imported("ib", "ib.bars.1day", "SPY", DAY, later))
    history.take(imported("ib", "ib.bars.1min", "SPY", DAY, past_bars("SPY", DAY, 1)))
    history.take(imported("ib", "ib.bars.5mins", "SPY", DAY, past_bars("SPY", DAY, 5)))
    history.take(imported("ib", "dividends", "SPY", DAY, [[str(DAY), 5.0, False]]))
    rank = [{"date": str(DAY), "close": "1", "volatility": "1", "iv_rank_1y": "99"}]
    history.take(imported("uw", "uw.iv-rank", "SPY", DAY, {"data": rank}))
    assert past_of(history, session(), "SPY", 1.0, 1.0) == before


def test_missing_five_minute_bars_fall_back_on_the_range() -> None:
    history = full_history()
    gone = plan().earlier[-3].session_date
    del history.variances["SPY"][gone]
    past = past_of(history, session(), "SPY", 1.0, 1.0)
    assert past.forecast is not None and past.forecast_from_ranges
    bar = history.daily["SPY"][gone]
    assert parkinson(bar.high, bar.low) == pytest.approx(
        math.log(1.006 / 0.994) ** 2 / (4 * math.log(2)), rel=1e-9
    )


def test_without_history_everything_is_missing_and_beta_is_the_default() -> None:
    past = past_of(History(), session(), "IWM", 1.6, 1.1)
    assert (past.previous_close, past.adv20, past.forecast, past.moves) == (None,) * 4
    assert past.beta == 1.1 and not past.beta_is_warm


def test_old_daily_bars_are_said_to_be_old() -> None:
    history = History()
    closes = daily_closes("SPY", 30)
    days = earlier_days(40)[:30]
    rows = [[str(d), c, c, c, c, 1.0, c, 1] for d, c in zip(days, closes, strict=True)]
    history.take(imported("ib", "ib.bars.1day", "SPY", days[-1], rows))
    assert past_of(history, session(), "SPY", 1.0, 1.0).is_old


@pytest.mark.parametrize(
    ("request_name", "payload"),
    [
        ("ib.bars.1day", "not json"),
        ("ib.bars.5mins", '[["never"]]'),
        ("uw.market-tide", '{"data":[{"timestamp":"x"}]}'),
        ("uw.option-contracts", '{"rows":1}'),
        ("dividends", "[[1, 2, 3]]"),
        ("dividends", '[["2026-12-18", 51.0, false]]'),
        ("uw.dividends", '{"data":{"dividends":[{"ex_date":"soon","amount":1.7}]}}'),
    ],
)
def test_unreadable_answer_is_counted_and_changes_nothing(request_name, payload) -> None:
    history = History()
    history.take(imported("x", request_name, "SPY", date(2026, 10, 5), payload))
    assert history.unreadable == 1
    assert not history.daily.get("SPY") and not history.tide and not history.dividends.get("SPY")


def test_unknown_request_is_left_alone() -> None:
    history = History()
    history.take(imported("x", "ib.bars.1hour", "SPY", date(2026, 10, 5), "[]"))
    assert (history.version, history.unreadable) == (1, 0)


@pytest.mark.parametrize(("kept", "from_ranges"), [(63, False), (62, True)])
def test_a_session_with_less_than_80_percent_of_its_bars_falls_back_on_the_range(
    kept: int, from_ranges: bool
) -> None:
    """80 % of 78 bars are 62.4; what a part of the day has moved is not the day's variance."""
    history, day = full_history(), plan().earlier[-3].session_date
    rows = past_bars("SPY", day, 5)
    assert len(rows) == 78
    history.take(imported("ib", "ib.bars.5mins", "SPY", day, rows[:kept]))
    past = past_of(history, session(), "SPY", 1.0, 1.0)
    assert past.forecast is not None and past.forecast_from_ranges is from_ranges
