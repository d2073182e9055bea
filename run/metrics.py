"""Prometheus metrics that every process has, and the server that shows them.

docs/observability.md lists them with example queries; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import (
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    start_http_server,
)

from domain.event import Recorded
from domain.events.orders import EntryRefused, FillRecorded, OrderChanged
from domain.events.positions import PositionClosed
from domain.events.risk import RiskDecided

# A second series for each counter, that nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

APPEND_SECONDS = Histogram(
    "striketape_append_seconds", "Time of one append, from call to commit seen", buckets=SECONDS
)
EVENTS_APPENDED = Counter("striketape_events_appended_total", "Events appended")
APPEND_WAITS = Counter(
    "striketape_append_waits_total", "Further attempts at an append while the log stood still"
)
CLOCK_STEP_SECONDS = Gauge(
    "striketape_clock_step_seconds",
    "Step of the database clock that a process waits to see accepted, 0 for none",
)
READ_WAITS = Counter(
    "striketape_read_waits_total", "Further attempts at a read while Postgres was away"
)
READ_WAIT_SECONDS = Counter(
    "striketape_read_wait_seconds_total", "Seconds for which reads stood before those attempts"
)
INPUTS = Counter("striketape_inputs_total", "Inputs consumed", ["worker"])
EMISSIONS = Counter("striketape_emissions_total", "Events emitted by stages", ["worker"])
STEP_SECONDS = Histogram(
    "striketape_step_seconds", "Time of one input through all stages", ["worker"], buckets=SECONDS
)
LAG_SECONDS = Gauge(
    "striketape_lag_seconds", "Real age of the last consumed event when it was consumed", ["worker"]
)
POSITION = Gauge("striketape_position", "Consumed position", ["worker"])
STOPPED_AT = Gauge(
    "striketape_worker_stopped_at",
    "Input before which a worker or projection stands, 0 for none",
    ["worker"],
)
FEED_MESSAGES = Counter("striketape_feed_messages_total", "Messages received", ["feed"])
FEED_REJECTED = Counter("striketape_feed_rejected_total", "Messages not readable", ["feed"])
FEED_LOST = Counter(
    "striketape_feed_lost_total", "Messages that reached us and were lost on the way", ["feed"]
)
FEED_DRIFT = Counter(
    "striketape_feed_drift_total",
    "Fields that are new, gone or of another kind, each once a session",
    ["feed", "kind"],
)
FEED_RATE_CHANGED = Counter(
    "striketape_feed_rate_changed_total",
    "Times that a channel's messages a minute left their usual band",
    ["feed"],
)
FEED_UP = Gauge("striketape_feed_up", "1 while the feed is connected or ready", ["feed"])
FEED_LAST_MESSAGE = Gauge(
    "striketape_feed_last_message_timestamp_seconds",
    "Unix time of the last market message; a pause or a state is none",
    ["feed"],
)
FEED_GAPS_OPEN = Gauge(
    "striketape_feed_gaps_open", "Channels of which data are missing now", ["feed"]
)
FEED_STALE = Gauge(
    "striketape_feed_stale_channels",
    "Channels and lines that are silent though they should speak",
    ["feed"],
)
FEED_DELAY = Gauge(
    "striketape_feed_delay_seconds",
    "From the vendor's time of a datum to its receipt, 99 % of the last minute",
    ["feed", "channel"],
)
BROKER_CLOCK_OFFSET = Gauge(
    "striketape_broker_clock_offset_seconds", "The broker's clock less ours, of the last minute"
)
REST_CALLS = Counter(
    "striketape_rest_calls_total", "Answers to REST calls of a feed, by HTTP status", ["status"]
)
REST_QUOTA_USED = Gauge(
    "striketape_rest_quota_used_ratio", "Used part of the vendor's calls of the day"
)
JOBS = Counter("striketape_jobs_total", "Jobs of the keeper that ended", ["job_name", "outcome"])
LOG_LINES = Counter("striketape_log_lines_total", "Lines written to stdout", ["level"])
QUEUE_DEPTH = Gauge("striketape_queue_depth", "Items waiting", ["queue"])
ORDERS_SENT = Counter("striketape_orders_sent_total", "Requests sent to the broker", ["request"])
INTENT_TO_SENT_SECONDS = Histogram(
    "striketape_intent_to_sent_seconds",
    "From an order's commit to the log to its bytes being handed to the broker's socket",
    ["request"],
    buckets=SECONDS,
)
BROKER_CONNECTED = Gauge(
    "striketape_broker_connected", "1 while the connection to the broker stands", ["worker"]
)
"""Labelled, so that only the process that has the connection shows it."""
DELIVERIES = Counter("striketape_deliveries_total", "Delivery outcomes", ["vendor", "outcome"])

RISK_DECISIONS = Counter("striketape_risk_decisions_total", "Risk decisions", ["outcome"])
RISK_DENIALS = Counter("striketape_risk_denials_total", "Failed checks of refused", ["code"])
ORDER_STATES = Counter("striketape_order_states_total", "Orders that came to a state", ["state"])
FILLS = Counter("striketape_fills_total", "Executions recorded")
POSITIONS_CLOSED = Counter("striketape_positions_closed_total", "Positions closed", ["result"])


def count_outcomes(emitted: Sequence[Recorded]) -> None:
    """Count what risk and execution decided; called with what the trader committed."""
    for event in emitted:
        match event.body:
            case RiskDecided() as body:
                RISK_DECISIONS.labels("approved" if body.approved else "refused").inc()
                for code in body.denials:
                    RISK_DENIALS.labels(code).inc()
            case EntryRefused() as body:
                RISK_DECISIONS.labels("refused_before_sending").inc()
                for code in body.codes:
                    RISK_DENIALS.labels(code).inc()
            case OrderChanged() as body:
                ORDER_STATES.labels(body.state.value).inc()
            case FillRecorded():
                FILLS.inc()
            case PositionClosed() as body:
                POSITIONS_CLOSED.labels("profit" if body.realised_pnl > 0 else "loss").inc()
            case _:
                pass


def serve(host: str, port: int) -> None:
    """Serve /metrics; port 0 serves nothing.

    Raises:
        OSError: the port is taken.
    """
    if port:
        start_http_server(port, addr=host)
