"""Prometheus metrics of the projector: its views, and the Redis that holds most of them.

Apart from run/metrics.py, so that only the process that measures them shows them: a gauge at zero
elsewhere would read as a Redis that is down.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from run.metrics import SECONDS

LAG_BOUNDS_SECONDS = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip

PROJECTED_EVENTS = Counter("striketape_projected_events_total", "Events applied", ["projection"])
PROJECTION_LAG_SECONDS = Histogram(
    "striketape_projection_lag_seconds",
    "Real time from an event's recording to its being in the view",
    ["projection"],
    buckets=LAG_BOUNDS_SECONDS,
)
PROJECTION_APPLY_SECONDS = Histogram(
    "striketape_projection_apply_seconds",
    "Time of writing one page to the view",
    ["projection"],
    buckets=SECONDS,
)
PROJECTION_LAG_EVENTS = Gauge(
    "striketape_projection_lag_events", "Events that the view does not have yet", ["projection"]
)
PROJECTION_REBUILDS = Gauge(
    "striketape_projection_rebuilds", "Times this process built the view anew", ["projection"]
)
REDIS_UP = Gauge("striketape_redis_up", "1 when Redis answers, else 0")
REDIS_MEMORY_BYTES = Gauge("striketape_redis_used_memory_bytes", "Memory that Redis uses")
REDIS_KEYS = Gauge("striketape_redis_keys", "Keys in Redis")
