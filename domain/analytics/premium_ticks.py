"""Net-premium ticks of the flow vendor, a row a minute, where our own flow has a hole.

Called by ingest_rest.py with each answer. A closed minute of which we heard less than half of the
contracts is replaced by the vendor's row, which counts multi-leg trades too; others stand as we
heard them. Rows compared once are not looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from domain.analytics.flow import Flow, MinuteSums
from domain.analytics.hot_frames import Amount, amount
from domain.session import Session

HEARD_MIN = 0.5
"""Share of a minute's contracts, as the vendor counts them, that makes our own minute good."""
_MINUTE = timedelta(minutes=1)


class TickRow(msgspec.Struct):
    """A row of REST net-prem-ticks; premium is that at the ask less that at the bid."""

    tape_time: Annotated[datetime, msgspec.Meta(tz=True)]
    net_call_premium: Amount
    net_put_premium: Amount
    call_volume: int | None = None
    put_volume: int | None = None
    call_volume_ask_side: int | None = None
    put_volume_ask_side: int | None = None
    net_delta: Amount = None


class Ticks(msgspec.Struct):
    data: list[TickRow]


TICKS = msgspec.json.Decoder(Ticks)


def minute_of(executed_ms: int, now: float, session: Session) -> int:
    """Minutes from the open to a trade; one that claims to be of another day is of now."""
    opened = session.open_at.timestamp()
    latest = int(now - opened) // 60
    minute = int(executed_ms - opened * 1_000) // 60_000
    return minute if 0 <= minute <= latest else latest


def take_ticks(
    flow: Flow,
    rows: Sequence[TickRow],
    session: Session,
    now: datetime,
    spot: float | None,
    last_bar: int | None,
) -> None:
    """The rows of today, oldest first. `spot` weighs their delta, which is in shares; `last_bar`
    counts closed 5-second bars since the open, from 0."""
    calls = puts = 0.0
    for row in rows:
        minute = session.minute(row.tape_time)
        if not session.is_open(row.tape_time) or row.tape_time > now:
            continue
        told = _sums(row, spot)
        calls += told.calls
        puts += told.puts
        if minute < flow.ticks_until or row.tape_time + _MINUTE > now:
            continue
        flow.ticks_until = minute + 1
        own = flow.minutes.pop(minute, None)
        heard = 0 if own is None else own.call_volume + own.put_volume
        if heard < HEARD_MIN * (told.call_volume + told.put_volume):
            flow.repair(minute, told, own or MinuteSums(), last_bar)
    flow.vendor_calls, flow.vendor_puts = calls, puts
    flow.ticks_at = now.timestamp()


def _sums(row: TickRow, spot: float | None) -> MinuteSums:
    return MinuteSums(
        calls=amount(row.net_call_premium) or 0.0,
        puts=amount(row.net_put_premium) or 0.0,
        delta=(amount(row.net_delta) or 0.0) * (spot or 0.0),
        call_volume=row.call_volume or 0,
        put_volume=row.put_volume or 0,
        call_ask_volume=row.call_volume_ask_side or 0,
        put_ask_volume=row.put_volume_ask_side or 0,
    )
