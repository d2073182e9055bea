"""The thesis stop of what is held for weeks: a session that closed beyond a short strike (4.6).

Called by stop_state.py. Each session counts once: by its own last bar or, where bars ended early,
by the close that is read as history before the next open.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from domain.execution.exit_cases import DAILY_CLOSE_RULE
from domain.execution.underlying import BAR, UnderlyingWatch
from domain.execution.watched import Watched
from domain.instruments import Right
from domain.session import Session, new_york

LAST_BAR_WAIT = timedelta(seconds=10)
"""After the close the last bar is waited for; options trade on for a quarter of an hour."""
LAST_BAR_EARLY_MAX = timedelta(minutes=1)
"""Bars that ended earlier than this do not tell the close."""

Close = tuple[date, float]


def close_of_session(watch: UnderlyingWatch, session: Session, now: datetime) -> Close | None:
    """The close of the session that ended, by its bars."""
    if now < session.close_at + LAST_BAR_WAIT or watch.last_start is None:
        return None
    price, ended_at = watch.last_close, watch.last_start + BAR
    if price is None or session.close_at - ended_at > LAST_BAR_EARLY_MAX:
        return None
    return session.session_date, price


def judge_close(watched: Watched, close: Close) -> None:
    """Note what closed beyond a short strike; a close before the entry says nothing."""
    day, price = close
    if watched.opened.exit_plan.invalidation != DAILY_CLOSE_RULE or not watched.is_held:
        return
    if watched.closed_on is not None and day <= watched.closed_on:
        return
    if day < new_york(watched.opened.opened_at).date():
        return
    watched.closed_on, watched.closed_beyond = day, ()
    for leg in watched.structure.legs:
        strike = float(leg.contract.strike)
        is_call = leg.contract.right is Right.CALL
        beyond = price > strike if is_call else price < strike
        if leg.ratio < 0 and beyond:
            watched.closed_beyond = (f"close {price} of {day}", f"short strike {strike:g}")
