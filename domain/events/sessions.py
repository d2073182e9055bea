"""What a session leaves to later ones: its closing auctions and its closing volatility.

Told by the analytics stage once the session's own numbers are complete.
"""

from __future__ import annotations

from datetime import date, datetime

from domain.event import DeskEvent


class AuctionSessionClosed(DeskEvent):
    """The closing imbalance of a session, as later ones are measured against it.

    Stream `auctions/<symbol>`, a minute after the close. Null where nothing was published.
    """

    symbol: str
    session_date: date
    published_at: datetime | None
    """When the imbalance was first known."""
    first_q: float | None
    """The imbalance then, as a share of a day's volume."""
    first_mid: float | None
    close: float | None
    """Close of the last regular 5-second bar."""
    moved_bps: float | None
    """From publication to close, counted + on the side of the imbalance."""
    unit_move_bps: float | None
    """What the square-root law expects of it at a scale of 1."""
    impact_scale: float
    """Scale of that law as later sessions take it: an average of the last 20 auctions."""
    sessions: int
    """Sessions with an imbalance that have been seen, this one included."""
    seconds_before_close: tuple[int, ...]
    """Begin of each stretch of 10 s in which the imbalance was known; negative after the close."""
    q: tuple[float, ...]
    """The last imbalance in each of them."""


class ClosingVolatility(DeskEvent):
    """The 30-day volatility at a session's close, from which rank and percentile are made.

    Stream `closing-volatility/<symbol>`.
    """

    symbol: str
    session_date: date
    as_of: datetime
    """The last evaluation at or before the close that was all right."""
    volatility: float
    closings: int
    """Closing values that are known, this one included."""
