"""How X counts and compares the text of a post: weights, links, cashtags, normal form.

Weights are those of the vendor's published configuration, version 3. Where it is not certain
that the vendor takes something for a link, the greater weight counts: a text is never longer
than counted here. Used by the client before it posts and by the sandbox.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping

POST_WEIGHT_MAX = 280
LINK_WEIGHT = 23

_LIGHT = ((0x0000, 0x10FF), (0x2000, 0x200D), (0x2010, 0x201F), (0x2032, 0x2037))
_CERTAIN_ENDINGS = frozenset(
    [
        "com",
        "org",
        "net",
        "edu",
        "gov",
        "info",
        "biz",
        "app",
        "dev",
        "news",
        "live",
        "tech",
        "online",
        "site",
        "store",
        "blog",
        "cloud",
        "page",
        "link",
        "finance",
        "money",
        "trade",
        "trading",
        "markets",
        "exchange",
        "capital",
        "invest",
        "fund",
        "bank",
        "pro",
        "club",
    ]
)
_DOTTED = r"(?:[a-z0-9_\-]+\.)+[a-z]{2,}"
_LINK = re.compile(
    rf"https?://[^\s<>\"]+|(?<![@$#\w.\-/]){_DOTTED}(?![\w@])(?::\d+)?(?:/[^\s<>\"]*)?",
    re.IGNORECASE,
)
_LINK_TAIL = re.compile(r"[.,;:!?)'\]]+$")
_CASHTAG = re.compile(r"(?<![\w$])\$[A-Za-z]{1,6}(?:[._][A-Za-z]{1,2})?(?![\w$])")
_PICTURE = (
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2300-\u23ff\u2b00-\u2bff\u2190-\u21ff"
    "\u2934\u2935\u25aa-\u25fe\u3030\u303d\u3297\u3299\u00a9\u00ae\u203c\u2049\u2122\u2139]"
)
_TONE = "[\U0001f3fb-\U0001f3ff]"
_ONE_PICTURE = rf"{_PICTURE}(?:{_TONE}|\ufe0f)?"
_EMOJI = re.compile(
    "[\U0001f1e6-\U0001f1ff]{2}"
    "|[0-9#*]\ufe0f?\u20e3"
    "|\U0001f3f4[\U000e0061-\U000e007a]{2,}\U000e007f"
    rf"|{_ONE_PICTURE}(?:\u200d{_ONE_PICTURE})+"
    rf"|{_PICTURE}(?:{_TONE}|\ufe0f)"
)


def _links(text: str) -> list[tuple[int, int]]:
    """Spans of what X may take for a link; a scheme is not needed (SPY.US is one)."""
    spans = []
    for found in _LINK.finditer(text):
        tail = _LINK_TAIL.search(found[0])
        spans.append((found.start(), found.end() - (len(tail[0]) if tail else 0)))
    return spans


def links(text: str) -> list[str]:
    """What X may take for links, in order; a post with one is priced higher."""
    return [text[start:end] for start, end in _links(text)]


def cashtags(text: str) -> list[str]:
    """The cashtags of a text; self-serve accounts may use one a post."""
    return _CASHTAG.findall(text)


def _is_certain_link(link: str) -> bool:
    host = link.partition("://")[2].partition("/")[0] if "://" in link else link.partition("/")[0]
    ending = host.rpartition(".")[2].lower()
    return "://" in link or len(ending) == 2 or ending in _CERTAIN_ENDINGS


def _weight_of(text: str) -> int:
    weight, end = 0, 0
    for found in _EMOJI.finditer(text):
        weight += _weight_of_characters(text[end : found.start()]) + 2
        end = found.end()
    return weight + _weight_of_characters(text[end:])


def _weight_of_characters(text: str) -> int:
    return sum(1 if any(low <= ord(c) <= high for low, high in _LIGHT) else 2 for c in text)


def weighted_length(text: str) -> int:
    """The length that X compares with 280: light code points 1, others and emoji 2, links 23."""
    text = unicodedata.normalize("NFC", text)
    weight, end = 0, 0
    for start, stop in _links(text):
        link = text[start:stop]
        counted = LINK_WEIGHT if _is_certain_link(link) else max(LINK_WEIGHT, _weight_of(link))
        weight += _weight_of(text[end:start]) + counted
        end = stop
    return weight + _weight_of(text[end:])


def normalised(text: str, expanded: Mapping[str, str] | None = None) -> str:
    """The form in which two posts are compared: `expanded` maps t.co links to what they stand for.

    A link that was written without a scheme comes back with one, so schemes are left out.
    """
    text = html.unescape(text)
    for short, full in (expanded or {}).items():
        text = text.replace(short, full)
    text = re.sub(r"\s*https://t\.co/\w+\s*$", "", text)
    text = re.sub(r"https?://", "", unicodedata.normalize("NFC", text))
    return " ".join(text.split())
