"""Discord's limits on a message body, as the error entries of its 400/50035 answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from adapters.people_sandbox.ledger import Json
from adapters.people_sandbox.server import Reply, json_reply

CONTENT_MAX = 2_000
EMBEDS_MAX = 10
EMBED_TOTAL_MAX = 6_000
FIELDS_MAX = 25
NONCE_MAX = 25
_EMBED_TEXTS = (("title", 256), ("description", 4_096))
_FIELD_TEXTS = (("name", 256), ("value", 1_024))
_FOOTER_MAX = 2_048

FormErrors: TypeAlias = dict[str, tuple[str, str]]
"""Dotted path to (code, message)."""


def _too_long(limit: int) -> tuple[str, str]:
    return "BASE_TYPE_MAX_LENGTH", f"Must be {limit} or fewer in length."


_REQUIRED = ("BASE_TYPE_REQUIRED", "This field is required")


def _texts(path: str, holder: Json, limits: tuple[tuple[str, int], ...]) -> Iterator[str]:
    """Dotted paths of the texts of `holder` that are over their limit."""
    for name, limit in limits:
        if len(str(holder.get(name) or "").strip()) > limit:
            yield f"{path}.{name}"


def _embed_errors(path: str, embed: Json, errors: FormErrors) -> int:
    """Adds the errors of one embed; returns its counted size."""
    limits = dict(_EMBED_TEXTS)
    for found in _texts(path, embed, _EMBED_TEXTS):
        errors[found] = _too_long(limits[found.rpartition(".")[2]])
    footer = str((embed.get("footer") or {}).get("text") or "").strip()
    if len(footer) > _FOOTER_MAX:
        errors[f"{path}.footer.text"] = _too_long(_FOOTER_MAX)
    size = len(footer) + sum(len(str(embed.get(name) or "").strip()) for name, _ in _EMBED_TEXTS)
    fields = embed.get("fields") or []
    if len(fields) > FIELDS_MAX:
        errors[f"{path}.fields"] = _too_long(FIELDS_MAX)
    field_limits = dict(_FIELD_TEXTS)
    for index, one in enumerate(fields):
        place = f"{path}.fields.{index}"
        for name, _ in _FIELD_TEXTS:
            text = str(one.get(name) or "").strip()
            size += len(text)
            if not text:
                errors[f"{place}.{name}"] = _REQUIRED
        for found in _texts(place, one, _FIELD_TEXTS):
            errors[found] = _too_long(field_limits[found.rpartition(".")[2]])
    return size


def message_errors(given: Json) -> FormErrors:
    """What is wrong with the body of a create or edit; empty when nothing is."""
    errors: FormErrors = {}
    if len(str(given.get("content") or "").strip()) > CONTENT_MAX:
        errors["content"] = _too_long(CONTENT_MAX)
    if len(str(given.get("nonce") or "")) > NONCE_MAX:
        errors["nonce"] = _too_long(NONCE_MAX)
    embeds = given.get("embeds") or []
    if len(embeds) > EMBEDS_MAX:
        errors["embeds"] = _too_long(EMBEDS_MAX)
    size = sum(
        _embed_errors(f"embeds.{index}", embed, errors) for index, embed in enumerate(embeds)
    )
    if size > EMBED_TOTAL_MAX:
        errors["embeds"] = (
            "MAX_EMBED_SIZE_EXCEEDED",
            f"Embed size exceeds maximum size of {EMBED_TOTAL_MAX}",
        )
    return errors


def invalid_form(errors: FormErrors, headers: Mapping[str, str]) -> Reply:
    """400 with code 50035 and the nested error tree."""
    tree: Json = {}
    for path, (code, message) in errors.items():
        node = tree
        for part in path.split("."):
            node = node.setdefault(part, {})
        node["_errors"] = [{"code": code, "message": message}]
    body = {"code": 50035, "message": "Invalid Form Body", "errors": tree}
    return json_reply(body, 400, headers)
