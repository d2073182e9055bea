"""A draft in the asked-for JSON schema, with fact slots and without a digit.

Reads the fact lines (`f12 | label | value | ...`) from the user's message and fills any small
JSON schema with sentences about them. The same request and seed give the same draft.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.people_sandbox.ledger import Json

_FACT = re.compile(r"^[ \t*-]*(?P<id>[A-Za-z]\w*?\d\w*)\s*\|\s*(?P<label>[^|\n]+)\|", re.MULTILINE)
_FACT_ID_NAMES = ("fact_ids", "facts", "sources", "slots")
_PATTERNS = (
    "{label} stands at {slot}.",
    "{label} is reported at {slot}.",
    "The desk notes {label} at {slot}.",
    "For this note {label} reads {slot}.",
)
_OPENINGS = (
    "A short look at the session through our own figures.",
    "Here is what the desk's figures say.",
    "A note on the session from the desk.",
)
_TITLES = ("Desk note", "Session note", "The desk's figures in brief")
_SENTENCES_MAX = 6
_DEPTH_MAX = 8


@dataclass(frozen=True, slots=True)
class _Fact:
    fact_id: str
    label: str


def facts_in(text: str) -> list[_Fact]:
    """The facts of a message in order; digits are left out of their labels."""
    found: dict[str, _Fact] = {}
    for match in _FACT.finditer(text):
        words = [word for word in match["label"].split() if not re.search(r"\d", word)]
        label = " ".join(words).strip(" ,;:-") or "The figure"
        found.setdefault(match["id"], _Fact(match["id"], label))
    return list(found.values())


class Drafter:
    """Fills one schema; every sentence it writes is about one fact."""

    def __init__(self, facts: Sequence[_Fact], seed: str) -> None:
        self._facts = facts
        self._chance = random.Random(seed)
        self._next = 0

    def sentence(self, fact: _Fact) -> str:
        pattern = self._chance.choice(_PATTERNS)
        text = pattern.format(label=fact.label, slot="{{" + fact.fact_id + "}}")
        return text[0].upper() + text[1:]

    def prose(self) -> str:
        """An opening and a sentence for each of the first facts."""
        told = [self.sentence(fact) for fact in self._facts[:_SENTENCES_MAX]]
        return " ".join([self._chance.choice(_OPENINGS), *told])

    def value(self, schema: Json, root: Json, name: str = "", depth: int = 0) -> object:
        """A value of the schema; `name` is the property it is for."""
        schema = _resolved(schema, root)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        if depth > _DEPTH_MAX:
            return None
        match _type(schema):
            case "object":
                return self._object(schema, root, depth)
            case "array":
                return self._array(schema, root, name, depth)
            case "string":
                return self._text(name)
            case "boolean":
                return False
            case "integer" | "number":
                return 0
        return None

    def _object(self, schema: Json, root: Json, depth: int) -> Json:
        properties: Json = schema.get("properties", {})
        if self._facts and any(name in properties for name in _FACT_ID_NAMES):
            return self._claim(schema, root, depth)
        return {name: self.value(part, root, name, depth + 1) for name, part in properties.items()}

    def _claim(self, schema: Json, root: Json, depth: int) -> Json:
        """An object that pairs a text with the ids of the facts it rests on."""
        fact = self._facts[self._next % len(self._facts)]
        self._next += 1
        claim: Json = {}
        for name, part in schema["properties"].items():
            kind = _type(_resolved(part, root))
            if name in _FACT_ID_NAMES and kind == "array":
                claim[name] = [fact.fact_id]
            elif kind == "string" and not _resolved(part, root).get("enum"):
                claim[name] = self.sentence(fact)
            else:
                claim[name] = self.value(part, root, name, depth + 1)
        return claim

    def _array(self, schema: Json, root: Json, name: str, depth: int) -> list[object]:
        items = _resolved(schema.get("items", {}), root)
        if name in _FACT_ID_NAMES and _type(items) == "string":
            return [fact.fact_id for fact in self._facts[:_SENTENCES_MAX]]
        if _type(items) == "string":
            return [self.sentence(fact) for fact in self._facts[:_SENTENCES_MAX]]
        count = max(1, min(len(self._facts), _SENTENCES_MAX))
        return [self.value(items, root, name, depth + 1) for _ in range(count)]

    def _text(self, name: str) -> str:
        if name in ("title", "headline", "subject"):
            return self._chance.choice(_TITLES)
        return self.prose()


def _resolved(schema: Json, root: Json) -> Json:
    reference = str(schema.get("$ref", ""))
    if not reference.startswith("#/"):
        return schema
    node: Json = root
    for part in reference[2:].split("/"):
        node = node[part]
    return node


def _type(schema: Json) -> str:
    kind = schema.get("type", "object" if "properties" in schema else "")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    return str(kind)


def draft(message: str, schema: Json | None, seed: str) -> str:
    """The text of the answer: JSON in the schema, or plain prose without one."""
    drafter = Drafter(facts_in(message), seed)
    if schema is None:
        return drafter.prose()
    return json.dumps(drafter.value(schema, schema), ensure_ascii=False)
