"""A writer that loads the vendor's library with its first draft.

Used by run/people.py. Loading takes a second of the processor, for which everything else that a
starting outbox has to do would wait: deliveries of unknown outcome, pages, open approvals.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from adapters.claude.answers import DraftAnswer, DraftError

if TYPE_CHECKING:
    from adapters.claude.writer import ClaudeWriter


def _loaded() -> type[ClaudeWriter]:
    from adapters.claude.writer import ClaudeWriter

    return ClaudeWriter


class LateWriter:
    """Drafts as ClaudeWriter does; other tasks go on while the library loads."""

    def __init__(self, base_url: str, api_key: str, model: str) -> None:
        self._base_url = base_url
        self._api_key = api_key
        self._model = model
        self._writer: ClaudeWriter | None = None

    async def close(self) -> None:
        if self._writer is not None:
            await self._writer.close()

    async def draft(
        self, system: str, facts_text: str, schema: Mapping[str, object], max_tokens: int
    ) -> DraftAnswer | DraftError:
        """One answer in the schema, with little effort. Errors are those of ClaudeWriter."""
        kind = await asyncio.to_thread(_loaded)
        if self._writer is None:
            self._writer = kind(self._base_url, self._api_key, self._model)
        return await self._writer.draft(system, facts_text, schema, max_tokens, "low")
