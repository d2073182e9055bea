"""Feeds and their channels as the health of the desk shows them: what is wrong with each, since
when and why.

Called by api/health.py. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from api.fold_state import DeskFold, Row
from domain.payloads.unusual_whales.channel_table import CHANNELS, silence_limit
from domain.phase import Phase, phase_at

UP, DEGRADED, DOWN = "up", "degraded", "down"
ENTRIES_SHOWN_MAX = 50
_GOOD_STATES = frozenset({"ready", "connected"})
_QUIET_STATES = frozenset({"paused", "restarting", "connecting", "slow"})


def feed_row(row: Row, phase: Phase | None, beats: Iterable[Row]) -> Row:
    """A feed with its open gaps, what changed, and channels that are refused or silent; those that
    are merely useful are shown and do not weigh on the status, and neither does a change that
    could be read."""
    gaps = sorted(row["gaps"].values(), key=lambda gap: (not _weighs(gap["channel"]), gap["since"]))
    lacking = [gap["channel"] for gap in gaps] + [*row["refused"], *row["stale"]]
    if row["state"] in _GOOD_STATES:
        status = DEGRADED if any(_weighs(channel) for channel in lacking) else UP
    else:
        status = DEGRADED if row["state"] in _QUIET_STATES else DOWN
    return {
        "name": row["feed"],
        "state": row["state"],
        "status": status,
        "reason": row["reason"],
        "since": row["since"],
        "gap": gaps[0] if gaps and _weighs(gaps[0]["channel"]) else None,
        "gaps": gaps[:ENTRIES_SHOWN_MAX],
        "gaps_open": len(gaps),
        "refused": _named(row["refused"]),
        "stale": _named(row["stale"]),
        "silent": _named(row["silent"]),
        "drift": sorted(row["drift"].values(), key=lambda one: one["since"])[-ENTRIES_SHOWN_MAX:],
        "drifts": len(row["drift"]),
        "rates": _named({name: r for name, r in row["rates"].items() if _is_of(r, phase)}),
        "disabled": _named(row["disabled"], "path"),
        "budget": _budget(row, beats),
        "event_id": row["event_id"],
    }


def phase_of(fold: DeskFold, market_time: datetime) -> Phase | None:
    """The phase by which silence is judged; None while nobody can tell, as in a stretch that leaves
    data out."""
    clock = fold.clock
    if fold.plan is None or clock.get("speed", 1.0) == 0 or clock.get("is_thinned", False):
        return None
    return phase_at(fold.plan, market_time)


def channel_rows(fold: DeskFold, tails: Iterable[Row], market_time: datetime) -> list[Row]:
    """Streams of the vendors with the age of their last datum, the silence that the phase allows,
    and what is wrong with them; those with something wrong first, then by name."""
    found = [_channel(fold, tail["stream"], tail["age_seconds"], market_time) for tail in tails]
    return sorted(found, key=lambda row: (row["status"] == UP, row["stream"]))


def _channel(fold: DeskFold, stream: str, age_seconds: float, market_time: datetime) -> Row:
    feed, channel = _feed_and_channel(stream)
    limit = _limit(fold, channel, market_time)
    wrong = _wrong(fold.feeds.get(feed), channel)
    if not wrong and limit is not None and age_seconds > limit:
        # The feeds say so themselves, unless they are not there to say it. A phase that has just
        # begun is no silence yet.
        ago = timedelta(seconds=limit * fold.clock.get("speed", 1.0))
        wrong = "silent" if _limit(fold, channel, market_time - ago) is not None else ""
    return {
        "stream": stream,
        "feed": feed,
        "channel": channel,
        "age_seconds": age_seconds,
        "limit_seconds": limit,
        "status": DEGRADED if wrong else UP,
        "reason": wrong,
    }


def _limit(fold: DeskFold, channel: str, market_time: datetime) -> float | None:
    phase = phase_of(fold, market_time)
    return None if phase is None else silence_limit(channel, phase)


def _feed_and_channel(stream: str) -> tuple[str, str]:
    vendor, _, rest = stream.partition("/")
    if vendor == "uw":
        return ("uw.rest", rest) if rest.startswith("rest/") else ("uw.socket", rest)
    return "ib.data", rest.replace("/", " ")


def _wrong(row: Row | None, channel: str) -> str:
    """What the feed says of a channel; lines of the broker are named with their contract too."""
    if row is None:
        return ""
    if channel in row["refused"]:
        return f"refused: {row['refused'][channel]['reason']}"
    if channel in row["stale"]:
        return "silent"
    if any(name == channel or name.startswith(f"{channel} ") for name in row["silent"]):
        return "silent"
    gaps = row["gaps"].values()
    return next((f"gap: {g['cause']}" for g in gaps if g["channel"] in (channel, "")), "")


def _named(entries: Row, key: str = "channel") -> list[Row]:
    return [{key: name, **about} for name, about in list(entries.items())[:ENTRIES_SHOWN_MAX]]


def _budget(row: Row, beats: Iterable[Row]) -> Row | None:
    """The plan of the day's calls, with the part of the vendor's quota that is used by now."""
    planned: Row | None = row["budget"]
    if planned is None:
        return None
    figures: Row = next((beat["figures"] for beat in beats if beat["name"] == "feeds"), {})
    return planned | {"quota_used": figures.get("rest_quota_used")}


def _is_of(rate: Row, phase: Phase | None) -> bool:
    """A rate was judged in its own phase; in the next one nothing is known yet."""
    return phase is None or rate["phase"] == phase.value


def _weighs(channel: str) -> bool:
    """Whether the desk needs the channel; an empty one is the whole feed."""
    known = CHANNELS.get(channel)
    return known is None or known.priority == 1
