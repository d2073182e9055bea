"""Telegram HTML: escaping of data, and counting of what is seen.

Messages go out with parse_mode=HTML; whatever is not our own markup passes `escaped`.
"""

from __future__ import annotations

import html
import re

TEXT_MAX = 4_096
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);")


def escaped(text: str) -> str:
    """Data as it may stand between tags."""
    return html.escape(text, quote=False)


def without_markup(markup: str) -> str:
    """The visible text of our own HTML."""
    plain = re.sub(r"<[^<>]+>", "", markup)
    return _ENTITY.sub(lambda found: html.unescape(found[0]), plain)


def visible_length(markup: str) -> int:
    """Length after parsing, in UTF-16 units, the greatest of the vendor's counts."""
    return len(without_markup(markup).encode("utf-16-le")) // 2
