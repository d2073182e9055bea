"""One wrong reading of the account closes entries; it halts, marks and sizes nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Body
from domain.events.controls import FlattenStarted, ReleaseRequested, TradingHalted
from domain.events.orders import BrokerAccountSeen
from domain.events.positions import PositionMarked
from domain.instruments import Strategy
from tests.domain.risk.build import EQUITY, Driven, account, none, signal
from tests.domain.risk.desk_story import C, decide, denied, holding, opened, ready, worth

RELEASE = ReleaseRequested(who="op", route="api", reason="checked", reauthenticated=True)


def stream(pnl: int) -> BrokerAccountSeen:
    return account(pnl=str(pnl)).model_copy(update={"values": {}})


def codes(emitted: list[Body]) -> list[str]:
    return [b.reason.partition(":")[0] for b in emitted if isinstance(b, TradingHalted)]


@pytest.mark.parametrize("phantom", [0, 100_000, 960_000])
def test_one_phantom_equity_reading_never_halts(phantom: int) -> None:
    """An equity of 0 that the broker sent once must not flatten the book."""
    desk = ready()
    desk.when(opened())
    assert codes(worth(desk, phantom, readings=1)) == []
    assert codes(worth(desk, 1_000_000)) == []
    assert desk.state.account.equity == EQUITY
    assert desk.state.losses.drawdown == 0


@pytest.mark.parametrize("reading", [0, 960_000, 2_000_000])
def test_entries_are_refused_from_the_first_reading_that_jumps(reading: int) -> None:
    """Neither a loss in doubt nor a gain in doubt may be traded on."""
    desk = ready()
    worth(desk, reading, readings=1)
    decision = decide(desk, signal(at=desk.at))
    assert denied(decision, C.EQUITY_SURE)
    row = next(check for check in decision.checks if check.code == C.EQUITY_SURE)
    assert row.value == f"net liquidation {reading} was read once"
    worth(desk, 1_000_000, readings=1)
    assert decide(desk, signal(signal_id="sig-2", at=desk.at)).approved


def test_a_daily_stream_that_begins_anew_in_the_night_halts_nothing_after_a_good_day() -> None:
    """Back at 0 it looks as if all of yesterday's gain were lost: a halt would close what is held
    over the night."""
    desk = ready()
    desk.when(opened(strategy=Strategy.ONE_DTE))
    for step in range(1, 51):
        desk.when(stream(1_000 * step), after=1)
    assert desk.state.account.equity == EQUITY + 50_000
    desk.at = datetime(2026, 10, 7, 4, 0, tzinfo=UTC)
    for _ in range(10):
        assert codes(desk.when(stream(0), after=1)) == []
    assert desk.state.account.equity == EQUITY + 50_000
    worth(desk, 1_049_000)
    assert desk.state.account.equity == 1_049_000, "its value is believed at any time"


def test_entries_are_refused_from_the_first_breach_and_three_readings_halt() -> None:
    """A loss that came in small steps: the first reading over the limit closes entries."""
    desk = ready()
    for step in range(1, 30):
        assert codes(desk.when(stream(-1_000 * step), after=1)) == []
    assert codes(desk.when(stream(-30_000), after=1)) == []
    assert denied(decide(desk, signal(at=desk.at)), C.LOSS_HARD)
    assert codes(desk.when(stream(-30_100), after=1)) == []
    assert codes(desk.when(stream(-30_200), after=1)) == ["LOSS_HARD"]


def test_three_readings_halt_whatever_each_of_them_says() -> None:
    """An account that falls faster than two readings agree must still halt."""
    desk = ready()
    assert codes(worth(desk, 969_000, readings=1)) == []
    assert codes(worth(desk, 950_000, readings=1)) == []
    assert codes(worth(desk, 930_000, readings=1)) == ["LOSS_HARD"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 970_000), min_size=3, max_size=3))
def test_any_three_readings_beyond_the_limit_halt(readings: list[int]) -> None:
    """Whatever each says: an account in free fall must not look like a row of phantoms."""
    desk = ready()
    emitted = [body for reading in readings for body in worth(desk, reading, readings=1)]
    assert "LOSS_HARD" in codes(emitted)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=8))
def test_phantoms_between_true_readings_change_nothing(phantoms: list[int]) -> None:
    desk = ready()
    for phantom in phantoms:
        assert codes(worth(desk, phantom, readings=1)) == []
        assert codes(worth(desk, 1_000_000, readings=1)) == []
    near = abs(desk.state.account.equity - EQUITY)
    assert near <= 5_000 and desk.state.losses.high_water <= EQUITY


def test_a_phantom_repeated_at_once_is_one_reading() -> None:
    desk = ready()
    for _ in range(5):
        assert codes(desk.when(account(Decimal(0)))) == []
    assert desk.state.account.equity == EQUITY


def test_a_phantom_of_net_liquidation_is_not_confirmed_by_the_stream() -> None:
    """The stream moves equity by differences: it would repeat the phantom every second."""
    desk = ready()
    desk.when(opened())
    worth(desk, 0, readings=1)
    for _ in range(10):
        assert codes(desk.when(stream(-10), after=1)) == []
    assert codes(worth(desk, 1_000_000, readings=1)) == []
    assert desk.state.losses.pnl > -100


def test_a_phantom_of_the_daily_pnl_stream_neither_halts_nor_stays_in_equity() -> None:
    desk = ready()
    desk.when(opened())
    desk.when(stream(0), after=1)
    desk.when(stream(0), after=1)
    assert codes(desk.when(stream(-900_000), after=1)) == []
    assert denied(decide(desk, signal(at=desk.at)), C.EQUITY_SURE)
    desk.when(account(pnl=None), after=0.2)
    desk.when(stream(-50), after=1)
    desk.when(stream(-50), after=1)
    assert desk.state.account.equity == EQUITY and desk.state.account.doubt() == ""


def test_one_high_reading_never_raises_the_high_water_mark() -> None:
    """A mark set by a phantom would flatten the book at the next true value."""
    desk = ready()
    for reading in (1_004_000, 1_000_000, 5_000_000, 1_000_000, 1_000_000):
        worth(desk, reading, readings=1)
    assert desk.state.losses.high_water == EQUITY
    worth(desk, 1_004_000, readings=2)
    assert desk.state.losses.high_water == 1_004_000


def test_one_reading_of_a_new_account_is_no_reference() -> None:
    desk = ready()
    fresh = Driven(*desk.stages)
    for source, _ in desk.inputs[:-1]:
        fresh.when(source.body)
    assert fresh.state.losses.reference is None
    decision = decide(fresh)
    assert denied(decision, C.LOSS_SOFT) and denied(decision, C.SIZE)


def test_a_release_of_another_halt_keeps_the_drawdown() -> None:
    """Releasing a halt for a file or a clock must not forgive what was lost since the mark."""
    desk = ready(risk__loss__hard_day=0.15, risk__loss__soft_day=0.10)
    worth(desk, 950_000)
    desk.when(TradingHalted(who="op", reason="DRAWDOWN: said by hand"))
    desk.when(RELEASE)
    assert desk.state.losses.high_water == EQUITY
    assert codes(worth(desk, 920_000)) == ["DRAWDOWN"]
    desk.when(RELEASE)
    assert desk.state.losses.high_water == 920_000


def test_one_phantom_mark_does_not_switch_a_bucket_off_and_three_do() -> None:
    desk = ready()
    desk.when(opened())
    holding(desk, 5)

    def marked(pnl: int) -> None:
        desk.when(
            PositionMarked(
                position_id="pos-1",
                symbol="SPY",
                mark="1.0",
                bid="1",
                ask="1",
                unrealised_pnl=str(pnl),
                underlying_price=600.0,
                quote_age_seconds=0,
                quality="OK",
            ),
            after=1,
        )

    for pnl in (-10_000, -9_000, -10_000, -10_000, 0):
        marked(pnl)
    assert desk.state.losses.buckets_off == frozenset()
    for pnl in (-10_000, -10_000, -10_000, 500):
        marked(pnl)
    assert desk.state.losses.buckets_off == {Strategy.ZERO_DTE}
    assert denied(decide(desk, signal(at=desk.at)), C.LOSS_BUCKET)


def test_phantoms_fold_to_the_same_state() -> None:
    desk = ready()
    desk.when(opened())
    for reading in (0, 1_000_000, 960_000, 950_000, 940_000):
        emitted = worth(desk, reading, readings=1)
    assert not none(emitted, FlattenStarted)
    assert desk.folded().states == desk.consumer.states
