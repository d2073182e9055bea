"""What went into a prediction, as a digest in its event."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256


def inputs_digest(symbol: str, at: datetime, values: Mapping[str, float | None]) -> str:
    """Of what went into a prediction: the same inputs, the same digest."""
    parts = [symbol, at.isoformat(), *(f"{name}={values[name]!r}" for name in sorted(values))]
    return sha256("|".join(parts).encode()).hexdigest()[:16]
