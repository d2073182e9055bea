"""The embed of a delivery and Discord's limits on it, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping

import discord

TITLE_MAX = 256
DESCRIPTION_MAX = 4_096
FIELDS_MAX = 25
FIELD_NAME_MAX = 256
FIELD_VALUE_MAX = 1_024
EMBED_TOTAL_MAX = 6_000
NONCE_MAX = 25


def footer(marker: str, mode: str) -> str:
    """The reference by which a message is found again, and whether money is at stake."""
    return f"ref {marker} · {mode.upper()}"


def carries(text: str | None, marker: str) -> bool:
    """Whether a footer is that of this marker, in whichever mode it was sent."""
    return text is not None and text.partition(" · ")[0] == f"ref {marker}"


def _size(text: str) -> int:
    """Length in UTF-16 units, the greatest of the counts that the vendor may use."""
    return len(text.strip().encode("utf-16-le")) // 2


def limit_broken(
    title: str, body: str, fields: Mapping[str, str], nonce: str, footer_text: str
) -> str:
    """Which limit a message breaks, in words; empty when it breaks none."""
    if not 1 <= len(nonce) <= NONCE_MAX:
        return f"nonce must have 1 to {NONCE_MAX} characters, was {len(nonce)}"
    if not title.strip() and not body.strip() and not fields:
        return "a message must have a title, a body or fields, was empty"
    checks = [("title", title, TITLE_MAX), ("body", body, DESCRIPTION_MAX)]
    for name, value in fields.items():
        if not name.strip() or not value.strip():
            return f"field names and values must not be blank, was {name!r}: {value!r}"
        checks.append((f"name of field {name!r}", name, FIELD_NAME_MAX))
        checks.append((f"value of field {name!r}", value, FIELD_VALUE_MAX))
    if len(fields) > FIELDS_MAX:
        return f"fields must be at most {FIELDS_MAX}, were {len(fields)}"
    for what, text, limit in checks:
        if _size(text) > limit:
            return f"{what} must be at most {limit} characters, was {_size(text)}"
    total = sum(_size(text) for _, text, _ in checks) + _size(footer_text)
    if total > EMBED_TOTAL_MAX:
        return f"all texts must be at most {EMBED_TOTAL_MAX} characters, were {total}"
    return ""


def embed(title: str, body: str, fields: Mapping[str, str], footer_text: str) -> discord.Embed:
    """One embed; fields keep their order."""
    made = discord.Embed(title=title or None, description=body or None)
    for name, value in fields.items():
        made.add_field(name=name, value=value, inline=True)
    made.set_footer(text=footer_text)
    return made
