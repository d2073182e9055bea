"""What a draft costs: price table of the models that the desk may use, in US dollars.

Prices are per million tokens, of November 2026. A model that is not listed is priced as the
dearest one, so that a budget is never overrun by a renamed model.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

MILLION = Decimal(1_000_000)
LONG_PROMPT_TOKENS = 100_000
"""Above it the newest Haiku costs five times as much."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens; cache writes are those kept for an hour."""

    input_usd: Decimal
    output_usd: Decimal
    cache_write_usd: Decimal
    cache_read_usd: Decimal
    long_prompt_factor: Decimal = Decimal(1)


_HAIKU_5_5 = Price(
    input_usd=Decimal("0.10"),
    output_usd=Decimal("0.50"),
    cache_write_usd=Decimal("0.20"),
    cache_read_usd=Decimal("0.01"),
    long_prompt_factor=Decimal(5),
)
_HAIKU_4_5 = Price(
    input_usd=Decimal("1.00"),
    output_usd=Decimal("5.00"),
    cache_write_usd=Decimal("2.00"),
    cache_read_usd=Decimal("0.10"),
)
PRICES = {
    "claude-haiku-5-5": _HAIKU_5_5,
    "claude-haiku-4-5": _HAIKU_4_5,
    "claude-haiku-4-5-20251001": _HAIKU_4_5,
}
_DEAREST = max(PRICES.values(), key=lambda price: price.output_usd)


def cost_usd(
    model: str,
    input_tokens: int,
    output_tokens: int,
    cache_write_tokens: int = 0,
    cache_read_tokens: int = 0,
) -> Decimal:
    """The price of one answer, exact. `input_tokens` leaves cached tokens out, as usage does."""
    price = PRICES.get(model, _DEAREST)
    prompt_tokens = input_tokens + cache_write_tokens + cache_read_tokens
    factor = price.long_prompt_factor if prompt_tokens > LONG_PROMPT_TOKENS else Decimal(1)
    total = (
        input_tokens * price.input_usd
        + output_tokens * price.output_usd
        + cache_write_tokens * price.cache_write_usd
        + cache_read_tokens * price.cache_read_usd
    )
    return total * factor / MILLION
