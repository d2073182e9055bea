"""What comes of asking for a draft: an answer with what it cost, or why there is none.

Apart from writer.py so that run/outbox knows them without loading the vendor's library.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from adapters.claude.prices import cost_usd


@dataclass(frozen=True, slots=True)
class DraftAnswer:
    """The model's answer. Use `text` only when `stop_reason` is end_turn.

    `model` is what the answer reports. Token counts as billed; `input_tokens` leaves out what
    was written to or read from the cache.
    """

    text: str
    model: str
    request_id: str
    stop_reason: str
    input_tokens: int
    output_tokens: int
    cache_write_tokens: int
    cache_read_tokens: int

    @property
    def cost_usd(self) -> Decimal:
        return cost_usd(
            self.model,
            self.input_tokens,
            self.output_tokens,
            self.cache_write_tokens,
            self.cache_read_tokens,
        )


class DraftErrorKind(StrEnum):
    """Only `busy`, `timeout` and `connection` are worth another try."""

    BUSY = "busy"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    SPEND_LIMIT = "spend_limit"
    BILLING = "billing"
    AUTHENTICATION = "authentication"
    REFUSED = "refused"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class DraftError:
    """No draft. `retry_after_seconds` when the vendor stated a wait."""

    kind: DraftErrorKind
    text: str
    retry_after_seconds: float | None = None
