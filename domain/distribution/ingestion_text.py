"""The operator's text of a session's ingestion: a line for each feed, then what was worst. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from domain.events.feed_health import ChannelReport, IngestionReported

WORST_MAX = 5


def ingestion_title(report: IngestionReported) -> str:
    return f"Ingestion of {report.session_date}"


def ingestion_text(report: IngestionReported) -> str:
    """Plain text of a few lines, whatever the number of channels."""
    if not report.channels:
        return "Nothing was received: look at the feeds."
    feeds = sorted({channel.feed for channel in report.channels})
    lines = [_feed_line(feed, [c for c in report.channels if c.feed == feed]) for feed in feeds]
    gaps = sorted(
        (channel for channel in report.channels if channel.gap_seconds),
        key=lambda channel: -channel.gap_seconds,
    )
    if gaps:
        lines.append("Longest gaps: " + "; ".join(_gap(one) for one in gaps[:WORST_MAX]))
    faulty = sorted(
        (channel for channel in report.channels if channel.rejected or channel.drifts),
        key=lambda channel: -(channel.rejected + channel.drifts),
    )
    if faulty:
        lines.append("Rejects and drift: " + "; ".join(_fault(one) for one in faulty[:WORST_MAX]))
    return "\n".join(lines)


def _feed_line(feed: str, channels: Sequence[ChannelReport]) -> str:
    def total(name: str) -> int:
        return sum(getattr(channel, name) for channel in channels)

    seconds = sum(channel.gap_seconds for channel in channels)
    parts = [
        f"{total('messages'):,} messages ({total('bytes') / 1e6:,.0f} MB)",
        f"{total('rejected'):,} rejected",
        f"{total('repeated'):,} repeated",
        f"{total('lost'):,} lost",
        f"{total('drifts'):,} drifts",
        f"{total('gaps'):,} gaps" + (f" ({seconds:,.0f} s)" if seconds else ""),
    ]
    return f"{feed}: {', '.join(parts)}"


def _name(channel: ChannelReport) -> str:
    return channel.channel or f"all of {channel.feed}"


def _gap(channel: ChannelReport) -> str:
    return f"{_name(channel)} {channel.gap_seconds:,.0f} s in {channel.gaps}"


def _fault(channel: ChannelReport) -> str:
    return f"{_name(channel)} {channel.rejected} rejected, {channel.drifts} drifts"
