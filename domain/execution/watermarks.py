"""High-water marks as events: what trailing stops rest on survives without the quotes behind it.

A position may be held for weeks, and a restart folds no ticks of weeks ago. Called by the stop
stage: `due` when something about a position changed, `restored` when the event is folded.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.events.positions import PositionWatermark
from domain.execution.watched import Watched
from domain.instruments import TICK

BEST_EVERY = timedelta(seconds=1)
"""A best mark that rises by a tick or more is written at most so often, as a stop moves."""
SPREAD_EVERY = timedelta(minutes=1)


def _present(watched: Watched) -> PositionWatermark:
    return PositionWatermark(
        position_id=watched.position_id,
        best_mark=watched.best,
        spread=watched.spread,
        underlying_extreme=watched.best_extreme,
        chandelier=watched.chandelier,
        closes_beyond=watched.closes_beyond,
        closes_back=watched.closes_back,
    )


def _of_minutes(mark: PositionWatermark) -> tuple[object, ...]:
    return mark.underlying_extreme, mark.chandelier, mark.closes_beyond, mark.closes_back


def due(watched: Watched, now: datetime) -> PositionWatermark | None:
    """What is to be written now: minutes as they close, a better mark soon, the rest in time."""
    mark, written, at = _present(watched), watched.watermark, watched.watermark_at
    if written is None or at is None:
        is_known = mark.best_mark is not None or mark.underlying_extreme is not None
        return mark if is_known else None
    if mark == written:
        return None
    if _of_minutes(mark) != _of_minutes(written) or now - at >= SPREAD_EVERY:
        return mark
    before, best = written.best_mark, mark.best_mark
    is_better = best is not None and (before is None or best - before >= TICK)
    return mark if is_better and now - at >= BEST_EVERY else None


def restored(watched: Watched, body: PositionWatermark, now: datetime) -> None:
    """The state as it was when the event was written."""
    watched.best, watched.spread = body.best_mark, body.spread
    watched.best_extreme, watched.chandelier = body.underlying_extreme, body.chandelier
    watched.closes_beyond, watched.closes_back = body.closes_beyond, body.closes_back
    watched.watermark, watched.watermark_at = body, now
