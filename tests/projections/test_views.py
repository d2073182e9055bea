"""What the views say: hot state and audit rows of known events."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from random import Random
from typing import Any

import asyncpg
import msgspec
import orjson
import pytest
from redis.asyncio import Redis

from domain.analytics.depth_book import DepthBook
from domain.event import Body, event_type
from domain.events.analytics import Metric, MetricComputed, Quality
from domain.events.controls import TradingState, TradingStateChanged
from domain.events.feeds import IbDepthReceived, IbTicksReceived
from domain.events.orders import (
    FillRecorded,
    IntentLapsed,
    OrderChanged,
    OrderIntended,
    OrderState,
    Purpose,
    WhatIfAnswered,
)
from domain.events.positions import (
    ExitPlanChanged,
    ExitReason,
    PositionChanged,
    PositionClosed,
    PositionMarked,
    PositionOpened,
    PositionReopened,
)
from domain.events.publication import DeliveryAttempted, DeliveryConfirmed, DeliveryScheduled
from domain.events.rolls import PositionRolled
from domain.events.signals import SignalRaised, SignalValidated
from domain.events.system import ParametersChanged
from domain.instruments import Side, Strategy
from projections import audit, feed, hot, streams
from projections.postgres_target import PostgresTarget
from projections.projector import Projector
from projections.redis_target import RedisTarget
from run import projector as daemon
from store.postgres import PostgresStore
from tests.projections.story import numbered, one_of_each, with_fields
from tests.store.propose import AT


async def _hot(store: PostgresStore, redis: Redis, *bodies: Body) -> Any:
    """Project bodies; returns a function that reads a hash."""
    await store.append(numbered(bodies))
    await Projector(store, hot.PROJECTION, RedisTarget(redis, hot.PREFIX)).rebuild()

    async def read(key: str) -> Any:
        return await redis.hgetall(f"striketape:hot:{key}")

    return read


async def _audit(store: PostgresStore, database_url: str, query: str, *bodies: Body) -> Any:
    """Project bodies; returns the rows of a query."""
    await store.append(numbered(bodies))
    target = PostgresTarget(database_url)
    await Projector(store, audit.PROJECTION, target).rebuild()
    await target.close()
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch(query)
    await connection.close()
    return [dict(row) for row in rows]


def _depths(symbol: str, seed: int, packets: int) -> list[IbDepthReceived]:
    """Packets of one instrument over two connections, some of them of levels that are not there."""
    random, found = Random(seed), []
    for number in range(packets):
        ticks = [
            (random.randrange(12), random.choice(("ARCA", "")), random.randrange(3), side, 6.5, 1.0)
            for side in (random.randrange(2) for _ in range(random.randrange(1, 8)))
        ]
        ticks = [
            (*tick[:4], round(random.uniform(1, 999), 2), random.randrange(900)) for tick in ticks
        ]
        if random.random() < 0.1:  # as the feed tells of a reset
            ticks += [(0, "", 2, side, 0.0, 0.0) for side in (0, 1) for _ in range(30)]
        connection = "run/1" if number < packets // 2 else "run/2"
        found.append(IbDepthReceived(42, symbol, connection, AT, ticks))
    return found


async def test_hot_books_are_those_that_the_domain_builds(
    store: PostgresStore, redis: Redis
) -> None:
    """Inserts and deletes shift levels in both; a change of a missing level damages both."""
    tapes = {f"S{seed}": _depths(f"S{seed}", seed, 20 + 10 * seed) for seed in range(6)}
    read = await _hot(store, redis, *(body for tape in tapes.values() for body in tape))
    for symbol, tape in tapes.items():
        shown, book = await read(f"book:{symbol}"), DepthBook()
        for body in tape[len(tape) // 2 :]:
            book.apply(body.ticks, 0.0)
        for name, levels in (("bids", book.bids), ("asks", book.asks)):
            assert orjson.loads(shown[name]) == [[x.price, x.size, x.maker] for x in levels]
        damage = book.damage.partition(" for ")[0]  # doubts that last are the reader's to find
        assert shown["damage"] == damage and shown["connection"] == "run/2"


def _ticks(*ticks: tuple[int, float, float], expiry: str = "") -> IbTicksReceived:
    return IbTicksReceived(
        con_id=42,
        symbol="SPY",
        expiry=expiry,
        strike=670.0,
        right="C" if expiry else "",
        connection="1",
        received_at=AT,
        market_data_type=1,
        ticks=list(ticks),
        computations=[(13, 0.14, 0.5, 2.4, 0.0, 0.05, 0.1, -1.9, 670.1)],
    )


async def test_a_quote_holds_the_newest_value_of_each_side(
    store: PostgresStore, redis: Redis
) -> None:
    read = await _hot(
        store,
        redis,
        _ticks((1, 670.1, 3.0), (2, 670.3, 5.0), (0, 670.1, 9.0)),
        _ticks((2, -1.0, 0.0)),
        _ticks((1, 2.4, 1.0), expiry="2026-10-06"),
    )
    quote = await read("quote:SPY")
    assert (quote["bid"], quote["bid_size"]) == ("670.1", "9.0")
    assert (quote["ask"], quote["position"]) == ("", "2")
    option = await read("quote:42")
    assert (option["bid"], option["delta"], option["expiry"]) == ("2.4", "0.5", "2026-10-06")


async def test_metrics_are_found_by_name(store: PostgresStore, redis: Redis) -> None:
    metric = Metric("vwap", 670.5, "USD", AT, Quality.OK)
    missing = Metric("tick", None, "", AT, Quality.MISSING, "no feed")
    body = MetricComputed(
        symbol="SPY", evaluated_at=AT, params_version=3, metrics=[metric, missing]
    )
    read = await _hot(store, redis, body)
    found = await read("metrics:SPY")
    assert orjson.loads(found["vwap"])["value"] == 670.5
    assert orjson.loads(found["tick"])["reason"] == "no feed"


async def test_a_signal_is_explained_and_a_trade_is_followed(
    store: PostgresStore, redis: Redis
) -> None:
    raised = with_fields(SignalRaised, signal_id="s")
    validated = with_fields(SignalValidated, signal_id="s")
    opened = with_fields(PositionOpened, position_id="p", signal_id="s")
    mark = with_fields(PositionMarked, position_id="p", unrealised_pnl="12.50")
    closed = with_fields(
        PositionClosed,
        position_id="p",
        strategy=Strategy.ZERO_DTE,
        realised_pnl=Decimal("-37.25"),
    )
    read = await _hot(store, redis, raised, validated, opened, mark, closed)
    signal = await read("signal:s")
    assert signal["state"] == "traded"
    assert signal["rationale"] == validated.rationale
    assert len(orjson.loads(signal["features"])) == len(validated.features)
    assert orjson.loads(signal["risk_inputs"])["legs"]
    position = await read("position:p")
    assert (position["state"], position["realised_pnl"]) == ("closed", "-37.25")
    pnl = await read("pnl:2026-10-06")
    assert pnl["realised_cents"] == pnl["realised_cents:0DTE"] == "-3725"
    assert (pnl["trades"], pnl["winners"]) == ("1", "0")
    assert await redis.smembers("striketape:hot:positions:live") == set()
    assert await redis.zrange("striketape:hot:positions:ended", 0, -1) == ["p"]


async def test_a_position_that_closes_twice_counts_once_in_the_days_result(
    store: PostgresStore, redis: Redis
) -> None:
    position = {"position_id": "p", "strategy": Strategy.ZERO_DTE}
    opened = with_fields(PositionOpened, **position)
    closed = with_fields(PositionClosed, **position, realised_pnl=Decimal("12.50"))
    reopened = with_fields(PositionReopened, **position, units=1, closed_pnl=Decimal("12.50"))
    read = await _hot(store, redis, opened, closed, reopened)
    shown = await read("position:p")
    assert (shown["state"], shown["closed_at"], shown["exit_reason"]) == ("open", "", "")
    assert await redis.smembers("striketape:hot:positions:live") == {"p"}
    assert await redis.zrange("striketape:hot:positions:ended", 0, -1) == []
    pnl = await read("pnl:2026-10-06")
    assert (pnl["realised_cents"], pnl["trades"], pnl["winners"]) == ("0", "0", "0")


async def test_the_second_close_of_a_position_counts_with_its_whole_result(
    store: PostgresStore, redis: Redis
) -> None:
    position = {"position_id": "p", "strategy": Strategy.ZERO_DTE}
    opened = with_fields(PositionOpened, **position)
    closed = with_fields(PositionClosed, **position, realised_pnl=Decimal("12.50"))
    reopened = with_fields(PositionReopened, **position, units=1, closed_pnl=Decimal("12.50"))
    again = with_fields(PositionClosed, **position, realised_pnl=Decimal("-3.10"))
    read = await _hot(store, redis, opened, closed, reopened, again)
    assert (await read("position:p"))["state"] == "closed"
    assert await redis.zrange("striketape:hot:positions:ended", 0, -1) == ["p"]
    pnl = await read("pnl:2026-10-06")
    assert pnl["realised_cents"] == pnl["realised_cents:0DTE"] == "-310"
    assert (pnl["trades"], pnl["winners"]) == ("1", "0")


async def test_a_commission_that_comes_after_the_close_is_in_the_days_result(
    store: PostgresStore, redis: Redis
) -> None:
    """A winner of a dollar that paid two is a loser."""
    position = {"position_id": "p", "strategy": Strategy.ZERO_DTE}
    opened = with_fields(PositionOpened, **position)
    held = with_fields(PositionChanged, position_id="p", realised_pnl=Decimal("99.00"))
    closed = with_fields(PositionClosed, **position, realised_pnl=Decimal("1.00"))
    late = with_fields(PositionChanged, position_id="p", realised_pnl=Decimal("-1.00"))
    stranger = with_fields(PositionChanged, position_id="q", realised_pnl=Decimal("5.00"))
    read = await _hot(store, redis, opened, held, closed, late, stranger)
    pnl = await read("pnl:2026-10-06")
    assert pnl["realised_cents"] == pnl["realised_cents:0DTE"] == "-100"
    assert (pnl["trades"], pnl["winners"]) == ("1", "0")
    assert (await read("position:p"))["realised_pnl"] == "-1.00"
    assert await read("position:q") == {}


async def test_the_trading_state_and_the_limits_in_force_are_there_with_who_and_why(
    store: PostgresStore, redis: Redis
) -> None:
    first = ParametersChanged(
        values={"risk.limit.position": 0.015, "publication.stop_step": 0.05},
        version=1,
        who="start",
        why="shipped",
    )
    changed = ParametersChanged(
        values={"risk.limit.position": 0.01}, version=2, who="ann", why="news", until=AT
    )
    state = TradingStateChanged(
        state=TradingState.REDUCING,
        previous=TradingState.ACTIVE,
        codes=("LOSS_SOFT",),
        reason="LOSS_SOFT",
    )
    read = await _hot(store, redis, first, changed, state)
    limits = await read("limits")
    assert list(limits) == ["risk.limit.position"]
    limit = orjson.loads(limits["risk.limit.position"])
    assert (limit["value"], limit["who"], limit["why"]) == (0.01, "ann", "news")
    assert limit["until"] == AT.isoformat().replace("+00:00", "Z")
    trading = await read("trading")
    assert (trading["state"], orjson.loads(trading["codes"])) == ("reducing", ["LOSS_SOFT"])


async def test_a_changed_exit_plan_is_on_its_position(store: PostgresStore, redis: Redis) -> None:
    opened = with_fields(PositionOpened, position_id="p")
    plan = opened.exit_plan.model_copy(update={"target_price": Decimal("9.87")})
    changed = with_fields(ExitPlanChanged, position_id="p", exit_plan=plan)
    read = await _hot(store, redis, opened, changed)
    assert orjson.loads((await read("position:p"))["exit_plan"])["target_price"] == "9.87"


async def test_the_audit_row_of_a_position_has_its_changed_plan(
    store: PostgresStore, database_url: str
) -> None:
    opened = with_fields(PositionOpened, position_id="p")
    plan = opened.exit_plan.model_copy(update={"target_price": Decimal("9.87")})
    [row] = await _audit(
        store,
        database_url,
        "SELECT * FROM audit.positions",
        opened,
        with_fields(ExitPlanChanged, position_id="p", exit_plan=plan),
    )
    assert orjson.loads(row["exit_plan"])["target_price"] == "9.87"


async def test_a_rolled_position_has_its_new_structure_plan_and_loss_everywhere(
    store: PostgresStore, redis: Redis, database_url: str
) -> None:
    rolled = with_fields(PositionRolled, position_id="p", max_loss_per_unit_usd=Decimal("283.40"))
    opened = with_fields(PositionOpened, position_id="p")
    read = await _hot(store, redis, opened, rolled)
    hot = await read("position:p")
    wanted = orjson.loads(rolled.structure.model_dump_json())
    assert orjson.loads(hot["structure"]) == wanted
    assert hot["max_loss_per_unit_usd"] == "283.40"
    [row] = await _audit(store, database_url, "SELECT * FROM audit.positions")
    assert orjson.loads(row["structure"]) == wanted
    assert row["max_loss_per_unit_usd"] == Decimal("283.40")


async def test_a_reopened_position_is_an_open_row_again(
    store: PostgresStore, database_url: str
) -> None:
    [row] = await _audit(
        store,
        database_url,
        "SELECT * FROM audit.positions",
        with_fields(PositionOpened, position_id="p"),
        with_fields(PositionClosed, position_id="p"),
        with_fields(PositionReopened, position_id="p", units=3),
    )
    assert (row["state"], row["units"], row["closed_at"]) == ("open", 3, None)


@pytest.mark.parametrize(
    ("side", "price", "reference"), [(Side.BUY, "2.03", "2.00"), (Side.SELL, "1.97", "2.00")]
)
async def test_a_fill_says_what_it_cost_against_the_mid_of_its_decision(
    store: PostgresStore, database_url: str, side: Side, price: str, reference: str
) -> None:
    """Worse by three cents is a cost of three cents a share, bought or sold."""
    fill = with_fields(
        FillRecorded,
        exec_id="e",
        side=side,
        quantity=2,
        price=Decimal(price),
        slippage_decision=Decimal("0.03"),
        slippage_mid=Decimal("-0.01"),
    )
    query = "SELECT reference_price, slippage, slippage_usd, slippage_at_fill FROM audit.fills"
    [row] = await _audit(store, database_url, query, fill)
    assert [str(value) for value in row.values()] == [reference, "0.03", "6.00", "-0.01"]


async def test_the_second_close_of_a_position_is_its_row(
    store: PostgresStore, database_url: str
) -> None:
    """Closed, opened again by a late fill, and closed again with the result of its whole life."""
    first = {"units": 4, "realised_pnl": Decimal("-40"), "pnl_over_max_loss": Decimal("-0.05")}
    last = {"units": 5, "realised_pnl": Decimal("-45"), "pnl_over_max_loss": Decimal("-0.045")}
    [row] = await _audit(
        store,
        database_url,
        "SELECT * FROM audit.positions",
        with_fields(PositionOpened, position_id="p"),
        with_fields(PositionClosed, position_id="p", reason=ExitReason.STOP, **first),
        with_fields(PositionReopened, position_id="p", units=1),
        with_fields(PositionChanged, position_id="p", units=1, realised_pnl=Decimal("-40")),
        with_fields(PositionClosed, position_id="p", reason=ExitReason.TIME, **last),
    )
    assert (row["state"], row["exit_reason"]) == ("closed", "TIME")
    assert {name: row[name] for name in last} == last


async def test_outside_readers_resume_the_streams_by_position(
    store: PostgresStore, redis: Redis
) -> None:
    await store.append(numbered([_ticks((1, 670.1, 3.0)), with_fields(SignalRaised)]))
    for projection, prefix in (
        (streams.MARKET, streams.MARKET_PREFIX),
        (streams.DESK, streams.DESK_PREFIX),
    ):
        await Projector(store, projection, RedisTarget(redis, prefix)).rebuild()
    [(_, [(identity, entry)])] = await redis.xread({"striketape:market": "0-0"})
    assert (identity, entry["type"]) == ("1-0", "IbTicksReceived")
    assert msgspec.json.decode(entry["data"], type=IbTicksReceived).con_id == 42
    assert await redis.xread({"striketape:desk": "2-0"}) == []
    [(_, [(identity, entry)])] = await redis.xread({"striketape:desk": "1-0"})
    assert (identity, entry["type"]) == ("2-0", "SignalRaised")


async def test_an_orders_row_ends_as_the_order_did(store: PostgresStore, database_url: str) -> None:
    [row] = await _audit(
        store,
        database_url,
        "SELECT * FROM audit.orders",
        with_fields(OrderIntended, order_ref="o", quantity=3),
        with_fields(OrderChanged, order_ref="o", state=OrderState.FILLED, filled=3, remaining=0),
        with_fields(OrderChanged, order_ref="unknown"),
    )
    assert (row["state"], row["filled"], row["event_position"]) == ("filled", 3, 2)
    assert row["limit_price"] == with_fields(OrderIntended).limit_price
    assert row["intended_at"] == AT


MARGIN_QUESTIONS = (
    with_fields(OrderIntended, order_ref="d-1", purpose=Purpose.WHAT_IF),
    with_fields(OrderIntended, order_ref="d-2", purpose=Purpose.WHAT_IF),
    with_fields(WhatIfAnswered, order_ref="d-1", initial_change=Decimal("380.00"), warning=""),
    with_fields(IntentLapsed, order_ref="d-2", request="what_if", reason="no connection"),
)


async def test_a_question_about_margin_ends_with_its_answer(
    store: PostgresStore, redis: Redis, database_url: str
) -> None:
    read = await _hot(store, redis, *MARGIN_QUESTIONS)
    answered, lapsed = await read("order:d-1"), await read("order:d-2")
    assert (answered["state"], answered["initial_change"]) == ("answered", "380.00")
    assert (lapsed["state"], lapsed["reason"]) == ("lapsed", "no connection")
    assert await redis.smembers("striketape:hot:orders:live") == set()
    assert await redis.zrange("striketape:hot:orders:ended", 0, -1) == ["d-1", "d-2"]
    target = PostgresTarget(database_url)
    await Projector(store, audit.PROJECTION, target).rebuild()
    await target.close()
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch("SELECT state, reason FROM audit.orders ORDER BY order_ref")
    await connection.close()
    assert [tuple(row) for row in rows] == [
        ("answered", ""),
        ("lapsed", "what_if lapsed: no connection"),
    ]


async def test_a_delivery_goes_through_its_states(store: PostgresStore, database_url: str) -> None:
    [row] = await _audit(
        store,
        database_url,
        "SELECT * FROM audit.publications",
        with_fields(DeliveryScheduled, delivery_id="d"),
        with_fields(DeliveryAttempted, delivery_id="d", attempt=2),
        with_fields(DeliveryConfirmed, delivery_id="d", remote_id="99", via="response"),
    )
    assert (row["state"], row["attempts"], row["remote_id"]) == ("confirmed", 2, "99")


@pytest.mark.parametrize(
    ("projection", "views"),
    [
        (hot.PROJECTION, hot.VIEWS),
        (audit.PROJECTION, audit.TABLES),
        (feed.PROJECTION, feed.TABLES),
    ],
)
def test_every_view_is_of_a_type_that_is_read(projection: Any, views: Any) -> None:
    assert {event_type(cls) for cls in views} <= projection.types


async def test_the_command_builds_what_it_is_asked_for(
    store: PostgresStore,
    redis: Redis,
    redis_url: str,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    await store.append(one_of_each())
    head = await store.head()

    async def run(*arguments: str) -> list[str]:
        assert await asyncio.to_thread(daemon.command, ["rebuild", *arguments]) == 0
        lines = [orjson.loads(x) for x in capsys.readouterr().out.splitlines() if x[0] == "{"]
        assert all(line["position"] == head for line in lines)
        return [line["name"] for line in lines]

    assert await run("--name", "streams") == ["streams.market", "streams.desk"]
    assert await redis.exists("striketape:hot:state") == 0
    assert await run() == ["hot", "streams.market", "streams.desk", "audit", "feed"]
    assert await redis.hget("striketape:hot:state", "position") == str(head)
