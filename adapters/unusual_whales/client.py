"""The client of Unusual Whales, as run/feeds uses it."""

from adapters.unusual_whales.limiter import CALLS_IN_FLIGHT_MAX, Rank
from adapters.unusual_whales.rest_client import (
    UwAnswer,
    UwQuotaSpent,
    UwRest,
    UwRestError,
    UwUnavailable,
)
from adapters.unusual_whales.socket_client import (
    Backoff,
    UwItem,
    UwMessage,
    UwRejected,
    UwSocket,
    UwSocketState,
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
