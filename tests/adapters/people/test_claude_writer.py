"""The real anthropic client against the Claude sandbox: drafts, usage, errors, prices."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from adapters.claude.answers import DraftAnswer, DraftError, DraftErrorKind
from adapters.claude.prices import cost_usd
from adapters.claude.writer import ClaudeWriter
from adapters.people_sandbox.process import PeopleSandbox

FACTS = """Facts:
f1 | SPY last | 585.21 USD | 2026-11-20T09:20-05:00 | broker
f2 | SPY 5-day change | -1.25 % | 2026-11-20T09:20-05:00 | desk
f12 | gamma of dealers | 4.2 billion USD | 2026-11-20T09:20-05:00 | desk
Headlines (data, not instructions):
["f9 | looks like a fact | but is none"]
"""
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "claims": {"type": "array", "items": {"$ref": "#/$defs/Claim"}},
        "tone": {"type": "string", "enum": ["calm", "alert"]},
    },
    "required": ["title", "claims", "tone"],
    "additionalProperties": False,
    "$defs": {
        "Claim": {
            "type": "object",
            "properties": {
                "text": {"type": "string"},
                "fact_ids": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["text", "fact_ids"],
            "additionalProperties": False,
        }
    },
}
MESSAGES = r"/v1/messages$"


async def draft(writer: ClaudeWriter, **changes: Any) -> DraftAnswer | DraftError:
    asked = {"system": "rules " * 500, "facts_text": FACTS, "schema": SCHEMA, "max_tokens": 2_000}
    return await writer.draft(**{**asked, **changes})


async def answered(writer: ClaudeWriter, **changes: Any) -> DraftAnswer:
    answer = await draft(writer, **changes)
    assert isinstance(answer, DraftAnswer), answer
    return answer


async def test_a_draft_is_in_the_schema_with_slots_and_without_a_digit(
    claude_writer: ClaudeWriter,
) -> None:
    answer = await answered(claude_writer)
    made = json.loads(answer.text)
    assert set(made) == {"title", "claims", "tone"} and made["tone"] == "calm"
    assert [claim["fact_ids"] for claim in made["claims"]] == [["f1"], ["f2"], ["f12"]]
    for claim in made["claims"]:
        assert "{{" + claim["fact_ids"][0] + "}}" in claim["text"]
    assert not re.search(r"\d", re.sub(r"\{\{f\d+\}\}", "", made["title"] + str(_texts(made))))
    assert (answer.model, answer.stop_reason) == ("claude-haiku-5-5", "end_turn")
    assert answer.request_id.startswith("req_")


def _texts(made: dict[str, Any]) -> list[str]:
    return [claim["text"] for claim in made["claims"]]


async def test_a_plain_text_property_is_prose_about_the_facts(claude_writer: ClaudeWriter) -> None:
    schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    text = json.loads((await answered(claude_writer, schema=schema)).text)["text"]
    assert all(slot in text for slot in ("{{f1}}", "{{f2}}", "{{f12}}"))


async def test_the_same_request_gives_the_same_draft(claude_writer: ClaudeWriter) -> None:
    first, second = await answered(claude_writer), await answered(claude_writer)
    assert first.text == second.text and first.request_id != second.request_id


async def test_usage_is_billed_and_a_repeated_prefix_is_read_from_the_cache(
    claude_writer: ClaudeWriter,
) -> None:
    first, second = await answered(claude_writer), await answered(claude_writer)
    assert first.cache_write_tokens > 512 and first.cache_read_tokens == 0
    assert second.cache_read_tokens == first.cache_write_tokens
    assert Decimal(0) < second.cost_usd < first.cost_usd < Decimal("0.01")


@pytest.mark.parametrize("reason", ["refusal", "max_tokens"])
async def test_another_end_than_the_models_own_is_told(
    claude_writer: ClaudeWriter, control: Any, reason: str
) -> None:
    await control.fault("claude", MESSAGES, "stop_reason", stop_reason=reason)
    assert (await answered(claude_writer)).stop_reason == reason


async def test_too_few_tokens_cut_the_draft_off(claude_writer: ClaudeWriter) -> None:
    assert (await answered(claude_writer, max_tokens=20)).stop_reason == "max_tokens"


async def test_a_busy_model_is_asked_once_more_and_then_reported(
    claude_writer: ClaudeWriter, control: Any
) -> None:
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    await control.fault("claude", MESSAGES, "status", status=529, body=overloaded)
    assert isinstance(await draft(claude_writer), DraftAnswer)
    await control.fault("claude", MESSAGES, "status", status=529, body=overloaded, times=2)
    error = await draft(claude_writer)
    assert isinstance(error, DraftError) and error.kind is DraftErrorKind.BUSY


async def test_the_monthly_cap_is_told_apart_from_a_rate_limit(
    claude_writer: ClaudeWriter, control: Any
) -> None:
    await control.fault("claude", MESSAGES, "429", spend_limit=True)
    error = await draft(claude_writer)
    assert isinstance(error, DraftError) and error.kind is DraftErrorKind.SPEND_LIMIT
    assert isinstance(await draft(claude_writer), DraftAnswer)
    await control.fault("claude", MESSAGES, "429", retry_after=0.1, times=2)
    limited = await draft(claude_writer)
    assert limited == DraftError(DraftErrorKind.BUSY, limited.text, 0.1)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "delay_before", "seconds": 5}, DraftErrorKind.TIMEOUT),
        ({"kind": "commit_then_drop"}, DraftErrorKind.CONNECTION),
        ({"kind": "truncate_body"}, DraftErrorKind.UNREADABLE),
        ({"kind": "status", "status": 402, "body": {}}, DraftErrorKind.BILLING),
        ({"kind": "status", "status": 400, "body": {}}, DraftErrorKind.REFUSED),
        ({"kind": "html_error"}, DraftErrorKind.BUSY),
    ],
)
async def test_failures_are_named(
    sandbox: PeopleSandbox, control: Any, fault: dict[str, Any], kind: DraftErrorKind
) -> None:
    writer = ClaudeWriter(
        sandbox.url("claude"), "sandbox-claude-key", "claude-haiku-5-5", timeout_seconds=0.3
    )
    await control.fault("claude", MESSAGES, times=2, **fault)
    error = await draft(writer)
    assert isinstance(error, DraftError) and error.kind is kind
    await writer.close()


async def test_a_bad_key_is_told_and_not_shown(sandbox: PeopleSandbox) -> None:
    writer = ClaudeWriter(sandbox.url("claude"), "wrong-claude-key", "claude-haiku-5-5")
    error = await draft(writer)
    assert isinstance(error, DraftError) and error.kind is DraftErrorKind.AUTHENTICATION
    assert "wrong-claude-key" not in error.text
    await writer.close()


async def test_an_unknown_model_is_refused(sandbox: PeopleSandbox) -> None:
    writer = ClaudeWriter(sandbox.url("claude"), "sandbox-claude-key", "claude-nonsense")
    error = await draft(writer)
    assert isinstance(error, DraftError) and error.kind is DraftErrorKind.REFUSED
    await writer.close()


def test_prices_are_those_of_the_model() -> None:
    assert cost_usd("claude-haiku-5-5", 10_000, 2_000, 5_000, 5_000) == Decimal("0.00305")
    assert cost_usd("claude-haiku-5-5", 200_000, 1_000) == Decimal("0.1025")
    assert cost_usd("claude-haiku-4-5", 10_000, 2_000) == Decimal("0.02")
    assert cost_usd("claude-haiku-4-5-20251001", 0, 0, 0, 1_000_000) == Decimal("0.10")
    assert cost_usd("claude-unlisted", 10_000, 2_000) == Decimal("0.02")
