"""The daemons of the desk, in the order in which they start; compose.yaml lists the same."""

from __future__ import annotations

SERVICES: tuple[tuple[str, str], ...] = (
    ("projector", "run.projector"),
    ("feeds", "run.feeds"),
    ("signals", "run.signals"),
    ("trader", "run.watchdog"),
    ("outbox", "run.outbox"),
    ("telegram", "run.telegram"),
    ("keeper", "run.keeper"),
    ("api", "run.api"),
)
"""Name and module; the watchdog starts run.trader as its child."""
