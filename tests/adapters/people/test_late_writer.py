"""The vendor's library is loaded with the first draft, and not before."""

from __future__ import annotations

import subprocess
import sys

from adapters.claude.answers import DraftAnswer
from adapters.claude.late_writer import LateWriter
from adapters.people_sandbox.process import PeopleSandbox
from tests.adapters.people.conftest import ACCOUNTS
from tests.adapters.people.test_claude_writer import FACTS, SCHEMA


async def test_a_draft_is_the_writers(sandbox: PeopleSandbox) -> None:
    writer = LateWriter(sandbox.url("claude"), ACCOUNTS.claude_api_key, "claude-haiku-5-5")
    for _ in range(2):
        answer = await writer.draft("rules " * 500, FACTS, SCHEMA, 2_000)
        assert isinstance(answer, DraftAnswer) and answer.stop_reason == "end_turn"
    await writer.close()


async def test_closing_one_that_never_wrote_is_nothing() -> None:
    await LateWriter("http://127.0.0.1:1", "", "claude-haiku-5-5").close()


def test_a_starting_outbox_does_not_wait_for_the_library_of_drafts() -> None:
    loaded = "import sys, run.outbox; sys.exit('anthropic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded]).returncode == 0
