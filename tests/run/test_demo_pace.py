"""The demo runs no faster than the desk follows, and as fast as wanted when it does."""

from __future__ import annotations

from run.demo.pace import CALM_SECONDS, HOLD_SECONDS, LAG_SECONDS_MAX, Lag, Pace


def test_lag_is_the_age_of_the_oldest_head_that_a_worker_has_not_reached() -> None:
    lag = Lag()
    assert lag.seconds(10.0, head=100, slowest=100) == 0.0
    assert lag.seconds(11.0, head=200, slowest=100) == 0.0
    assert lag.seconds(12.0, head=300, slowest=150) == 1.0
    assert lag.seconds(13.0, head=300, slowest=200) == 1.0
    assert lag.seconds(14.0, head=300, slowest=300) == 0.0


def test_a_desk_that_keeps_up_is_never_slowed() -> None:
    pace = Pace(10.0, entries_open=True, at=0.0)
    assert {pace.speed_for(LAG_SECONDS_MAX, at / 4) for at in range(400)} == {10.0}


def test_a_lagging_desk_is_slowed_step_by_step_to_a_sixteenth() -> None:
    pace = Pace(16.0, entries_open=True, at=0.0)
    speeds = [pace.speed_for(5.0, at * HOLD_SECONDS) for at in range(1, 9)]
    assert speeds == [8.0, 4.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0]


def test_speed_comes_back_after_a_calm_stretch_only() -> None:
    pace = Pace(16.0, entries_open=True, at=0.0)
    assert pace.speed_for(5.0, 2.0) == 8.0
    assert pace.speed_for(0.0, 2.0 + CALM_SECONDS - 0.1) == 8.0
    assert pace.speed_for(LAG_SECONDS_MAX, 2.0 + CALM_SECONDS) == 8.0
    assert pace.speed_for(0.0, 2.0 + 2 * CALM_SECONDS) == 16.0


def test_a_backlog_matters_less_while_the_clock_is_closed_to_entries() -> None:
    assert Pace(600.0, entries_open=False, at=0.0).speed_for(3.0, 10.0) == 600.0
    assert Pace(600.0, entries_open=False, at=0.0).speed_for(4.1, 10.0) == 300.0


def test_it_never_runs_slower_than_the_real_market() -> None:
    pace = Pace(10.0, entries_open=True, at=0.0)
    assert [pace.speed_for(5.0, at * HOLD_SECONDS) for at in range(1, 7)][-1] == 1.0
