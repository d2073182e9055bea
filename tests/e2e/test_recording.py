"""A recorded real session through the whole market side of the desk, under virtual time.

The folder is outside the project: `make test SAMPLES=folder`, skipped by name without it. Every
bar of the day crosses the broker's wire. Options are thinned as in a fast stretch of the demo, but
for the minutes around the day's break-out, which run with every quote and trade.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.market_model.recorded import RecordedMarket
from adapters.market_model.session_plan import xnys_plan
from domain.events.analytics import MetricComputed
from domain.events.feeds import HistoryImported, IbBarReceived
from domain.events.signals import SignalRaised
from domain.instruments import SYMBOLS, Direction
from run.replay import verify_worker
from tests.e2e.virtual_desk import BEFORE_OPEN, PAGE, Day, Stretch, opened
from tests.samples import SESSION_SECONDS, Second, folder, lines, needs_samples, session_seconds

DAY = date(2013, 10, 8)
SEED = 5
BREAK_OUT_MINUTES = (78, 80)
"""SPY leaves its opening range downwards in the 79th minute and does not come back."""
THINNED_STEP = timedelta(seconds=60)
BARS = SESSION_SECONDS // 5

pytestmark = needs_samples


@dataclass
class Log:
    """What the run left on the log. `bars` are those of the regular session, in log order."""

    open_at: datetime
    close_at: datetime
    bars: dict[str, list[IbBarReceived]] = field(default_factory=lambda: {s: [] for s in SYMBOLS})
    bar_times: list[tuple[datetime, datetime]] = field(default_factory=list)
    """Start of a bar, and the market time of its event."""
    metrics: dict[str, MetricComputed] = field(default_factory=dict)
    """The newest of each symbol."""
    history: list[HistoryImported] = field(default_factory=list)
    signals: list[SignalRaised] = field(default_factory=list)
    market_times: list[datetime] = field(default_factory=list)

    async def read(self, store: Any) -> None:
        after = 0
        while page := await store.read(after, limit=PAGE):
            for event in page:
                self.market_times.append(event.market_time)
                self._take(event.body, event.market_time)
            after = page[-1].position

    def _take(self, body: object, market_time: datetime) -> None:
        match body:
            case IbBarReceived() if self.open_at <= body.start < self.close_at:
                self.bars[body.symbol].append(body)
                self.bar_times.append((body.start, market_time))
            case MetricComputed():
                self.metrics[body.symbol] = body
            case HistoryImported():
                self.history.append(body)
            case SignalRaised():
                self.signals.append(body)
            case _:
                pass


@pytest.fixture
async def day(store: Any, tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Day]:
    """The desk at the close of the recorded session."""
    market = RecordedMarket(folder(), DAY, xnys_plan(DAY), SEED)
    async with opened(store, market, tmp_path, database_url, redis_url) as made:
        first, last = (market.open_at + timedelta(minutes=m) for m in BREAK_OUT_MINUTES)
        await made.run(
            [
                Stretch(until=first, step=THINNED_STEP, thinned=True),
                Stretch(until=last, step=timedelta(seconds=1), thinned=False),
                Stretch(until=market.close_at, step=THINNED_STEP, thinned=True),
            ]
        )
        yield made


async def test_the_desk_runs_over_a_recorded_session(day: Day, store: Any) -> None:
    market = day.sandboxes.market
    log = Log(market.open_at, market.close_at)
    await log.read(store)
    seconds = session_seconds("SPY", DAY)
    every_bar_is_the_files(log, seconds)
    averages_are_the_files(log, seconds)
    followers_move_along(log)
    vwap_at_the_close_is_that_of_the_bars(log, seconds)
    history_ends_the_session_before(log)
    time_is_that_of_the_session(log)
    the_break_out_is_seen(log)
    for worker in day.workers:
        verified = await verify_worker(store, worker.name, day.settings)
        assert verified["differences"] == 0, verified["first"]
        assert verified["inputs"] > 3 * BARS


def expected_bars(seconds: dict[int, Second]) -> list[Second]:
    """The file's seconds, five at a time; a bar without a trade repeats the last close."""
    bars: list[Second] = []
    for first in range(0, SESSION_SECONDS, 5):
        rows = [seconds[s] for s in range(first, first + 5) if s in seconds]
        if rows:
            high, low = max(row[1] for row in rows), min(row[2] for row in rows)
            bars.append((rows[0][0], high, low, rows[-1][3], sum(row[4] for row in rows)))
        else:
            close = bars[-1][3]
            bars.append((close, close, close, close, 0))
    return bars


def every_bar_is_the_files(log: Log, seconds: dict[int, Second]) -> None:
    bars = log.bars["SPY"]
    assert [bar.start for bar in bars] == [
        log.open_at + timedelta(seconds=5 * k) for k in range(BARS)
    ]
    got = [(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars]
    assert got == [
        (opening / 10_000, high / 10_000, low / 10_000, close / 10_000, volume)
        for opening, high, low, close, volume in expected_bars(seconds)
    ]


def averages_are_the_files(log: Log, seconds: dict[int, Second]) -> None:
    """sum(close x volume) / sum(volume): by the bar, and by the second through the bars' wap."""
    bars = log.bars["SPY"]
    shares = sum(bar.volume for bar in bars)
    assert shares == sum(row[4] for row in seconds.values())
    by_bar = sum(row[3] * row[4] for row in expected_bars(seconds)) / 10_000
    assert sum(bar.close * bar.volume for bar in bars) / shares == pytest.approx(
        by_bar / shares, rel=1e-12
    )
    by_second = sum(row[3] * row[4] for row in seconds.values()) / 10_000
    assert sum(bar.wap * bar.volume for bar in bars) / shares == pytest.approx(
        by_second / shares, rel=1e-12
    )


def followers_move_along(log: Log) -> None:
    """QQQ and IWM have every bar too, and move by beta with noise of their own."""
    moves = {}
    for symbol, bars in log.bars.items():
        assert len(bars) == BARS, symbol
        moves[symbol] = np.diff(np.log([bar.close for bar in bars[::60]]))
    for symbol in ("QQQ", "IWM"):
        both = np.cov(moves[symbol], moves["SPY"])
        assert 0.8 < both[0, 1] / both[1, 1] < 1.45, symbol
        assert 0.7 < both[0, 1] / np.sqrt(both[0, 0] * both[1, 1]) < 0.995, symbol


def vwap_at_the_close_is_that_of_the_bars(log: Log, seconds: dict[int, Second]) -> None:
    expected = {
        symbol: sum(bar.wap * bar.volume for bar in bars) / sum(bar.volume for bar in bars)
        for symbol, bars in log.bars.items()
    }
    notional = sum(row[3] * row[4] for row in seconds.values()) / 10_000
    expected["SPY"] = notional / sum(row[4] for row in seconds.values())
    for symbol, metrics in log.metrics.items():
        assert metrics.evaluated_at == log.close_at
        (vwap,) = (metric for metric in metrics.metrics if metric.name == "vwap")
        assert vwap.as_of == log.close_at
        assert vwap.value == pytest.approx(expected[symbol], rel=1e-9), symbol


def history_ends_the_session_before(log: Log) -> None:
    before = date(2013, 10, 7)
    assert max(answer.session_date for answer in log.history) == before
    broker = [answer for answer in log.history if answer.vendor == "ib"]
    assert max(row[0][:10] for answer in broker for row in json.loads(answer.payload)) == str(
        before
    )
    for symbol in SYMBOLS:
        (daily,) = (a for a in broker if (a.symbol, a.request) == (symbol, "ib.bars.1day"))
        rows = json.loads(daily.payload)
        assert len(rows) == 260
        stamp, *columns = next(
            line.split(",")
            for line in lines(f"equity/usa/daily/{symbol.lower()}.zip")
            if line.startswith(f"{before:%Y%m%d}")
        )
        prices = [float(value) / 10_000 for value in columns[:4]]
        assert rows[-1][:6] == [str(before), *prices, int(float(columns[4]))], stamp


def time_is_that_of_the_session(log: Log) -> None:
    """Market time never falls, and a bar is on the log within the step that brought it."""
    assert log.market_times == sorted(log.market_times)
    assert log.market_times[0] == log.open_at - BEFORE_OPEN
    assert log.market_times[-1] == log.close_at
    for start, at in log.bar_times:
        assert timedelta(seconds=5) <= at - start < timedelta(seconds=5) + THINNED_STEP


def the_break_out_is_seen(log: Log) -> None:
    """The real fall of that morning, and nothing against it, raises candidates."""
    assert {signal.direction for signal in log.signals} == {Direction.BEARISH}
    assert "SPY" in {signal.symbol for signal in log.signals}
