"""What the feed's watchdog decides about the connection, as a pure state machine.

market_data.py tells it what happened to the connection and what TWS said; it answers with the
next Watch and with acts. An outage in the hours in which TWS and the broker's servers restart is
ridden out, one beyond them is an alarm with a name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from adapters.interactive_brokers.feed_hours import is_login_due, quiet_until
from adapters.interactive_brokers.feed_watch import (
    COMPETING,
    CUT_CODES,
    DATA_KEPT,
    DATA_LOST,
    FARM_BROKEN,
    FARM_OK,
    PORT_RESET,
    RATE_EXCEEDED,
    Act,
    Alarm,
    Close,
    Decision,
    FeedState,
    Limits,
    LineSeen,
    Moment,
    Outage,
    Recheck,
    Renew,
    Watch,
)

# The connection.


def opened(watch: Watch, moment: Moment) -> Decision:
    """The handshake is done."""
    return (
        Watch(
            state=FeedState.CONNECTED,
            opened_at=moment.seconds,
            given_up=watch.given_up,
            expects_since=watch.expects_since,
        ),
        (),
    )


def lost(watch: Watch, reason: str, moment: Moment) -> Decision:
    """A connection ended."""
    quiet = quiet_until(moment.at)
    state = FeedState.DOWN if quiet is None else FeedState.RESTARTING
    outage = Outage(moment.seconds, quiet)
    return replace(watch, state=state, reason=reason, outage=outage, competing=frozenset()), ()


def failed(
    watch: Watch, reason: str, moment: Moment, limits: Limits, *, is_silent: bool
) -> Decision:
    """A connection could not be made. `is_silent`: TWS took it and said nothing, as it does while
    its log-in dialog stands open."""
    outage = watch.outage or Outage(moment.seconds, quiet_until(moment.at))
    seconds = moment.seconds - outage.since
    acts: tuple[Act, ...] = ()
    if outage.quiet_until is not None and moment.at < outage.quiet_until:
        state = FeedState.RESTARTING
    elif is_login_due(moment.at) and seconds >= limits.login_seconds:
        state = FeedState.LOGGED_OUT
        text = "TWS needs its weekly log-in, with the second factor on the owner's phone"
        outage, acts = _alarmed(outage, Alarm("critical", "LOGIN_NEEDED", f"{text}: {reason}"))
    elif outage.quiet_until is not None:
        state = FeedState.LOGGED_OUT
        text = "TWS is not back from its restart, it may stand at its log-in dialog"
        outage, acts = _alarmed(outage, Alarm("critical", "RESTART_OVERDUE", f"{text}: {reason}"))
    elif is_silent and seconds >= limits.login_seconds:
        state = FeedState.LOGGED_OUT
        text = "TWS takes connections and answers nothing, it may stand at its log-in dialog"
        outage, acts = _alarmed(outage, Alarm("critical", "LOGIN_NEEDED", f"{text}: {reason}"))
    else:
        state = FeedState.DOWN
        if seconds >= limits.down_seconds:
            severity = "critical" if moment.expects_data else "warning"
            text = f"no connection to TWS for {seconds:.0f} s: {reason}"
            outage, acts = _alarmed(outage, Alarm(severity, "BROKER_FEED_DOWN", text))
    if state is FeedState.DOWN and watch.state is FeedState.LOGGED_OUT:
        state = FeedState.LOGGED_OUT  # a refusal between two silent ones is no recovery
    return replace(watch, state=state, reason=reason, outage=outage), acts


def _alarmed(outage: Outage, alarm: Alarm) -> tuple[Outage, tuple[Act, ...]]:
    """Each alarm once an outage."""
    key = (alarm.code, alarm.severity)
    if key in outage.alarmed:
        return outage, ()
    return replace(outage, alarmed=outage.alarmed | {key}), (alarm,)


# What TWS says.


def noticed(
    watch: Watch, code: int, text: str, moment: Moment, lines: Sequence[LineSeen], line: str = ""
) -> Decision:
    """A notice or an error that tells of the connection; `line` is the one it names."""
    if watch.outage is not None:
        return watch, ()
    if code in CUT_CODES:  # repeats every few seconds
        cut_at = moment.seconds if watch.cut_at is None else watch.cut_at
        return replace(watch, state=FeedState.MUTE, reason=text, cut_at=cut_at), ()
    if code == DATA_LOST:
        mended = replace(_mended(watch), reason=text, renewed_at=moment.seconds)
        return mended, (Renew(tuple(seen.request for seen in lines)),)
    if code == DATA_KEPT:  # which is not always true
        return replace(_mended(watch), reason=text), (Recheck(),)
    if code == FARM_BROKEN:
        return replace(watch, farm_broken=True), ()
    if code == FARM_OK and watch.farm_broken:  # streams may be dead with no other sign
        return replace(watch, farm_broken=False, renewed_at=-math.inf), (Recheck(),)
    if code == PORT_RESET:
        return watch, (Close(text),)
    if code == RATE_EXCEEDED:
        return watch, (Alarm("warning", "BROKER_RATE_EXCEEDED", text),)
    if code == COMPETING and line:
        return _competes(watch, text, moment, line)
    return watch, ()


def _mended(watch: Watch) -> Watch:
    return replace(
        watch,
        state=FeedState.CONNECTED,
        cut_at=None,
        is_cut_alarmed=False,
        farm_broken=False,
        renewed_at=-math.inf,
        patience={},
    )


def _competes(watch: Watch, text: str, moment: Moment, line: str) -> Decision:
    known = watch.state is FeedState.COMPETING_SESSION
    watch = replace(
        watch,
        state=FeedState.COMPETING_SESSION,
        reason=text,
        competing=watch.competing | {line},
        competing_at=moment.seconds,
        probed_at=watch.probed_at if known else moment.seconds,
    )
    alarm = Alarm("critical", "COMPETING_SESSION", f"the broker's user is logged in twice: {text}")
    return watch, () if known else (alarm,)
