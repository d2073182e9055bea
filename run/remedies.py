"""What the operator can do about a vendor's refusal that repeats itself: shown behind its words.

Used by run/outbox for what it records and pages. A code that is not here says what happens next.
"""

from __future__ import annotations

from domain.events.publication import Vendor

_TOKEN = {
    Vendor.DISCORD: "STRIKETAPE_DISCORD_TOKEN",
    Vendor.TELEGRAM: "STRIKETAPE_TELEGRAM_TOKEN",
    Vendor.X: "the four STRIKETAPE_X_ keys",
    Vendor.REDDIT: "the STRIKETAPE_REDDIT_ account",
}
_PLACE = {
    Vendor.DISCORD: "the STRIKETAPE_DISCORD_CHANNEL_ of the tier",
    Vendor.TELEGRAM: "STRIKETAPE_TELEGRAM_CHAT_ID, to which somebody must have written first",
    Vendor.X: "STRIKETAPE_X_URL",
    Vendor.REDDIT: "STRIKETAPE_REDDIT_SUBREDDIT",
}
_UNKNOWN_PLACE = frozenset({"404", "10003", "migrated"})
"""Not found, Discord's unknown channel, a Telegram group that has another number now."""
_FORBIDDEN = frozenset({"403", "50001", "50013"})
"""And Discord's missing access and missing permissions."""
_LOGIN = frozenset({"401", "invalid_grant", "unauthorized_client"})


def remedy(vendor: Vendor, code: str) -> str:
    """What to do about a permanent refusal."""
    if code in _LOGIN:
        return f"make a new one with the vendor, set {_TOKEN[vendor]}, start the outbox again"
    if code in _FORBIDDEN:
        return f"let the account of the desk write there, or change {_PLACE[vendor]}"
    # Telegram says 400 for a chat that it does not know, and for little else that we send.
    if code in _UNKNOWN_PLACE or (vendor is Vendor.TELEGRAM and code == "400"):
        return f"check {_PLACE[vendor]}"
    if code == "LIMIT":
        return "nothing was sent: the text breaks the vendor's limit and must be shorter"
    return "it is not tried again by itself: look at the vendor's words, and tell it by hand"
