"""The vendor's own time of a socket payload, for measuring how late it came. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from domain.payloads.unusual_whales.channel_table import CHANNELS


class _Times(msgspec.Struct, gc=False):
    timestamp: int | str | None = None
    time: int | str | None = None
    executed_at: int | str | None = None
    end_time: int | str | None = None
    tape_time: int | str | None = None


_times = msgspec.json.Decoder(_Times)


def vendor_time(channel: str, payload: bytes) -> datetime | None:
    """When the vendor says it was; None where it does not say, or not readably."""
    known = CHANNELS.get(channel)
    if known is None or not known.time_field:
        return None
    try:
        told = getattr(_times.decode(payload), known.time_field)
        if isinstance(told, int):
            return datetime.fromtimestamp(told / 1_000, UTC)
        at = datetime.fromisoformat(told) if told else None
    except (ValueError, OverflowError, OSError, RecursionError, msgspec.MsgspecError):
        return None
    return at if at is not None and at.tzinfo is not None else None
