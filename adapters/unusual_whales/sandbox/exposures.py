"""Dealer exposures of the simulated chain, as the vendor would compute them.

Gamma in dollars of delta per 1 % move: sign x gamma x contracts x 100 x S^2 x 0.01, calls positive
and puts negative (the vendor's documented convention). Directed gamma takes bid less ask volume
for both rights. Delta in dollars, vanna in dollars of delta per vol point, charm in dollars of
delta a year: the vendor's own units of these three are not settled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.market_model.options import OptionMarket
from adapters.market_model.pricing import smile
from adapters.unusual_whales.sandbox.wire import Row, decimal, short

Floats = NDArray[np.float64]
GREEKS = ("gamma", "delta", "charm", "vanna")


@dataclass(frozen=True, slots=True)
class Exposures:
    """Exposures by contract: `unit` is that of one contract in dollars, with the dealer's sign."""

    spot: float
    strikes: Floats
    unit: dict[str, Floats]
    weights: dict[str, Floats]
    """Contracts by kind: oi, vol, ask, bid."""
    call: NDArray[np.bool_]
    strike: Floats

    def of(self, mask: NDArray[np.bool_]) -> Exposures:
        """The same of some contracts only, such as those of one expiry."""
        return Exposures(
            spot=self.spot,
            strikes=np.unique(self.strike[mask]),
            unit={greek: values[mask] for greek, values in self.unit.items()},
            weights={kind: values[mask] for kind, values in self.weights.items()},
            call=self.call[mask],
            strike=self.strike[mask],
        )

    def total(self, greek: str, kind: str) -> float:
        """Sum over the chain by open interest or volume; dir is bid less ask, unsigned gamma."""
        if kind == "dir":
            unsigned = np.where(self.call, 1.0, -1.0) * self.unit[greek]
            return float((unsigned * (self.weights["bid"] - self.weights["ask"])).sum())
        return float((self.unit[greek] * self.weights[kind]).sum())

    def by_strike(self, greek: str, kind: str, calls: bool) -> Floats:
        """Sums by strike of one right; the ask side is what dealers sold, the bid side bought."""
        side = self.call if calls else ~self.call
        unit = self.unit[greek]
        if kind == "ask":
            unit = -np.abs(unit) if greek == "gamma" else -unit
        elif kind == "bid" and greek == "gamma":
            unit = np.abs(unit)
        values = np.where(side, unit * self.weights[kind], 0.0)
        result = np.zeros(len(self.strikes))
        np.add.at(result, np.searchsorted(self.strikes, self.strike), values)
        return result


def exposures(options: OptionMarket, seconds_since_open: float) -> Exposures:
    """Exposures of a symbol now."""
    now = options.snapshot(seconds_since_open)
    chain, tape, spot = options.chain, options.tape, now.spot
    sign = np.where(chain.call, 1.0, -1.0)
    priced = now.priced
    return Exposures(
        spot=spot,
        strikes=np.unique(chain.strike),
        unit={
            "gamma": sign * priced.gamma * 100 * spot**2 * 0.01,
            "delta": priced.delta * 100 * spot,
            "charm": sign * priced.charm * 100 * spot,
            "vanna": sign * priced.vanna * 0.01 * 100 * spot,
        },
        weights={
            "oi": options.open_interest.astype(np.float64),
            "vol": (tape.at_ask + tape.at_bid + tape.between).astype(np.float64),
            "ask": tape.at_ask.astype(np.float64),
            "bid": tape.at_bid.astype(np.float64),
        },
        call=chain.call,
        strike=chain.strike,
    )


def move_fields(found: Exposures) -> Row:
    """The exposure fields of channel gex: 11 decimals; there is no directed delta."""
    row: Row = {}
    for kind in ("oi", "vol", "dir"):
        for greek in GREEKS:
            if (greek, kind) != ("delta", "dir"):
                row[f"{greek}_per_one_percent_move_{kind}"] = decimal(found.total(greek, kind), 4)
    return row


def strike_fields(found: Exposures, split_suffix: str, with_split_delta: bool) -> list[Row]:
    """Board rows by ascending strike. The socket names the split call_gamma_ask_vol and has no
    split delta; REST names it call_gamma_ask and has one."""
    columns: dict[str, Floats] = {}
    for right, calls in (("call", True), ("put", False)):
        for greek in GREEKS:
            for kind in ("oi", "vol"):
                columns[f"{right}_{greek}_{kind}"] = found.by_strike(greek, kind, calls)
            if greek != "delta" or with_split_delta:
                for kind in ("ask", "bid"):
                    name = f"{right}_{greek}_{kind}{split_suffix}"
                    columns[name] = found.by_strike(greek, kind, calls)
    rows: list[Row] = []
    for index, strike in enumerate(found.strikes):
        row: Row = {"strike": short(float(strike)), "price": decimal(found.spot)}
        row |= {name: decimal(float(values[index])) for name, values in columns.items()}
        rows.append(row)
    return rows


def gamma_flip(options: OptionMarket, seconds_since_open: float) -> float | None:
    """Zero of the gamma profile nearest the price, on a grid of 0.25 % within 10 % [PERF22]."""
    chain, surface = options.chain, options.surface
    now = options.snapshot(seconds_since_open)
    variance = surface.variance(seconds_since_open)[chain.expiry_index]
    z = now.priced.moneyness
    scenario = options.scenario
    root = np.sqrt(variance) * smile(z, scenario.skew, scenario.curvature)
    live = surface.years(seconds_since_open)[chain.expiry_index] > 0
    grid = now.spot * (0.90 + 0.0025 * np.arange(81))
    x = np.log(grid[:, None] / chain.strike[None, :])
    d1 = x / root + root / 2
    gamma = np.exp(-d1 * d1 / 2) / (grid[:, None] * root)
    sign = np.where(chain.call, 1.0, -1.0) * live
    profile = (gamma * sign * options.open_interest).sum(axis=1) * grid**2
    turns = np.nonzero(np.sign(profile[:-1]) * np.sign(profile[1:]) < 0)[0]
    if len(turns) == 0:
        return None
    low, high = profile[turns], profile[turns + 1]
    roots = grid[turns] + (grid[turns + 1] - grid[turns]) * low / (low - high)
    return float(roots[np.argmin(np.abs(roots - now.spot))])


def walls(found: Exposures) -> tuple[float, float]:
    """Strikes of the largest call and the most negative put gamma within 10 % of the price."""
    near = np.abs(found.strikes / found.spot - 1) <= 0.10
    calls = np.where(near, found.by_strike("gamma", "oi", calls=True), -np.inf)
    puts = np.where(near, found.by_strike("gamma", "oi", calls=False), np.inf)
    return float(found.strikes[np.argmax(calls)]), float(found.strikes[np.argmin(puts)])
