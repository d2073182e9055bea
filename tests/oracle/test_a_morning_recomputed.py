"""Bars, quotes and option flow of a morning recomputed by code that shares nothing with the stage.

The formulas are written out again, slowly, as the quantitative rules have them; forty bars are
missing in between.
"""

from __future__ import annotations

import json
import math
import statistics
from collections import defaultdict
from datetime import timedelta
from itertools import pairwise
from typing import Any

from domain.events.feeds import IbBarReceived
from tests.domain.analytics.build import OPEN
from tests.oracle.morning import ENDS, MISSING, bars, events_of, history, moment, morning, same


def decayed(mean: float | None, values: list[float], half_life: float, dt: float) -> float | None:
    for value in values:
        alpha = 1 - 2 ** (-dt / half_life)
        mean = value if mean is None else mean + alpha * (value - mean)
    return mean


def closed_minutes(ended: int) -> dict[int, tuple[float, float, float]]:
    """High, low and close by minute."""
    rows: dict[int, list[IbBarReceived]] = defaultdict(list)
    for index, body in sorted(bars().items()):
        if index < ended // 12 * 12:
            rows[index // 12].append(body)
    return {
        minute: (max(b.high for b in row), min(b.low for b in row), row[-1].close)
        for minute, row in rows.items()
    }


def test_every_bar_that_came_was_told_of() -> None:
    assert sorted(morning()[1]) == ENDS == [index + 1 for index in sorted(bars())]


def test_vwap_and_its_deviation_are_sums_over_the_bars() -> None:
    for ended in ENDS:
        past = [bars()[i] for i in sorted(bars()) if i < ended]
        volume = math.fsum(b.volume for b in past)
        vwap = math.fsum(b.wap * b.volume for b in past) / volume
        sigma = math.sqrt(math.fsum(b.volume * (b.wap - vwap) ** 2 for b in past) / volume)
        same("vwap", ended, vwap)
        same("vwap_sigma", ended, sigma)
        same("vwap_dev", ended, (past[-1].close - vwap) / sigma if sigma else None)


def test_what_is_made_of_minutes_reaches_over_no_gap() -> None:
    for ended in (e for e in ENDS if e >= 31 * 12):
        rows = closed_minutes(ended)
        pairs = [(rows[m - 1][2], rows[m]) for m in sorted(rows) if m - 1 in rows]
        squares = [math.log(row[2] / before) ** 2 for before, row in pairs]
        mean = decayed(None, squares, 1_800.0, 60.0)
        if len(squares) >= 30:
            same("sigma_1m", ended, math.sqrt(mean or 0.0))
        ranges = [max(h - lo, abs(h - c), abs(lo - c)) for c, (h, lo, _) in pairs[-14:]]
        same("atr_1m", ended, math.fsum(ranges) / 14)
        first = [b for i, b in bars().items() if i < 360]
        high, low = max(b.high for b in first), min(b.low for b in first)
        same("or_high", ended, high)
        same("or_low", ended, low)


def test_the_noise_area_is_the_mean_move_of_14_sessions() -> None:
    sessions = [rows for _, rows in sorted(history("ib.bars.1min").items())][-14:]
    close_before = history("ib.bars.1day").popitem()[1][-1][4]
    opened = bars()[0].open
    for ended in (e for e in ENDS if e >= 12 and e // 12 - 1 in closed_minutes(e)):
        minute = ended // 12 - 1
        move = statistics.fmean(abs(rows[minute][4] / rows[0][1] - 1) for rows in sessions)
        upper, lower = (
            max(opened, close_before) * (1 + move),
            min(opened, close_before) * (1 - move),
        )
        same("noise_upper", ended, upper)
        same("noise_lower", ended, lower)
        close = closed_minutes(ended)[minute][2]
        same("noise_x", ended, 2 * (close - (upper + lower) / 2) / (upper - lower))


def subsampled(closes: list[float]) -> tuple[float, int]:
    """Mean over 60 grids, each scaled to the run, and the seconds' steps that it stands for."""
    sums = []
    for shift in range(60):
        grid = closes[shift::60]
        returns = [math.log(b / a) ** 2 for a, b in pairwise(grid)]
        if returns:
            sums.append(math.fsum(returns) * (len(closes) - 1) / 60 / len(returns))
    return (statistics.fmean(sums), len(closes) - 1) if sums else (0.0, 0)


def test_variance_is_scaled_over_the_gap_and_sets_what_is_left_of_the_day() -> None:
    days = [rows for _, rows in sorted(history("ib.bars.5mins").items())][-22:]
    past = []
    for rows in days:
        prices = [rows[0][1], *(row[4] for row in rows)]
        past.append(math.fsum(math.log(b / a) ** 2 for a, b in pairwise(prices)))
    means = (past[-1], statistics.fmean(past[-5:]), statistics.fmean(past))
    logs = math.fsum(b * math.log(m) for b, m in zip((0.5379, 0.2274, 0.1287), means, strict=True))
    hat = math.exp(-1.1883 + logs + 0.5993**2 / 2)
    for ended in (e for e in ENDS if e >= 360):
        minutes = ended // 12
        before = [bars()[i].close for i in range(MISSING.start)]
        after = [bars()[i].close for i in range(MISSING.stop, minutes * 12)]
        parts = [subsampled(run_) for run_ in (before, after)]
        total, steps = (math.fsum(column) for column in zip(*parts, strict=True))
        realised = total * (minutes * 12 - 1) / steps
        same("rv_today", ended, realised)
        same("rv_hat_day", ended, hat)
        done = {m: 0.154 + 0.185 * (m - 30) / 60 for m in (minutes, ended / 12)}
        pace = max(0.25, min(4.0, realised / (hat * done[minutes])))
        same("v_rem", ended, hat * (1 - done[ended / 12]) * pace**0.6)


def test_order_flow_is_that_of_successive_quotes_over_their_mean_depth() -> None:
    windows: dict[int, list[tuple[float, float]]] = defaultdict(list)
    before: tuple[float, float, float, float] | None = None
    for event in events_of("IbTicksReceived"):
        body: Any = event.body
        if body.expiry:
            continue
        (_, bid, bid_size), (_, ask, ask_size) = body.ticks
        now = (bid, bid_size * 100, ask, ask_size * 100)
        change = 0.0
        if before is not None:
            change += now[1] * (now[0] >= before[0]) - before[1] * (now[0] <= before[0])
            change += before[3] * (now[2] >= before[2]) - now[3] * (now[2] <= before[2])
        before = now
        window = int((event.market_time - OPEN).total_seconds() // 10)
        windows[window].append((change, (now[1] + now[3]) / 2))
    norms, in_force = [], None
    for window in sorted(windows):
        depths = [*([in_force] if in_force else []), *(d for _, d in windows[window])]
        norms.append(math.fsum(c for c, _ in windows[window]) / statistics.fmean(depths))
        in_force = windows[window][-1][1]
    alpha, mean, variance = 1 - 2 ** (-10 / 300), norms[0], 0.0
    scores = [0.0]
    for value in norms[1:]:
        variance = (1 - alpha) * (variance + alpha * (value - mean) ** 2)
        mean += alpha * (value - mean)
        error = math.sqrt(variance * alpha / (2 - alpha))
        scores.append(max(-4.0, min(4.0, mean / error)))
    for ended in (e for e in ENDS if e >= 2):
        same("ofi_norm", ended, norms[ended // 2 - 1])
        if ended >= 300:
            same("ofi_5m_z", ended, scores[ended // 2 - 1])


def test_option_flow_counts_what_came_while_bars_were_missing() -> None:
    trades = []
    for event in events_of("UwOptionTradeReceived"):
        row = json.loads(bytes(event.body.payload))  # type: ignore[union-attr]
        side = {"ask_side": 1, "bid_side": -1}.get(row["tags"][0], 0)
        delta = side * float(row["delta"]) * row["size"] * 100 * float(row["underlying_price"])
        amount = side * float(row["premium"])
        trades.append((event.market_time, row["option_type"], amount, delta))
    closes = {row[0]: row[4] for row in history("ib.bars.1day").popitem()[1]}
    past = []
    for day, rows in sorted(history("uw.net-prem-ticks").items()):
        for row in rows["data"]:
            past += [float(row["net_delta"]) * closes[str(day)] / 12] * 12
    slow = decayed(None, past, 1_800.0, 5.0)
    per_bar: list[float] = []
    for ended in ENDS:
        begin, now = moment(len(per_bar)), moment(ended)
        new, passed = [t for t in trades if begin < t[0] <= now], ended - len(per_bar)
        per_bar += [math.fsum(t[3] for t in new) / passed] * passed
        same("delta_flow", ended, decayed(slow, per_bar, 1_800.0, 5.0))
        heard = [t for t in trades if now - timedelta(minutes=30) < t[0] <= now and t[2]]
        net = math.fsum(t[2] if t[1] == "call" else -t[2] for t in heard)
        size = math.fsum(abs(t[2]) for t in heard)
        same("fi_n", ended, float(len(heard)))
        fi = net / size if len(heard) >= 50 else None
        same("fi_s", ended, None if fi is None else fi * min(1.0, len(heard) / 200))
