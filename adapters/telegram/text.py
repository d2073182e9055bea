"""Telegram HTML: escaping of data, counting, and splitting of long texts.

Messages go out with parse_mode=HTML; whatever is not our own markup passes `escaped`.
"""

from __future__ import annotations

import html
import re

TEXT_MAX = 4_096
_NUMBERING_RESERVE = 12
_TOKEN = re.compile(r"<[^<>]+>|&(?:lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);|\s+|[^\s<>&]+|.", re.DOTALL)
_TAG_NAME = re.compile(r"</?([a-zA-Z][a-zA-Z0-9-]*)")
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


def _pieces(token: str, limit: int) -> list[str]:
    """A word cut so that no piece is longer than `limit` visible units."""
    if token.startswith("<") or visible_length(token) <= limit:
        return [token]
    step = max(1, limit // 2)
    return [token[start : start + step] for start in range(0, len(token), step)]


class _Parts:
    """Parts under construction, with the tags that are open at the cut."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.done: list[str] = []
        self.part = ""
        self.length = 0
        """Visible units of the part, or more: never measured again, a long text has many tokens."""
        self.opened: list[str] = []

    def add(self, token: str) -> None:
        is_tag = token.startswith("<") and len(token) > 1
        length = 0 if is_tag else visible_length(token)
        if self.length + length > self.limit:
            self.cut()
            token = token.lstrip()
            length = 0 if is_tag else visible_length(token)
        self.part += token
        self.length += length
        if is_tag and token.startswith("</"):
            if self.opened:
                self.opened.pop()
        elif is_tag:
            self.opened.append(token)

    def cut(self) -> None:
        closing = "".join(
            f"</{found[1]}>" for tag in reversed(self.opened) if (found := _TAG_NAME.match(tag))
        )
        if without_markup(self.part).strip():
            self.done.append(self.part.rstrip() + closing)
        self.part = "".join(self.opened)
        self.length = 0


def split_html(markup: str, limit: int = TEXT_MAX) -> list[str]:
    """Parts of at most `limit` visible units, numbered (1/3) when there are more than one.

    Cuts at paragraph borders where it can, else between words, never inside a tag or entity;
    tags that are open at a cut are closed and opened again.
    """
    if visible_length(markup) <= limit:
        return [markup]
    parts = _Parts(limit - _NUMBERING_RESERVE)
    for index, paragraph in enumerate(re.split(r"\n{2,}", markup)):
        if index:
            if parts.length + 2 + visible_length(paragraph) > parts.limit:
                parts.cut()
            else:
                parts.part += "\n\n"
                parts.length += 2
        for token in _TOKEN.findall(paragraph):
            for piece in _pieces(token, parts.limit):
                parts.add(piece)
    parts.cut()
    return [f"{part}\n({n}/{len(parts.done)})" for n, part in enumerate(parts.done, 1)]
