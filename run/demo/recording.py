"""Which session a demo run plays: a recorded one or a seeded one, and the one after it.

One log holds one story: its market time never falls, so a log goes on with later sessions of the
same market and refuses any other. Used by run/demo alone.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from adapters.calendar import plan_session
from adapters.market_model.lean import RecordingMissing, recorded_days, require_day

RESET = "`make demo-reset` forgets the log, then start again"


class OtherSession(Exception):
    """The kept log is of another market or day than was asked for; the text names the remedy."""


def checked_folder(given: str, day: date | None) -> str:
    """The recording's folder as an absolute path; empty without a recording.

    Raises:
        RecordingMissing: no recording there, or none of that day; the text names its days.
    """
    if not given:
        return ""
    folder = Path(given).expanduser().resolve()
    if day is None:
        listed = ", ".join(str(known) for known in recorded_days(folder))
        raise RecordingMissing(f"RECORDING needs DAY, one of {listed}")
    require_day(folder, day)
    return str(folder)


def next_session(day: date, recording: str) -> date:
    """The session that follows on the same log.

    Raises:
        OtherSession: the recording has none.
    """
    if not recording:
        return plan_session(day).later[0].session_date
    later = [known for known in recorded_days(Path(recording)) if known > day]
    if not later:
        raise OtherSession(f"the recording has no session after {day}; {RESET}")
    return later[0]


def require_same(
    kept_days: tuple[date, ...], kept_recording: str, day: date | None, recording: str
) -> None:
    """Hold what was asked for against the log: nothing asked for means "go on".

    `kept_days` are the first session of the log, its present one, and the next when that is over.

    Raises:
        OtherSession: another recording, or a day that the log is not at.
    """
    market = f"recording {kept_recording}" if kept_recording else "a seeded market"
    asked = f"recording {recording}" if recording else "a seeded market"
    if day is not None and recording != kept_recording:
        raise OtherSession(f"the demo's log is of {market}, asked for was {asked}; {RESET}")
    if day is not None and day not in kept_days:
        listed = ", ".join(str(known) for known in sorted(set(kept_days)))
        raise OtherSession(
            f"the demo's log can go on with DAY {listed} or without DAY, was {day}; {RESET}"
        )
