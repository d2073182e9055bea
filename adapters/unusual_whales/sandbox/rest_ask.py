"""One call of the sandbox's REST side, read; and which of the routes by template it is for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from adapters.unusual_whales.sandbox.wire import JsonOut, Row


class BadParameter(ValueError):
    """A malformed ticker or parameter: 422."""


class UnknownTicker(LookupError):
    """A well-formed ticker that the market does not have: 404 with {}."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a call asks for. `symbol` is that of the path, empty when it has none; `day` is None
    for today; `limit` is 0 when none was given."""

    symbol: str
    day: date | None
    limit: int
    query: Mapping[str, str]
    expiries: tuple[date, ...]
    """Of the path, of `expiry`, or of `expirations[]`."""
    name: str = ""
    """A further part of the path: a contract or a candle size."""

    def capped(self, default: int, most: int) -> int:
        return min(self.limit or default, most)

    @property
    def expiry(self) -> date:
        if not self.expiries:
            raise BadParameter("expiry is missing")
        return self.expiries[0]


Answerer = Callable[[Ask], JsonOut]


class Routes:
    """Templates such as /api/stock/{ticker}/nope and who answers them."""

    def __init__(self, answerers: Iterable[tuple[str, Answerer]]) -> None:
        self._patterns: list[tuple[re.Pattern[str], Answerer]] = [
            (re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path))), answerer)
            for path, answerer in answerers
        ]

    def find(self, path: str) -> tuple[Answerer, dict[str, str]] | None:
        """Who answers a path, and the parts that its template leaves open."""
        for pattern, answerer in self._patterns:
            if (found := pattern.fullmatch(path)) is not None:
                return answerer, found.groupdict()
        return None


def rows_body(rows: Iterable[Row]) -> Row:
    """The usual envelope."""
    return {"data": list(rows)}


def read_date(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadParameter(f"date {text[:20]}") from None


def read_limit(text: str | None) -> int:
    if text is None:
        return 0
    if not text.isdecimal() or int(text) < 1:
        raise BadParameter(f"limit {text[:20]}")
    return int(text)


def read_number(text: str | None, default: float) -> float:
    if text is None:
        return default
    try:
        return float(text)
    except ValueError:
        raise BadParameter(f"number {text[:20]}") from None


def epoch_seconds(text: str | None, default: float = 0.0) -> float:
    """Epoch seconds or milliseconds; an ISO time is ignored, as the vendor ignores it here."""
    if text is None or not text.isdecimal():
        return default
    value = float(text)
    return value / 1000 if value > 1e11 else value
