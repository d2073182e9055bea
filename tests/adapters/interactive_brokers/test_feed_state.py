"""The feed's watchdog as a pure state machine: what it makes of the connection and of lines."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from adapters.interactive_brokers import feed_lines, feed_state
from adapters.interactive_brokers.feed_hours import is_login_due, quiet_until
from adapters.interactive_brokers.feed_watch import (
    Act,
    Alarm,
    Close,
    Decision,
    FeedState,
    Limits,
    LineSeen,
    Moment,
    Recheck,
    Renew,
    Silent,
    Verified,
    Watch,
)

NEW_YORK = ZoneInfo("America/New_York")
LIMITS = Limits()
NOON = "2026-11-24 12:00:00"


def new_york(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


@dataclass
class Desk:
    """A watchdog with its clock, and lines that speak when a test says so."""

    at: str = NOON
    expects: bool = True
    watch: Watch = field(default_factory=Watch)
    seconds: float = 1_000.0
    lines: dict[str, LineSeen] = field(default_factory=dict)
    acts: list[Act] = field(default_factory=list)
    states: list[FeedState] = field(default_factory=list)

    def moment(self) -> Moment:
        return Moment(self.seconds, new_york(self.at), self.expects)

    def take(self, decision: Decision) -> list[Act]:
        before, (self.watch, acts) = self.watch, decision
        if self.watch.state is not before.state:
            self.states.append(self.watch.state)
        for act in acts:
            self._obey(act)
        self.acts += acts
        return list(acts)

    def _obey(self, act: Act) -> None:
        for name, line in self.lines.items():
            if isinstance(act, Recheck) or (
                isinstance(act, Renew) and line.request in act.requests
            ):
                self.lines[name] = replace(
                    line,
                    has_spoken=False,
                    is_answered=False,
                    is_renewed=True,
                    silent_seconds=0.0,
                    asked_seconds=0.0,
                )
            elif isinstance(act, Verified) and line.request == act.request:
                self.lines[name] = replace(line, is_renewed=False)

    def add(self, name: str, kind: str = "ticks", **fields: object) -> None:
        line = LineSeen(
            request=len(self.lines) + 1,
            name=name,
            kind=kind,
            is_vital=False,
            is_option=False,
            is_refused=False,
            is_halted=False,
            is_renewed=False,
            has_spoken=True,
            is_answered=True,
            market_data_type=1,
            silent_seconds=0.0,
            asked_seconds=100.0,
        )
        self.lines[name] = replace(line, **fields)  # type: ignore[arg-type]

    def passes(self, seconds: float, *silent: str) -> list[Act]:
        """So many seconds in which all speak but those; then a look at them."""
        self.seconds += seconds
        for name, line in self.lines.items():
            speaks = name not in silent
            self.lines[name] = replace(
                line,
                has_spoken=speaks or line.has_spoken,
                is_answered=speaks or line.is_answered,
                silent_seconds=0.0 if speaks else line.silent_seconds + seconds,
                asked_seconds=line.asked_seconds + seconds,
            )
        return self.look()

    def look(self) -> list[Act]:
        return self.take(
            feed_lines.looked(self.watch, list(self.lines.values()), self.moment(), LIMITS)
        )

    def notice(self, code: int, line: str = "") -> list[Act]:
        lines = list(self.lines.values())
        decision = feed_state.noticed(self.watch, code, f"{code}", self.moment(), lines, line)
        return self.take(decision)

    def loses(self, at: str) -> list[Act]:
        self.at = at
        return self.take(feed_state.lost(self.watch, "the socket was closed", self.moment()))

    def fails(self, at: str, seconds: float, *, is_silent: bool = False) -> list[Act]:
        self.at = at
        self.seconds += seconds
        decision = feed_state.failed(
            self.watch, "no TWS", self.moment(), LIMITS, is_silent=is_silent
        )
        return self.take(decision)

    def connects(self, at: str = NOON) -> None:
        self.at = at
        self.take(feed_state.opened(self.watch, self.moment()))


def codes(acts: list[Act]) -> list[tuple[str, str]]:
    return [(act.severity, act.code) for act in acts if isinstance(act, Alarm)]


@pytest.fixture
def desk() -> Desk:
    """Ready at noon: quotes and bars of SPY, one member, one option, one book."""
    made = Desk()
    made.add("ticks SPY", is_vital=True)
    made.add("bars SPY", "bars", is_vital=True)
    made.add("ticks AAPL")
    made.add("ticks SPY C", is_option=True)
    made.add("depth SPY", "depth")
    made.connects()
    made.passes(2.0)
    assert made.watch.state is FeedState.READY
    made.states.clear()
    made.acts.clear()
    return made


# The hours.


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-11-24 23:43:59", None),
        ("2026-11-24 23:45:00", "2026-11-24 23:50:00"),
        ("2026-11-25 00:15:00", "2026-11-25 01:45:00"),
        ("2026-11-25 01:45:00", None),
        ("2026-11-27 23:45:00", "2026-11-28 03:00:00"),  # a Friday: the weekend's reset
        ("2026-11-28 02:00:00", "2026-11-28 03:00:00"),
        ("2026-11-28 03:30:00", None),
        ("2026-11-29 00:30:00", "2026-11-29 01:45:00"),
        ("2027-03-14 01:30:00", "2027-03-14 01:45:00"),  # the night in which summer time begins
        ("2026-11-01 23:46:00", "2026-11-01 23:50:00"),  # the day on which it ends
    ],
)
def test_outages_are_expected_in_the_hours_of_restarts_and_resets(
    at: str, until: str | None
) -> None:
    assert quiet_until(new_york(at)) == (None if until is None else new_york(until))


def test_the_weekly_log_in_is_due_from_sunday_one_to_monday_four() -> None:
    due = ["2026-11-29 01:00:00", "2026-11-29 23:59:00", "2026-11-30 03:59:00"]
    not_due = ["2026-11-29 00:59:00", "2026-11-30 04:00:00", "2026-11-25 02:00:00"]
    assert all(is_login_due(new_york(at)) for at in due)
    assert not any(is_login_due(new_york(at)) for at in not_due)


# Outages.


def test_the_nightly_restart_is_ridden_out_without_an_alarm(desk: Desk) -> None:
    desk.expects = False
    desk.loses("2026-11-24 23:45:00")
    for second in range(10, 70, 10):
        desk.fails(f"2026-11-24 23:45:{second:02}" if second < 60 else "2026-11-24 23:46:00", 10.0)
    desk.connects("2026-11-24 23:46:22")
    assert desk.states == [FeedState.RESTARTING, FeedState.CONNECTED]
    assert codes(desk.acts) == []


def test_a_restart_that_stays_at_the_log_in_dialog_is_paged_once(desk: Desk) -> None:
    desk.expects = False
    desk.loses("2026-11-24 23:45:00")
    desk.fails("2026-11-24 23:49:59", 299.0, is_silent=True)
    assert codes(desk.acts) == []
    for minute in range(50, 60):
        desk.fails(f"2026-11-24 23:{minute}:01", 60.0, is_silent=True)
    assert desk.states == [FeedState.RESTARTING, FeedState.LOGGED_OUT]
    assert codes(desk.acts) == [("critical", "RESTART_OVERDUE")]


def test_on_sunday_night_the_restart_waits_for_a_person_and_says_so(desk: Desk) -> None:
    desk.expects = False
    desk.loses("2026-11-29 23:45:00")
    desk.fails("2026-11-29 23:49:00", 240.0, is_silent=True)
    assert codes(desk.acts) == []
    desk.fails("2026-11-29 23:50:10", 70.0, is_silent=True)
    desk.fails("2026-11-29 23:50:20", 10.0)
    assert desk.watch.state is FeedState.LOGGED_OUT
    assert codes(desk.acts) == [("critical", "LOGIN_NEEDED")]


def test_a_feed_that_starts_on_a_sunday_without_tws_asks_for_the_log_in() -> None:
    desk = Desk(expects=False)
    desk.fails("2026-11-29 12:00:00", 1.0)
    assert desk.watch.state is FeedState.DOWN
    desk.fails("2026-11-29 12:02:00", 120.0)
    assert desk.watch.state is FeedState.LOGGED_OUT
    assert codes(desk.acts) == [("critical", "LOGIN_NEEDED")]


def test_a_silent_handshake_is_a_log_in_dialog_at_any_time(desk: Desk) -> None:
    desk.loses(NOON)
    desk.fails(NOON, 60.0, is_silent=True)
    assert desk.watch.state is FeedState.DOWN
    desk.fails(NOON, 60.0, is_silent=True)
    desk.fails(NOON, 10.0)  # refused for once: still logged out
    assert desk.watch.state is FeedState.LOGGED_OUT
    assert codes(desk.acts) == [("critical", "LOGIN_NEEDED")]


def test_an_outage_pages_in_the_session_and_warns_outside_it(desk: Desk) -> None:
    desk.expects = False
    desk.loses("2026-11-24 08:00:00")
    desk.fails("2026-11-24 08:02:00", 120.0)
    assert codes(desk.acts) == []
    desk.fails("2026-11-24 08:03:00", 60.0)
    desk.fails("2026-11-24 08:04:00", 60.0)
    assert codes(desk.acts) == [("warning", "BROKER_FEED_DOWN")]
    desk.expects = True
    for second in (1, 11):
        desk.fails(f"2026-11-24 09:30:{second:02}", 10.0)
    assert codes(desk.acts) == [("warning", "BROKER_FEED_DOWN"), ("critical", "BROKER_FEED_DOWN")]


# Notices.


def test_a_cut_is_mute_once_however_often_it_is_repeated_and_nothing_is_asked_for(
    desk: Desk,
) -> None:
    names = tuple(desk.lines)
    for _ in range(100):
        desk.notice(1100)
        desk.passes(2.0, *names)
    assert desk.states == [FeedState.MUTE]
    assert desk.acts == []
    for _ in range(60):
        desk.notice(1100)
        desk.passes(2.0, *names)
    assert codes(desk.acts) == [("critical", "BROKER_CUT_OFF")]


def test_a_cut_in_the_nightly_reset_is_no_alarm(desk: Desk) -> None:
    desk.expects, desk.at = False, "2026-11-25 00:16:00"
    desk.notice(1100)
    for _ in range(200):
        desk.passes(2.0, *desk.lines)
    assert codes(desk.acts) == []


def test_data_end_a_cut_also_without_a_notice(desk: Desk) -> None:
    desk.notice(1100)
    desk.passes(2.0, "bars SPY")
    assert desk.watch.state is FeedState.MUTE
    desk.passes(2.0)
    assert desk.states == [FeedState.MUTE, FeedState.READY]


def test_after_lost_data_all_is_asked_for_and_each_stream_is_verified(desk: Desk) -> None:
    desk.notice(1100)
    (renewed,) = desk.notice(1101)
    assert renewed == Renew((1, 2, 3, 4, 5))
    assert desk.watch.state is FeedState.CONNECTED
    acts = desk.passes(5.0, "depth SPY")
    assert acts == [Verified(n, 5.0) for n in (1, 2, 3, 4)]
    assert desk.watch.state is FeedState.READY
    acts = desk.passes(26.0, "depth SPY")
    assert acts == [Silent(5, 31.0), Renew((5,))]
    assert desk.passes(1.0) == [Verified(5, 1.0)]


def test_kept_data_are_believed_only_when_they_flow(desk: Desk) -> None:
    """1102 with dead bars: they are asked for, and the link is not given up before that."""
    desk.notice(1100)
    assert desk.notice(1102) == [Recheck()]
    assert desk.watch.state is FeedState.CONNECTED
    for _ in range(10):
        desk.passes(2.0, "bars SPY")
    assert desk.watch.state is FeedState.CONNECTED
    acts = desk.passes(2.0, "bars SPY")
    assert acts == [Silent(2, 22.0), Renew((2,))]
    assert desk.watch.state is FeedState.MUTE
    assert desk.passes(2.0) == [Verified(2, 2.0)]
    assert desk.watch.state is FeedState.READY


def test_a_blip_of_a_farm_makes_every_stream_prove_itself(desk: Desk) -> None:
    assert desk.notice(2104) == []  # as at every log-in
    assert desk.notice(2103) == []
    assert desk.notice(2104) == [Recheck()]
    desk.passes(20.0, "bars SPY")
    assert Renew((2,)) in desk.passes(2.0, "bars SPY")
    assert not any(isinstance(act, Close) for act in desk.acts)


def test_a_port_reset_closes_and_too_many_messages_warn(desk: Desk) -> None:
    assert desk.notice(1300) == [Close("1300")]
    assert codes(desk.notice(100)) == [("warning", "BROKER_RATE_EXCEEDED")]


# A competing session.


def test_a_competing_session_ends_only_when_a_refused_line_ticks(desk: Desk) -> None:
    """Bars go on, which says nothing; one line is tried each minute, the vital one first."""
    for name in ("ticks SPY C", "ticks SPY"):
        desk.notice(10197, name)
    assert codes(desk.acts) == [("critical", "COMPETING_SESSION")]
    silent = ("ticks SPY", "ticks SPY C", "ticks AAPL")
    assert [desk.passes(2.0, *silent) for _ in range(29)] == [[]] * 29
    assert desk.passes(2.0, *silent) == [Renew((1,))]
    assert desk.watch.state is FeedState.COMPETING_SESSION
    acts = desk.passes(2.0, "ticks SPY C", "ticks AAPL")
    assert acts == [Renew((4,))]  # the other one that was refused
    assert desk.states == [FeedState.COMPETING_SESSION, FeedState.READY]


# Silence.


def test_a_mute_underlying_is_asked_for_then_the_link_goes_and_goes_ever_more_rarely(
    desk: Desk,
) -> None:
    closed: list[float] = []
    for _ in range(1_800):
        if any(isinstance(act, Close) for act in desk.passes(2.0, "bars SPY")):
            closed.append(desk.seconds)
            desk.loses(NOON)
            desk.connects()
            for name, line in desk.lines.items():
                desk.lines[name] = replace(
                    line, has_spoken=False, is_renewed=True, silent_seconds=0.0, asked_seconds=0.0
                )
    apart = [round(b - a) for a, b in pairwise(closed)]
    assert 40 <= closed[0] - 1_002.0 <= 50
    assert apart[:3] == sorted(apart[:3]) and min(apart) > 110
    assert len(closed) <= 8  # in an hour


def test_the_morning_is_not_held_against_lines_at_the_open(desk: Desk) -> None:
    """Bars of a thin premarket may be minutes old when the session opens."""
    desk.expects = False
    desk.passes(2.0)
    for _ in range(300):
        desk.passes(2.0, "bars SPY", "ticks AAPL", "depth SPY")
    assert desk.acts == []
    desk.expects = True
    for _ in range(10):
        assert desk.passes(2.0, "bars SPY", "ticks AAPL", "depth SPY") == []
    assert desk.watch.state is FeedState.READY
    desk.passes(4.0, "bars SPY", "ticks AAPL", "depth SPY")
    assert desk.watch.state is FeedState.MUTE


def test_a_silent_member_is_told_once_and_asked_for_ever_more_rarely(desk: Desk) -> None:
    renewed = []
    for _ in range(3_600):
        if Renew((3,)) in desk.passes(2.0, "ticks AAPL"):
            renewed.append(desk.seconds)
    apart = [round(b - a) for a, b in pairwise(renewed)]
    assert [act for act in desk.acts if isinstance(act, Silent)] == [Silent(3, 302.0)]
    assert apart == [300, 600, 1_200, 2_400]
    assert desk.watch.state is FeedState.READY


def test_a_silence_that_ends_by_itself_is_told_to_be_over(desk: Desk) -> None:
    for _ in range(12):
        desk.passes(2.0, "ticks SPY")
    assert [act for act in desk.acts if isinstance(act, Silent)] == [Silent(1, 22.0)]
    desk.lines["ticks SPY"] = replace(desk.lines["ticks SPY"], is_renewed=False, has_spoken=True)
    (verified,) = [act for act in desk.passes(2.0) if isinstance(act, Verified)]
    assert verified.request == 1
    assert desk.passes(2.0) == []


def test_halted_and_refused_lines_are_held_against_nobody(desk: Desk) -> None:
    """A market-wide halt silences all three underlyings for a quarter of an hour."""
    for name, flag in (("ticks SPY", "is_halted"), ("bars SPY", "is_halted"), ("ticks AAPL", "")):
        desk.lines[name] = replace(desk.lines[name], **{flag or "is_refused": True})
    for _ in range(450):
        assert desk.passes(2.0, "ticks SPY", "bars SPY", "ticks AAPL") == []
    assert desk.watch.state is FeedState.READY


def test_after_a_night_restart_quotes_must_answer_and_bars_wait_for_the_open(desk: Desk) -> None:
    desk.expects = False
    for name, line in desk.lines.items():
        desk.lines[name] = replace(line, has_spoken=False, is_answered=False, is_renewed=True)
        desk.lines[name] = replace(desk.lines[name], silent_seconds=0.0, asked_seconds=0.0)
    desk.lines["ticks SPY"] = replace(desk.lines["ticks SPY"], is_answered=True)
    silent = tuple(desk.lines)
    acts = desk.passes(2.0, *silent)
    assert acts == [Verified(1, 2.0)]
    acts = desk.passes(30.0, *silent)
    assert acts == [Silent(3, 32.0), Silent(4, 32.0), Renew((3, 4))]
    desk.expects = True
    desk.passes(0.0, *silent)
    acts = desk.passes(5.0, "ticks SPY C")
    assert Verified(2, 37.0) in acts


def test_an_underlying_whose_data_are_not_live_is_an_alarm_by_kind(desk: Desk) -> None:
    line = desk.lines["ticks SPY"]
    for kind in (3, 3, 1, 2):
        desk.lines["ticks SPY"] = replace(line, market_data_type=kind)
        desk.passes(2.0)
    assert codes(desk.acts) == [("critical", "DATA_NOT_LIVE")] * 2
    desk.lines["ticks SPY"] = replace(line, market_data_type=0, asked_seconds=0.0)
    assert desk.passes(20.0) == []  # the word may be on its way
    assert codes(desk.passes(20.0)) == [("critical", "DATA_NOT_LIVE")]


def test_a_damaged_book_is_asked_for_at_once_and_then_ever_more_rarely(desk: Desk) -> None:
    renewed = []
    for _ in range(300):
        desk.lines["depth SPY"] = replace(desk.lines["depth SPY"], damage="bids out of order")
        if Renew((5,)) in desk.passes(2.0):
            renewed.append(desk.seconds)
    assert [round(b - a) for a, b in pairwise(renewed)] == [30, 60, 120, 240]
    assert codes(desk.acts) == [("warning", "BOOK_DAMAGED")] * 5
