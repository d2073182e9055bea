"""Which session a demo run plays, and which it refuses on the log that it has."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from adapters.market_model.lean import RecordingMissing
from run.demo.options import arguments
from run.demo.recording import OtherSession, checked_folder, next_session
from run.demo.state import METRICS_PORTS, SESSION_OVER, load
from run.embedded import free_port

FIRST, SECOND, LATER = date(2013, 10, 8), date(2013, 10, 9), date(2013, 10, 11)


@pytest.fixture(autouse=True)
def no_options_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RECORDING", "DAY", "SEED", "SPEED", "DURATION"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A folder with two days; nothing here reads more than the names."""
    place = tmp_path / "lean/equity/usa/second/spy"
    place.mkdir(parents=True)
    for day in (FIRST, SECOND):
        for kind in ("trade", "quote"):
            (place / f"{day:%Y%m%d}_{kind}.zip").touch()
    return tmp_path / "lean"


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    return tmp_path / "demo"


def test_a_relative_folder_is_kept_as_an_absolute_one(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(recording.parent)
    monkeypatch.setenv("RECORDING", "lean")
    monkeypatch.setenv("DAY", "2013-10-08")
    options = arguments([])
    assert (options.recording, options.day) == (str(recording.resolve()), FIRST)


def test_a_recording_without_a_day_names_its_days(recording: Path) -> None:
    with pytest.raises(RecordingMissing, match="needs DAY, one of 2013-10-08, 2013-10-09"):
        checked_folder(str(recording), None)


def test_a_day_that_is_not_recorded_is_refused_with_the_days_that_are(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        arguments(["--recording", str(recording), "--day", "2013-10-11"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "one of 2013-10-08, 2013-10-09" in said and "was 2013-10-11" in said


def test_a_folder_without_recordings_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        arguments(["--recording", str(tmp_path / "nowhere"), "--day", "2013-10-08"])
    assert "was no such folder" in capsys.readouterr().err


def test_the_same_command_goes_on_from_its_log(recording: Path, demo: Path) -> None:
    made = load(demo, 1, FIRST, str(recording))
    assert load(demo, 1, FIRST, str(recording)).session_date == made.session_date
    (demo / SESSION_OVER).touch()
    # The day is over: the same command, and the next day by name, both go on.
    load(demo, 1, FIRST, str(recording))
    load(demo, 1, SECOND, str(recording))
    assert next_session(FIRST, str(recording)) == SECOND


def test_nothing_asked_for_goes_on_whatever_the_log_is_of(recording: Path, demo: Path) -> None:
    load(demo, 1, FIRST, str(recording))
    assert load(demo, 1, None, "").recording == str(recording)


@pytest.mark.parametrize("day", [SECOND, LATER])
def test_another_day_than_the_logs_is_refused(recording: Path, demo: Path, day: date) -> None:
    load(demo, 1, FIRST, str(recording))
    with pytest.raises(OtherSession, match=r"DAY 2013-10-08 or without DAY.*make demo-reset"):
        load(demo, 1, day, str(recording))


def test_another_market_than_the_logs_is_refused(recording: Path, demo: Path) -> None:
    load(demo, 1, None, "")
    with pytest.raises(OtherSession, match=r"log is of a seeded market.*make demo-reset"):
        load(demo, 1, FIRST, str(recording))
    assert load(demo, 1, None, "").recording == ""


def test_a_recording_that_ends_says_so(recording: Path, demo: Path) -> None:
    load(demo, 1, SECOND, str(recording))
    (demo / SESSION_OVER).touch()
    with pytest.raises(OtherSession, match=r"no session after 2013-10-09.*make demo-reset"):
        load(demo, 1, None, "")


def test_a_seeded_market_goes_on_with_the_next_session() -> None:
    assert next_session(date(2026, 11, 25), "") == date(2026, 11, 27)  # over Thanksgiving


def test_no_port_is_given_to_two_parts_of_one_demo(demo: Path) -> None:
    """None is bound yet when the next one is chosen, so that they are free says nothing."""
    assert len({free_port() for _ in range(1_000)}) == 1_000
    ports = dict(load(demo, 1, None, "").ports)
    metrics = ports.pop("metrics")
    taken = [*ports.values(), *range(metrics, metrics + METRICS_PORTS)]
    assert len(set(taken)) == len(taken)
