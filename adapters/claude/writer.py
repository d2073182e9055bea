"""Asks Claude for a draft in a JSON schema.

Used by run/outbox for commentary. The model has no tools; its answer is only a draft that is
checked and approved elsewhere. A repeated request costs money and nothing else, so the client may
repeat once by itself. Loading the vendor's library takes a second: late_writer.py does it with the
first draft.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anthropic
from anthropic import AsyncAnthropic

from adapters.claude.answers import DraftAnswer, DraftError, DraftErrorKind
from adapters.redaction import hide_in_logs, redacted

_SPEND_LIMIT = "enforced_spend_limit_reached"


class ClaudeWriter:
    """`model` is a setting; the answer says which model wrote."""

    def __init__(
        self, base_url: str, api_key: str, model: str, *, timeout_seconds: float = 60.0
    ) -> None:
        self._model = model
        self._api_key = api_key
        self._client = AsyncAnthropic(
            api_key=api_key, base_url=base_url, timeout=timeout_seconds, max_retries=1
        )
        hide_in_logs(("anthropic", "anthropic._base_client", "httpx2"), (api_key,))

    async def close(self) -> None:
        await self._client.close()

    async def draft(
        self,
        system: str,
        facts_text: str,
        schema: Mapping[str, object],
        max_tokens: int,
        effort: str | None = "low",
    ) -> DraftAnswer | DraftError:
        """One answer in the schema. `system` is the part that stays the same and is cached.

        `max_tokens` must leave room for thinking. Older models take no effort: None.
        """
        output: dict[str, Any] = {"format": {"type": "json_schema", "schema": dict(schema)}}
        if effort is not None:
            output["effort"] = effort
        cached: Any = {
            "type": "text",
            "text": system,
            "cache_control": {"type": "ephemeral", "ttl": "1h"},
        }
        settings: Any = output
        try:
            message = await self._client.messages.create(
                model=self._model,
                max_tokens=max_tokens,
                system=[cached],
                messages=[{"role": "user", "content": facts_text}],
                output_config=settings,
            )
            return _answer(message)
        except anthropic.AnthropicError as error:
            return self._sorted(error)
        except (TypeError, ValueError, AttributeError, KeyError) as error:
            return DraftError(DraftErrorKind.UNREADABLE, type(error).__name__)

    def _sorted(self, error: anthropic.AnthropicError) -> DraftError:
        text = redacted(str(error), (self._api_key,))
        if isinstance(error, anthropic.APITimeoutError):
            return DraftError(DraftErrorKind.TIMEOUT, text)
        if isinstance(error, anthropic.APIConnectionError):
            return DraftError(DraftErrorKind.CONNECTION, text)
        if not isinstance(error, anthropic.APIStatusError):
            return DraftError(DraftErrorKind.UNREADABLE, f"{type(error).__name__}: {text}")
        if _SPEND_LIMIT in str(error.body):
            return DraftError(DraftErrorKind.SPEND_LIMIT, text)
        wait = _seconds(error.response.headers.get("retry-after"))
        if error.status_code in (408, 409, 429) or error.status_code >= 500:
            return DraftError(DraftErrorKind.BUSY, text, wait)
        by_status = {
            401: DraftErrorKind.AUTHENTICATION,
            402: DraftErrorKind.BILLING,
            403: DraftErrorKind.AUTHENTICATION,
        }
        return DraftError(by_status.get(error.status_code, DraftErrorKind.REFUSED), text)


def _seconds(stated: str | None) -> float | None:
    try:
        return float(stated) if stated else None
    except ValueError:
        return None


def _answer(message: anthropic.types.Message) -> DraftAnswer:
    """Blocks are chosen by type: the first may hold thinking."""
    usage = message.usage
    return DraftAnswer(
        text="".join(block.text for block in message.content if block.type == "text"),
        model=str(message.model),
        request_id=message._request_id or message.id,
        stop_reason=message.stop_reason or "",
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_write_tokens=usage.cache_creation_input_tokens or 0,
        cache_read_tokens=usage.cache_read_input_tokens or 0,
    )
