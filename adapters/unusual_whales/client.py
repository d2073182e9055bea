"""The client of Unusual Whales, as run/feeds uses it."""

from adapters.unusual_whales.limiter import CALLS_IN_FLIGHT_MAX, Rank
from adapters.unusual_whales.reconnects import Backoff
from adapters.unusual_whales.rest_client import (
    UwAnswer,
    UwQuotaSpent,
    UwRest,
    UwRestError,
    UwUnavailable,
)
from adapters.unusual_whales.socket_client import FRAME_BYTES_MAX, UwSocket
from adapters.unusual_whales.socket_contract import (
    UwItem,
    UwJoin,
    UwMessage,
    UwRejected,
    UwSocketListener,
    UwSocketState,
    UwSocketTiming,
)

__all__ = [
    "CALLS_IN_FLIGHT_MAX",
    "FRAME_BYTES_MAX",
    "Backoff",
    "Rank",
    "UwAnswer",
    "UwItem",
    "UwJoin",
    "UwMessage",
    "UwQuotaSpent",
    "UwRejected",
    "UwRest",
    "UwRestError",
    "UwSocket",
    "UwSocketListener",
    "UwSocketState",
    "UwSocketTiming",
    "UwUnavailable",
]
