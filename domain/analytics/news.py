"""News shock: headlines classified by a fixed keyword table, and the one-minute test of the tape.

Called by the stage. A headline only classifies; it never sets a direction. The table is
versioned, so that replay is exact.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from domain.analytics.ewma import EwMoments, minutes_moments

KEYWORDS_VERSION = 1
KEYWORDS: dict[str, tuple[str, ...]] = {
    "rates": (
        "rate cut",
        "rate hike",
        "interest rate",
        "fomc",
        "federal reserve",
        "powell",
        "fed",
        "emergency cut",
    ),
    "inflation": ("cpi", "ppi", "pce", "inflation"),
    "jobs": ("nonfarm", "payrolls", "unemployment", "jobless claims", "jobs report"),
    "war": ("war", "missile", "invasion", "airstrike", "nuclear", "military strike"),
    "tariff": ("tariff", "tariffs", "trade war", "sanctions"),
    "default": ("default", "debt ceiling", "downgrade", "bankruptcy"),
    "halt": ("trading halt", "circuit breaker", "halted", "market-wide halt"),
    "outage": ("outage", "cyberattack", "exchange down", "systems issue"),
}
_PATTERNS = {
    name: re.compile(r"\b(?:" + "|".join(re.escape(word) for word in words) + r")\b")
    for name, words in KEYWORDS.items()
}
CAUTION_SECONDS = 180.0
SILENT_SECONDS = 900.0
SHOCK_SIGMAS = 4.0
SHOCK_SIGMAS_AFTER_NEWS = 2.5
SHOCK_VOLUME_Z = 3.0
NONE = "NONE"
CAUTION = "NEWS_CAUTION"
SHOCK = "SHOCK"


def classes_of(headline: str) -> tuple[str, ...]:
    """Classes of the keyword table that a headline falls in, in the table's order."""
    text = headline.lower()
    return tuple(name for name, pattern in _PATTERNS.items() if pattern.search(text))


def touches(tickers: tuple[str, ...], symbol: str) -> bool:
    """A headline without tickers is about the market, and so is one with SPY among them."""
    return not tickers or symbol in tickers or "SPY" in tickers


@dataclass(slots=True)
class NewsState:
    """Of one symbol. Times are epoch seconds of market time."""

    caution_until: float = -1.0
    caution_class: str = ""
    shock_until: float = -1.0
    shock_reason: str = ""
    volumes: EwMoments = field(default_factory=lambda: minutes_moments(30))

    def headline(self, classes: tuple[str, ...], at: float) -> None:
        """A headline of one of the classes, or one tagged major, about this symbol."""
        self.caution_until = at + CAUTION_SECONDS
        self.caution_class = classes[0] if classes else "major"

    def close_minute(
        self,
        change: float | None,
        sigma_before: float | None,
        volume: float,
        at: float,
        shock_seconds: float,
    ) -> None:
        """Test a closed minute: `sigma_before` is sigma_1m of the minute before it."""
        warm = self.volumes.observed >= 30 * 60 - 1e-9
        score = self.volumes.score(volume) if warm else None
        self.volumes.update(volume, 60.0)
        if change is None or not sigma_before:
            return
        moved = abs(change) / sigma_before
        if moved > SHOCK_SIGMAS and score is not None and score > SHOCK_VOLUME_Z:
            self.shock_until, self.shock_reason = at + shock_seconds, "RETURN_AND_VOLUME"
        elif at <= self.caution_until and moved > SHOCK_SIGMAS_AFTER_NEWS:
            self.shock_until, self.shock_reason = at + shock_seconds, "RETURN_AFTER_NEWS"

    def state(self, at: float) -> tuple[str, str]:
        """NONE, NEWS_CAUTION or SHOCK, with the reason."""
        if at < self.shock_until:
            return SHOCK, self.shock_reason
        if at < self.caution_until:
            return CAUTION, self.caution_class
        return NONE, ""
