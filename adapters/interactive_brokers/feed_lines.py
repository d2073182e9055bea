"""What the feed's watchdog decides about its lines, at every heartbeat; pure.

A line that should speak and does not is told, and asked for again; silence of an underlying is
the connection's, any other line's is its own. A connection is given up only for underlyings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from adapters.interactive_brokers.feed_hours import quiet_until
from adapters.interactive_brokers.feed_watch import (
    GIVEN_UP_MAX,
    LIVE,
    MUTE_AGAIN_MUTES,
    SPACING_SECONDS_MAX,
    TYPE_NAMES,
    Act,
    Alarm,
    Close,
    Decision,
    FeedState,
    Limits,
    LineSeen,
    Moment,
    Patience,
    Renew,
    Silent,
    Verified,
    Watch,
)

# How the lines are.


def looked(watch: Watch, lines: Sequence[LineSeen], moment: Moment, limits: Limits) -> Decision:
    """The state that the lines show, and which of them are asked for again."""
    if watch.outage is not None:
        return watch, ()
    since = watch.expects_since
    if not moment.expects_data:
        since = None
    elif since is None:
        since = moment.seconds
    watch = replace(watch, expects_since=since)
    if watch.state is FeedState.COMPETING_SESSION:
        return _look_at_competing(watch, lines, moment, limits)
    if watch.cut_at is not None:
        return _look_at_cut(watch, lines, moment, limits)
    acts: list[Act] = [
        Verified(line.request, line.asked_seconds)
        for line in lines
        if line.is_renewed and line.delivers(expects_data=moment.expects_data)
    ]
    watch, silent = _ask_again(watch, lines, moment, limits)
    acts += silent
    watch, of_types = _look_at_types(watch, lines, moment, limits)
    acts += of_types
    watch, of_books = _mend_books(watch, lines, moment, limits)
    acts += of_books
    watch, of_state = _judge(watch, lines, moment, limits)
    return watch, (*acts, *of_state)


def _overdue(line: LineSeen, watch: Watch, moment: Moment, limits: Limits) -> bool:
    """It should have spoken by now."""
    if line.is_refused or line.is_halted:
        return False
    expects = moment.expects_data
    seconds = line.silent_seconds
    if watch.expects_since is not None:  # the night before is not held against it
        seconds = min(seconds, moment.seconds - watch.expects_since)
    if line.delivers(expects_data=expects):
        if not expects or line.is_option:
            return False
        limit = limits.member_seconds
        if line.kind == "depth":
            limit = limits.depth_seconds
        elif line.is_vital:
            limit = limits.mute_seconds
        return seconds > limit
    if line.is_vital and line.kind != "depth" and expects:
        return seconds > limits.mute_seconds
    if expects or line.kind == "ticks":
        return line.silent_seconds > limits.first_seconds
    return False


def _mend_books(
    watch: Watch, lines: Sequence[LineSeen], moment: Moment, limits: Limits
) -> tuple[Watch, list[Act]]:
    """Books that cannot be right are asked for anew, ever more rarely while that does not help."""
    acts: list[Act] = []
    mending = dict(watch.mending)
    for line in lines:
        before = mending.get(line.name, Patience(0, -math.inf))
        if not line.damage:
            if moment.seconds >= before.next_at + limits.member_seconds:
                mending.pop(line.name, None)  # it has been right for long
        elif moment.seconds >= before.next_at:
            acts.append(Alarm("warning", "BOOK_DAMAGED", f"{line.name}: {line.damage}"))
            acts.append(Renew((line.request,)))
            wait = min(limits.first_seconds * 2**before.tries, SPACING_SECONDS_MAX)
            mending[line.name] = Patience(before.tries + 1, moment.seconds + wait)
    return replace(watch, mending=mending), acts


def _look_at_types(
    watch: Watch, lines: Sequence[LineSeen], moment: Moment, limits: Limits
) -> tuple[Watch, list[Act]]:
    """An underlying whose data are not live stops all trading in it: that is an alarm."""
    severity = "critical" if moment.expects_data else "warning"
    wrong = frozenset(
        (line.name, line.market_data_type, severity)
        for line in lines
        if line.is_vital
        and line.kind == "ticks"
        and line.has_spoken
        and line.market_data_type != LIVE
        and (line.market_data_type or line.asked_seconds > limits.first_seconds)
    )
    acts: list[Act] = [
        Alarm(severity, "DATA_NOT_LIVE", f"{name}: {TYPE_NAMES.get(kind, kind)} data never trade")
        for name, kind, _ in sorted(wrong - watch.untradable)
    ]
    return replace(watch, untradable=wrong), acts


def _is_vital(line: LineSeen) -> bool:
    return line.is_vital and line.kind != "depth" and not (line.is_refused or line.is_halted)


def _ask_again(
    watch: Watch, lines: Sequence[LineSeen], moment: Moment, limits: Limits
) -> tuple[Watch, list[Act]]:
    """Silent lines that are their own affair: told once, and asked for ever more rarely."""
    acts: list[Act] = []
    again: list[int] = []
    patience: dict[str, Patience] = {}
    for line in lines:
        before = watch.patience.get(line.name)
        if not _overdue(line, watch, moment, limits):
            if before is not None and not line.delivers(expects_data=moment.expects_data):
                patience[line.name] = before
            elif before is not None and not line.is_renewed:
                acts.append(Verified(line.request, line.asked_seconds))  # by itself
            continue
        if before is None:
            acts.append(Silent(line.request, line.silent_seconds))
        if _is_vital(line) and moment.expects_data:
            patience[line.name] = before or Patience(0, math.inf)
        elif before is None or moment.seconds >= before.next_at:
            again.append(line.request)
            tries = 1 if before is None else before.tries + 1
            wait = min(limits.member_seconds * 2 ** (tries - 1), SPACING_SECONDS_MAX)
            patience[line.name] = Patience(tries, moment.seconds + wait)
        else:
            patience[line.name] = before
    if again:
        acts.append(Renew(tuple(again)))
    return replace(watch, patience=patience), acts


def _judge(
    watch: Watch, lines: Sequence[LineSeen], moment: Moment, limits: Limits
) -> tuple[Watch, tuple[Act, ...]]:
    """Mute while a vital line is; ready when all of them speak."""
    vital = [line for line in lines if _is_vital(line)]
    silent = [line for line in vital if _overdue(line, watch, moment, limits)]
    if not moment.expects_data:
        if any(line.has_spoken for line in lines):
            return _ready(watch), ()
        return watch, ()
    if not silent:
        speak = any(line.has_spoken for line in lines)
        if speak and all(line.has_spoken for line in vital):
            return _ready(watch), ()
        return watch, ()
    names = ", ".join(line.name for line in silent)
    reason = f"nothing for {limits.mute_seconds:g} s on {names}"
    if watch.state is not FeedState.MUTE:
        watch = replace(watch, state=FeedState.MUTE, reason=reason)
    patient = MUTE_AGAIN_MUTES * limits.mute_seconds
    held = patient * 2**watch.given_up if watch.given_up else 0.0
    was_renewed = moment.seconds - watch.renewed_at < patient
    if was_renewed and moment.seconds - watch.opened_at >= held:
        given_up = min(watch.given_up + 1, GIVEN_UP_MAX)
        return replace(watch, given_up=given_up, reason=reason), (Close(reason),)
    watch = replace(watch, renewed_at=moment.seconds)
    return watch, (Renew(tuple(line.request for line in silent)),)


def _ready(watch: Watch) -> Watch:
    if watch.state is FeedState.READY:
        return watch
    reason = "data flows again" if watch.state is not FeedState.CONNECTED else ""
    return replace(watch, state=FeedState.READY, reason=reason, given_up=0)


def _look_at_cut(
    watch: Watch, lines: Sequence[LineSeen], moment: Moment, limits: Limits
) -> Decision:
    """TWS has lost the broker: new subscriptions would help nothing. Data end it, or a notice."""
    assert watch.cut_at is not None
    seconds = moment.seconds - watch.cut_at
    vital = [line for line in lines if _is_vital(line)] or list(lines)
    if vital and all(line.has_spoken and line.silent_seconds < seconds for line in vital):
        return _ready(replace(watch, cut_at=None, is_cut_alarmed=False)), ()
    is_expected = quiet_until(moment.at) is not None
    if seconds < limits.cut_seconds or watch.is_cut_alarmed or is_expected:
        return watch, ()
    severity = "critical" if moment.expects_data else "warning"
    text = f"TWS has been cut off from the broker for {seconds:.0f} s: {watch.reason}"
    return replace(watch, is_cut_alarmed=True), (Alarm(severity, "BROKER_CUT_OFF", text),)


def _look_at_competing(
    watch: Watch, lines: Sequence[LineSeen], moment: Moment, limits: Limits
) -> Decision:
    """Left only when a line that was refused delivers again; one of them is tried now and then."""
    refused = [line for line in lines if line.name in watch.competing]
    seconds = moment.seconds - watch.competing_at
    if any(line.has_spoken and line.silent_seconds < seconds for line in refused):
        dead = tuple(
            line.request
            for line in refused
            if not line.has_spoken or line.silent_seconds >= seconds
        )
        left = replace(watch, competing=frozenset(), renewed_at=moment.seconds)
        acts: tuple[Act, ...] = (Renew(dead),) if dead else ()
        return _ready(left), acts
    if not refused or moment.seconds - watch.probed_at < limits.probe_seconds:
        return watch, ()
    probe = min(refused, key=lambda line: (not line.is_vital, line.request))
    return replace(watch, probed_at=moment.seconds), (Renew((probe.request,)),)
