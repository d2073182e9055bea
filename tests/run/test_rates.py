"""The curve of rates that the operator enters is the one that holds, whole."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from domain.events.interest_rates import RatePoint, RateUpdated
from run.config import Settings
from run.rates import as_of, enter, main, point
from store.postgres import PostgresStore


def curve(*points: str) -> RateUpdated:
    made = tuple(point(text) for text in points)
    return RateUpdated(as_of=date(2026, 11, 27), source="Treasury bills", points=made, who="ann")


async def test_the_curve_entered_last_is_the_one_that_holds(
    store: PostgresStore, database_url: str, tmp_path: Path
) -> None:
    settings = Settings(_env_file=None, database_url=database_url, redis_url="", var_dir=tmp_path)
    assert await enter(settings, None) is None
    await enter(settings, curve("1m=3.71", "1y=3.42"))
    second = curve("30d=3.70")
    await enter(settings, second)
    assert await enter(settings, None) == second
    assert [e.body for e in await store.read_stream("rates/curve")][-1] == second


def test_tenors_are_days_weeks_months_or_years_and_rates_are_per_cent() -> None:
    found = [point(text) for text in ("10d=0", "2w=4.25", "3m=3.64", "1y=10")]
    assert found == [
        RatePoint(days=10, rate=0.0),
        RatePoint(days=14, rate=0.0425),
        RatePoint(days=91, rate=0.0364),
        RatePoint(days=365, rate=0.1),
    ]


@pytest.mark.parametrize(
    "text", ["3m", "3m=", "m=3", "3x=3", "3m=3%", "3m=nan", "3m=10.01", "3m=-1", "0d=3", "11y=3"]
)
def test_a_slip_of_the_pen_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="must"):
        point(text)


@pytest.mark.parametrize("days", [-33, 2])
def test_rates_of_long_ago_or_of_tomorrow_are_refused(days: int) -> None:
    with pytest.raises(ArgumentTypeError, match="must be from"):
        as_of((datetime.now(UTC).date() + timedelta(days=days)).isoformat())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("1m=3.7",), "--source"),
        (("1m=3.7", "30d=3.6", "--source", "x"), "each given once"),
    ],
)
def test_a_curve_without_source_or_with_a_tenor_twice_ends_with_2(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2 and said in capsys.readouterr().err
