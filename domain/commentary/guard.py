"""The guard between the model and the reader.

The model refers to figures by slot, `{{f3}}`, and writes no digit itself; code fills the slots
in. A draft with a figure outside a slot, an unknown slot, a link, a mention or trade advice is
blocked. Headlines are written by strangers: they are cleaned before the model sees them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.events.reports import Fact

CLEAN = "clean"
FLAGGED = "flagged"
BLOCKED = "blocked"
HEADLINE_LENGTH_MAX = 200
HEADLINES_MAX = 10
BODY_LENGTH_MAX = 3_500

_SLOT = re.compile(r"\{\{\s*(f\d+)\s*\}\}")
_DIGIT = re.compile(r"\d")
_LINK = re.compile(r"https?://|www\.|discord\.gg|t\.me/|@\w", re.IGNORECASE)
_MARKUP = re.compile(r"<[^>]*>|https?://\S+")
_ADVICE = re.compile(
    r"\b(buy now|sell now|you should (buy|sell)|guaranteed?|risk[- ]free|can(no|')t lose|"
    r"act now|join (us|now)|ignore (all|previous|the above))\b",
    re.IGNORECASE,
)
_NUMBER_WORDS = re.compile(
    r"\b(one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|"
    r"fifty|hundred|thousand|million|billion|half|double[ds]?|tripled?|percent)\b",
    re.IGNORECASE,
)
_TICKER = re.compile(r"\$?\b[A-Z]{2,5}\b")
_KNOWN_WORDS = frozenset(
    {"SPY", "QQQ", "IWM", "VWAP", "GEX", "DTE", "PNL", "US", "ET", "NY", "UTC", "AI", "FOMC", "CPI"}
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`text` is the draft with its slots filled in; empty when blocked."""

    verdict: str
    findings: tuple[str, ...]
    text: str


def clean_headline(text: str) -> str:
    """A headline as data: no control, zero-width or direction characters, markup or links."""
    normal = unicodedata.normalize("NFKC", text)
    plain = "".join(c for c in normal if unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cs"))
    return " ".join(_MARKUP.sub(" ", plain).split())[:HEADLINE_LENGTH_MAX]


def render(text: str, facts: Mapping[str, Fact]) -> str:
    """The text with every slot replaced by its fact as rendered by code."""
    return _SLOT.sub(lambda m: facts[m.group(1)].value, text)


def check(draft: str, facts: Sequence[Fact]) -> Verdict:
    """Judge a draft. Blocked drafts are written anew; flagged ones need a look by the operator."""
    by_id = {fact.fact_id: fact for fact in facts}
    blocked: list[str] = []
    flagged: list[str] = []
    if not draft.strip():
        blocked.append("empty draft")
    unknown = sorted({slot for slot in _SLOT.findall(draft) if slot not in by_id})
    if unknown:
        blocked.append(f"unknown slots: {', '.join(unknown)}")
    prose = _SLOT.sub(" ", draft)
    if _DIGIT.search(prose):
        blocked.append("a digit outside a slot")
    if _LINK.search(prose):
        blocked.append("a link or a mention")
    if found := _ADVICE.search(prose):
        blocked.append(f"forbidden phrase: {found.group(0)}")
    if len(draft) > BODY_LENGTH_MAX:
        blocked.append(f"length must be at most {BODY_LENGTH_MAX}, was {len(draft)}")
    if words := sorted({w.lower() for w in _NUMBER_WORDS.findall(prose)}):
        flagged.append(f"number words: {', '.join(words)}")
    named = {ticker.lstrip("$") for ticker in _TICKER.findall(prose)} - _KNOWN_WORDS
    if named:
        flagged.append(f"names that are in no fact: {', '.join(sorted(named))}")
    if blocked:
        return Verdict(BLOCKED, tuple(blocked + flagged), "")
    text = render(draft, by_id)
    return Verdict(FLAGGED if flagged else CLEAN, tuple(flagged), text)


def template(kind: str, facts: Sequence[Fact]) -> str:
    """The report without a model: the facts themselves, labelled as automatic."""
    lines = [f"{fact.label}: {fact.value}" for fact in facts]
    return f"Automatic summary ({kind}).\n" + "\n".join(lines)
