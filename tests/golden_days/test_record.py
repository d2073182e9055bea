"""A golden record sees what the desk decided, and nothing else."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from msgspec.structs import replace

from domain.event import Recorded
from domain.events.signals import SignalExpired, SignalInvalidated
from domain.instruments import Strategy
from tests.golden_days import kept as kept_records
from tests.golden_days.days import DAYS, MORNING
from tests.golden_days.record import FAMILIES, record_of

AT = datetime(2026, 10, 6, 14, 0, tzinfo=UTC)


def event(body: SignalExpired | SignalInvalidated, position: int = 1) -> Recorded:
    return Recorded(
        position=position,
        stream="signal/1",
        version=1,
        type=type(body).__name__,
        schema=1,
        event_id=uuid4(),
        occurred_at=AT,
        recorded_at=AT,
        market_time=AT,
        causation_id=None,
        correlation_id=uuid4(),
        worker="signals",
        build="b",
        input_position=position,
        ordinal=0,
        body=body,
    )


def hashed(*bodies: SignalExpired | SignalInvalidated) -> str:
    record = record_of([event(body) for body in bodies])
    digest: str = record["signals"]["sha256"]
    return digest


def moved(measured: str) -> SignalInvalidated:
    return SignalInvalidated(signal_id="s", condition="MOVE", measured=measured, threshold="0.15")


def test_ids_positions_and_real_times_are_no_part_of_a_record() -> None:
    body = SignalExpired(signal_id=str(uuid4()), reason="age")
    first, again = event(body), event(SignalExpired(signal_id=str(uuid4()), reason="age"), 7)
    later = replace(again, recorded_at=AT + timedelta(days=1))
    assert record_of([first]) == record_of([later])


def test_two_ids_are_not_one() -> None:
    one, two = str(uuid4()), str(uuid4())
    same = [SignalExpired(signal_id=one, reason="age")] * 2
    other = [SignalExpired(signal_id=i, reason="age") for i in (one, two)]
    assert hashed(*same) != hashed(*other)


def test_a_changed_decision_changes_its_hash_and_no_other() -> None:
    was = record_of([event(moved("0.16 sd"))])
    now = record_of([event(moved("0.17 sd"))])
    assert [family for family in FAMILIES if was[family] != now[family]] == ["signals"]


def test_numbers_count_with_nine_digits() -> None:
    assert hashed(moved("0.160000000012 sd")) == hashed(moved("0.16000000001 sd"))
    assert hashed(moved("0.16000001 sd")) != hashed(moved("0.16000002 sd"))


def test_the_market_time_of_a_decision_counts() -> None:
    first = event(moved("0.16 sd"))
    later = replace(first, market_time=AT + timedelta(seconds=1))
    assert record_of([first]) != record_of([later])


def test_a_record_is_changed_only_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_records, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match="needs the reason"):
        kept_records.keep("day", {"signals": 1}, "because")
    kept_records.keep("day", {"signals": 1}, "the first of them")
    kept_records.keep("day", {"signals": 1}, "nothing has changed here")
    kept_records.keep("day", {"signals": 2}, "stops leave earlier")
    assert kept_records.kept("day") == {"signals": 2}
    assert (tmp_path / "day.json").read_text().count('"why"') == 2


def test_every_golden_day_has_a_record_with_its_reasons() -> None:
    names = {day.name for day in (MORNING, *DAYS)}
    assert {path.stem for path in kept_records.FOLDER.glob("*.json")} == names


def test_each_strategy_has_days_on_which_it_trades_declines_and_is_stopped() -> None:
    """By the records alone: `make golden` holds them against what the desk does. A day declines
    where candidates arise and nothing is opened; a stop is that of the price or of the thesis."""
    stories = [kept_records.kept(day.name)["story"] for day in DAYS]
    for strategy in Strategy:
        told = [Counter(story[strategy.value]) for story in stories if strategy.value in story]
        assert any(counts["opened"] for counts in told), strategy
        assert any(counts["raised"] and not counts["opened"] for counts in told), strategy
        assert any(counts["exit STOP"] + counts["exit INVALIDATED"] for counts in told), strategy


def test_minutes_before_the_close_end_after_it_and_every_day_has_its_full_minutes() -> None:
    for day in (MORNING, *DAYS):
        close = AT + timedelta(hours=6)
        for session in (day, day.then) if day.then else (day,):
            stretches = session.stretches(AT, close)
            ends = [stretch.until for stretch in stretches]
            assert ends == sorted(ends), day.name
            assert sum(not stretch.thinned for stretch in stretches) == len(session.full)
