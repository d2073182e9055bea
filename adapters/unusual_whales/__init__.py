"""Unusual Whales: the client of its socket and REST interface, and a sandbox that speaks both."""

from adapters.unusual_whales.client import (
    CALLS_IN_FLIGHT_MAX,
    Backoff,
    Rank,
    UwAnswer,
    UwItem,
    UwMessage,
    UwQuotaSpent,
    UwRejected,
    UwRest,
    UwRestError,
    UwSocket,
    UwSocketState,
    UwUnavailable,
)

__all__ = [
    "CALLS_IN_FLIGHT_MAX",
    "Backoff",
    "Rank",
    "UwAnswer",
    "UwItem",
    "UwMessage",
    "UwQuotaSpent",
    "UwRejected",
    "UwRest",
    "UwRestError",
    "UwSocket",
    "UwSocketState",
    "UwUnavailable",
]
