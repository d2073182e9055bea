"""The Anthropic Messages API that the anthropic client meets in the sandbox.

Started by adapters/people_sandbox/process.py. Checks the request as the newest Haiku does,
answers with a draft, usage and a request id, and remembers cached prefixes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.claude.sandbox.draft import draft
from adapters.people_sandbox.faults import Fault
from adapters.people_sandbox.ledger import Entry, Json
from adapters.people_sandbox.server import Reply, VendorSandbox, WireRequest, json_reply

MODELS = ("claude-haiku-5-5", "claude-haiku-4-5", "claude-haiku-4-5-20251001")
_CHARACTERS_PER_TOKEN = 4
_CACHEABLE_TOKENS_MIN = 512
_KNOWN_FIELDS = frozenset(
    [
        "model",
        "max_tokens",
        "system",
        "messages",
        "output_config",
        "thinking",
        "metadata",
        "tools",
        "tool_choice",
        "stop_sequences",
        "service_tier",
        "stream",
    ]
)
_EFFORTS = ("low", "medium", "high", "xhigh", "max")


class _Refused(Exception):
    """A request that is answered with 400 invalid_request_error and this message."""


@dataclass(slots=True)
class _State:
    requests: int = 0
    prefixes: set[str] = field(default_factory=set)


def _tokens(text: str) -> int:
    return max(1, len(text) // _CHARACTERS_PER_TOKEN)


class ClaudeSandbox(VendorSandbox):
    """No settings."""

    vendor = "claude"

    def clear(self) -> None:
        self._state = _State()

    def state(self) -> Json:
        return {"drafts": self._state.requests}

    def _request_id(self) -> str:
        text = f"{self.world.seed}|{self._state.requests}"
        return "req_" + hashlib.sha256(text.encode()).hexdigest()[:24]

    def _error(
        self, status: int, kind: str, message: str, headers: Mapping[str, str] | None = None
    ) -> Reply:
        request_id = self._request_id()
        error = {"type": kind, "message": message}
        body = {"type": "error", "error": error, "request_id": request_id}
        return json_reply(body, status, {"request-id": request_id, **(headers or {})})

    def too_many(self, fault: Fault) -> Reply:
        """Action: retry_after; spend_limit (true: the monthly cap, without a wait)."""
        if fault.action.get("spend_limit"):
            body = {
                "type": "error",
                "error": {
                    "type": "rate_limit_error",
                    "message": "The spend limit of this workspace is reached.",
                    "details": {"error_code": "enforced_spend_limit_reached"},
                },
                "request_id": self._request_id(),
            }
            return json_reply(body, 429, {"x-should-retry": "false"})
        seconds = f"{fault.number('retry_after', 1):g}"
        text = "This request would exceed your rate limit."
        return self._error(429, "rate_limit_error", text, {"retry-after": seconds})

    async def answer(self, request: WireRequest) -> Reply:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        key = request.headers.get("x-api-key", bearer)
        if key != self.world.accounts.claude_api_key:
            return self._error(401, "authentication_error", "invalid x-api-key")
        if request.method != "POST" or request.path != "/v1/messages":
            self.puzzled(request, "no such route")
            return self._error(404, "not_found_error", "Not found")
        if not request.headers.get("anthropic-version"):
            return self._error(400, "invalid_request_error", "anthropic-version: required")
        try:
            given = request.json()
            _check(given)
        except (_Refused, ValueError) as error:
            return self._error(400, "invalid_request_error", str(error))
        if given["model"] not in MODELS:
            return self._error(404, "not_found_error", f"model: {given['model']}")
        return self._message(given, request.fault)

    def _message(self, given: Json, fault: Fault | None) -> Reply:
        user, system = _text_of(given["messages"][-1]["content"]), _text_of(given.get("system", ""))
        output = (given.get("output_config") or {}).get("format") or {}
        text = draft(user, output.get("schema"), f"{self.world.seed}|{user}")
        stop = "end_turn"
        if fault is not None and fault.kind == "stop_reason":
            stop = fault.text("stop_reason", "refusal")
        if stop == "refusal":
            text = ""
        elif stop == "max_tokens" or _tokens(text) > int(given["max_tokens"]):
            stop, text = "max_tokens", text[: len(text) // 2]
        usage = self._usage(given, system, user, text)
        answered = {"model": given["model"], "text": text, "stop_reason": stop, "usage": usage}
        prefix = hashlib.sha256(system.encode()).hexdigest() if _caches(given) else ""
        entry = self.record("draft", answered, channel=given["model"], state={"prefix": prefix})
        request_id = self._request_id()
        body = {
            "id": f"msg_{entry.sequence:024d}",
            "type": "message",
            "role": "assistant",
            "model": given["model"],
            "content": [{"type": "text", "text": text}] if text else [],
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": usage,
        }
        return json_reply(body, headers={"request-id": request_id})

    def _usage(self, given: Json, system: str, user: str, text: str) -> Json:
        prefix, rest = _tokens(system), _tokens(user)
        created = read = 0
        if _caches(given) and prefix >= _CACHEABLE_TOKENS_MIN:
            known = hashlib.sha256(system.encode()).hexdigest() in self._state.prefixes
            created, read = (0, prefix) if known else (prefix, 0)
            prefix = 0
        return {
            "input_tokens": prefix + rest,
            "output_tokens": _tokens(text),
            "cache_creation_input_tokens": created,
            "cache_read_input_tokens": read,
        }

    def apply(self, entry: Entry) -> None:
        self._state.requests += 1
        if entry.state.get("prefix"):
            self._state.prefixes.add(entry.state["prefix"])


def _text_of(content: Any) -> str:
    """The text of a content that is a string or a list of blocks."""
    if isinstance(content, str):
        return content
    return "\n".join(str(block.get("text", "")) for block in content)


def _caches(given: Json) -> bool:
    return "cache_control" in json.dumps(given.get("system", ""))


def _check(given: Json) -> None:
    """What the newest models refuse. Raises _Refused."""
    unknown = sorted(set(given) - _KNOWN_FIELDS)
    if unknown:
        raise _Refused(f"{unknown[0]}: Extra inputs are not permitted")
    if not isinstance(given.get("model"), str):
        raise _Refused("model: Field required")
    if not isinstance(given.get("max_tokens"), int) or given["max_tokens"] < 1:
        raise _Refused("max_tokens: Input should be greater than or equal to 1")
    messages = given.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _Refused("messages: at least one message is required")
    if messages[-1].get("role") != "user":
        raise _Refused("This model does not support assistant message prefill.")
    effort = (given.get("output_config") or {}).get("effort", "medium")
    if effort not in _EFFORTS:
        raise _Refused(f"output_config.effort: Input should be one of {_EFFORTS}")
    if given.get("stream"):
        raise _Refused("stream: this server answers whole messages only")
