"""A recorded day keeps the recording's prices, volumes and averages exactly."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from adapters.market_model.contract import BarClosed, UnderlyingQuoted
from adapters.market_model.lean import RecordingMissing, recorded_days
from adapters.market_model.recorded import RecordedMarket
from adapters.market_model.session_plan import xnys_plan
from tests.samples import folder, needs_samples, session_seconds

DAY = date(2013, 10, 8)


@pytest.fixture(scope="module")
def recorded() -> RecordedMarket:
    return RecordedMarket(folder(), DAY, xnys_plan(DAY), seed=5)


@needs_samples
def test_five_second_bars_have_the_files_prices_volumes_and_averages(
    recorded: RecordedMarket,
) -> None:
    updates = recorded.advance(recorded.close_at, thin=True)
    bars = [
        u.bar
        for u in updates
        if isinstance(u, BarClosed) and u.bar.symbol == "SPY" and u.bar.start >= recorded.open_at
    ]
    assert len(bars) == 23_400 // 5
    seconds = session_seconds("SPY", DAY)
    notional, shares = 0.0, 0
    for bar in bars:
        first = int((bar.start - recorded.open_at).total_seconds())
        rows = [seconds[s] for s in range(first, first + 5) if s in seconds]
        if not rows:
            assert bar.volume == 0 and bar.open == bar.high == bar.low == bar.close
            continue
        assert bar.open == rows[0][0] / 10_000
        assert bar.high == max(row[1] for row in rows) / 10_000
        assert bar.low == min(row[2] for row in rows) / 10_000
        assert bar.close == rows[-1][3] / 10_000
        assert bar.volume == sum(row[4] for row in rows)
        notional += bar.wap * bar.volume
        shares += bar.volume
    expected = sum(row[3] * row[4] for row in seconds.values()) / 10_000
    assert shares == sum(row[4] for row in seconds.values())
    assert notional / shares == pytest.approx(expected / shares, rel=1e-12)


@needs_samples
def test_quotes_are_the_files_and_followers_move_along(recorded: RecordedMarket) -> None:
    fresh = RecordedMarket(folder(), DAY, xnys_plan(DAY), seed=5)
    fresh.advance(fresh.open_at + timedelta(minutes=5))
    updates = fresh.advance(fresh.open_at + timedelta(minutes=6))
    quotes = [u for u in updates if isinstance(u, UnderlyingQuoted) and u.symbol == "SPY"]
    assert len(quotes) == 60
    assert all(0 < u.quote.bid <= u.quote.ask for u in quotes)
    fresh.advance(fresh.close_at, thin=True)
    moves = {
        symbol: fresh.last(symbol)[0] / fresh.bars(symbol, DAY, 60)[0].open - 1
        for symbol in fresh.symbols
    }
    assert moves["SPY"] < -0.01
    assert moves["QQQ"] < 0 and moves["IWM"] < 0


@needs_samples
def test_daily_history_is_the_files(recorded: RecordedMarket) -> None:
    session, opening, high, low, close, volume = recorded.daily_bars("SPY", 1)[0]
    assert (session, opening, high, low, close) == (
        date(2013, 10, 7), 167.43, 168.45, 167.25, 167.42,
    )  # fmt: skip
    assert volume == 81_489_219
    bars = recorded.bars("SPY", session, 300)
    assert (bars[0].open, bars[-1].close) == (opening, close)


def _named(folder: Path, *names: str) -> Path:
    """A folder that holds files of these names; what a look at its days reads."""
    place = folder / "equity/usa/second/spy"
    place.mkdir(parents=True)
    for name in names:
        (place / name).touch()
    return folder


def test_a_folder_without_the_day_is_refused_and_names_those_it_has(tmp_path: Path) -> None:
    other = _named(
        tmp_path,
        "20131009_trade.zip",
        "20131009_quote.zip",
        "20131010_trade.zip",
        "20131011_trade.zip",
        "20131011_quote.zip",
        "notes.txt",
    )
    assert recorded_days(other) == [date(2013, 10, 9), date(2013, 10, 11)]
    with pytest.raises(RecordingMissing, match=r"one of 2013-10-09, 2013-10-11 in .*2013-10-08"):
        RecordedMarket(other, DAY, xnys_plan(DAY), seed=5)


@pytest.mark.parametrize("names", [(), ("20131008_trade.zip",)])
def test_a_folder_without_any_day_is_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(RecordingMissing, match=r"YYYYMMDD_trade\.zip.* was no such day"):
        recorded_days(_named(tmp_path, *names))
    with pytest.raises(RecordingMissing, match="was no such folder"):
        recorded_days(tmp_path / "elsewhere")
