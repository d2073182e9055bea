"""Prometheus metrics that every process has, and the server that shows them."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, start_http_server

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

APPEND_SECONDS = Histogram(
    "striketape_append_seconds", "Time of one append, from call to commit seen", buckets=_SECONDS
)
EVENTS_APPENDED = Counter("striketape_events_appended_total", "Events appended")
APPEND_WAITS = Counter(
    "striketape_append_waits_total", "Further attempts at an append while the log stood still"
)
INPUTS = Counter("striketape_inputs_total", "Inputs consumed", ["worker"])
EMISSIONS = Counter("striketape_emissions_total", "Events emitted by stages", ["worker"])
STEP_SECONDS = Histogram(
    "striketape_step_seconds", "Time of one input through all stages", ["worker"], buckets=_SECONDS
)
LAG_SECONDS = Gauge(
    "striketape_lag_seconds", "Real age of the last consumed event when it was consumed", ["worker"]
)
POSITION = Gauge("striketape_position", "Consumed position", ["worker"])
FEED_MESSAGES = Counter("striketape_feed_messages_total", "Messages received", ["feed"])
FEED_REJECTED = Counter("striketape_feed_rejected_total", "Messages not readable", ["feed"])
QUEUE_DEPTH = Gauge("striketape_queue_depth", "Items waiting", ["queue"])
ORDERS_SENT = Counter("striketape_orders_sent_total", "Requests sent to the broker", ["request"])
DELIVERIES = Counter("striketape_deliveries_total", "Delivery outcomes", ["vendor", "outcome"])


def serve(port: int) -> None:
    """Serve /metrics on the loopback interface; port 0 serves nothing."""
    if port:
        start_http_server(port, addr="127.0.0.1")
