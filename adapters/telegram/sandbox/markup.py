"""Telegram's reading of parse_mode=HTML: the visible text, or why it cannot be parsed."""

from __future__ import annotations

import html
import re

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9-]*)([^<>]*)>|<")
_ENTITY = re.compile(r"&(lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);")
_KNOWN = frozenset(
    [
        "b",
        "strong",
        "i",
        "em",
        "u",
        "ins",
        "s",
        "strike",
        "del",
        "span",
        "tg-spoiler",
        "a",
        "code",
        "pre",
        "blockquote",
        "tg-emoji",
        "tg-time",
    ]
)


class MarkupError(ValueError):
    """The text is what the vendor says behind "can't parse entities: "."""


def _decoded(text: str) -> str:
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text)


def visible_text(markup: str) -> str:
    """What a reader sees. Raises MarkupError."""
    parts: list[str] = []
    opened: list[str] = []
    end = 0
    for found in _TAG.finditer(markup):
        offset = len(markup[: found.start()].encode())
        parts.append(_decoded(markup[end : found.start()]))
        end = found.end()
        if found[2] is None:
            raise MarkupError(f'Unsupported start tag "" at byte offset {offset}')
        name = found[2].lower()
        if name not in _KNOWN:
            raise MarkupError(f'Unsupported start tag "{name}" at byte offset {offset}')
        if not found[1]:
            opened.append(name)
        elif not opened:
            raise MarkupError(f"Unexpected end tag at byte offset {offset}")
        elif opened.pop() != name:
            raise MarkupError(f"Unmatched end tag at byte offset {offset}")
    if opened:
        raise MarkupError(f'Can\'t find end tag corresponding to start tag "{opened[-1]}"')
    return "".join([*parts, _decoded(markup[end:])]).strip()
