"""The catalogue: every event type, one module for each part of the desk.

Importing this package registers all of them (domain/event.py, `body_class`).
"""

from domain.events import (
    analytics,
    approvals,
    controls,
    feed_health,
    feeds,
    forecasts,
    interest_rates,
    jobs,
    log,
    market_facts,
    orders,
    parameters,
    positions,
    publication,
    rates,
    reports,
    risk,
    session_hours,
    sessions,
    signals,
    system,
    timing,
)

__all__ = [
    "analytics",
    "approvals",
    "controls",
    "feed_health",
    "feeds",
    "forecasts",
    "interest_rates",
    "jobs",
    "log",
    "market_facts",
    "orders",
    "parameters",
    "positions",
    "publication",
    "rates",
    "reports",
    "risk",
    "session_hours",
    "sessions",
    "signals",
    "system",
    "timing",
]
