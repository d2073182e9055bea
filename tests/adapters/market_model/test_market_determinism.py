"""The same seed tells the same story, however the clock moves."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from adapters.market_model.contract import (
    BarClosed,
    MarketUpdate,
    OptionTraded,
    UnderlyingQuoted,
)
from adapters.market_model.scenario import DEFAULT_SEED
from adapters.market_model.seeded import SeededMarket
from tests.adapters.market_model.conftest import MakeMarket

START = timedelta(minutes=-1)
END = timedelta(minutes=4)


def played(market: SeededMarket, step_seconds: float) -> list[MarketUpdate]:
    market.advance(market.open_at + START)
    updates: list[MarketUpdate] = []
    at = market.open_at + START
    while at < market.open_at + END:
        at = min(at + timedelta(seconds=step_seconds), market.open_at + END)
        updates += market.advance(at)
    return updates


def test_updates_do_not_depend_on_the_steps(make_market: MakeMarket) -> None:
    in_one_go = played(make_market(), 300)
    in_pieces = played(make_market(), 0.37)
    assert len(in_one_go) > 5_000
    assert in_pieces == in_one_go


def test_another_seed_is_another_day(make_market: MakeMarket) -> None:
    assert played(make_market(DEFAULT_SEED + 1), 300) != played(make_market(), 300)


def test_updates_come_in_time_order_and_inside_the_step(make_market: MakeMarket) -> None:
    market = make_market()
    before = market.open_at + timedelta(seconds=10)
    market.advance(before)
    until = before + timedelta(seconds=20)
    updates = market.advance(until)
    times = [update.at for update in updates]
    assert times == sorted(times)
    assert all(before < at <= until for at in times)


def test_thinning_leaves_out_objects_and_changes_no_total(make_market: MakeMarket) -> None:
    full, thin = make_market(), make_market()
    until = full.open_at + timedelta(minutes=3, seconds=17)
    all_updates, few_updates = full.advance(until), thin.advance(until, thin=True)
    assert not any(isinstance(update, OptionTraded) for update in few_updates)
    assert [u for u in few_updates if isinstance(u, BarClosed)] == [
        u for u in all_updates if isinstance(u, BarClosed)
    ]
    quoted = [u for u in few_updates if isinstance(u, UnderlyingQuoted) and u.symbol == "SPY"]
    assert len(quoted) == 19
    for symbol in full.symbols:
        assert thin.net_premium(symbol) == full.net_premium(symbol)
        for contract in full.contracts(symbol):
            assert thin.option_volume(contract.con_id) == full.option_volume(contract.con_id)
            assert thin.quote(contract.con_id) == full.quote(contract.con_id)


def test_time_never_goes_back(make_market: MakeMarket) -> None:
    market = make_market()
    market.advance(market.open_at)
    assert market.advance(market.open_at - timedelta(minutes=5)) == []
    assert market.now() == market.open_at


def test_trades_add_up_to_the_contracts_volumes(make_market: MakeMarket) -> None:
    market = make_market()
    updates = market.advance(market.open_at + timedelta(minutes=2))
    trades = [update for update in updates if isinstance(update, OptionTraded)]
    last = {trade.contract.con_id: trade for trade in trades}
    for con_id, trade in last.items():
        total, at_ask, at_bid, between, multi_leg = trade.volumes
        assert market.option_volume(con_id) == (total, at_ask, at_bid, between)
        assert total == at_ask + at_bid + between >= multi_leg
        assert total == sum(t.size for t in trades if t.contract.con_id == con_id)


def test_six_hundred_seconds_cost_little(make_market: MakeMarket) -> None:
    market = make_market()
    market.advance(market.open_at)
    costs = []
    for _ in range(3):
        began = time.process_time()
        market.advance(market.now() + timedelta(seconds=600), thin=True)
        costs.append(time.process_time() - began)
    assert min(costs) < 0.2


@pytest.mark.parametrize("seed", [1, 2, 7])
def test_a_plan_of_another_day_is_refused(make_market: MakeMarket, seed: int) -> None:
    market = make_market(seed)
    with pytest.raises(ValueError, match="plan must be of"):
        SeededMarket(seed, market.session_date + timedelta(days=1), market.plan)
