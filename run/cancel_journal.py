"""Cancels that could not be put on the log first: written to a file with fsync, appended later.

The trader uses it when the log cannot be written, the watchdog when the trader does not answer.
Both cancel entries only; the next start of the trader appends what the file holds.
"""

from __future__ import annotations

import os
from pathlib import Path

from domain.events.orders import EmergencyCancelSent
from run.worker import Recorder

JOURNAL_NAME = "cancel_journal.jsonl"
STREAM = "emergency-cancel"


class CancelJournal:
    """One JSON line a cancel, on disk before the cancel leaves."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL_NAME

    def write(self, body: EmergencyCancelSent) -> None:
        """Raises OSError when the line is not safely on disk: then nothing may be cancelled."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, body.model_dump_json().encode() + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)

    def read(self) -> list[EmergencyCancelSent]:
        """Whole lines only: a last one that was cut off was never acted on."""
        if not self.path.exists():
            return []
        lines = self.path.read_bytes().split(b"\n")
        return [EmergencyCancelSent.model_validate_json(line) for line in lines[:-1] if line]

    async def append_to_log(self, recorder: Recorder) -> int:
        """Put the journal on the log and empty it; how many there were."""
        found = self.read()
        if found:
            await recorder.append([recorder.propose(STREAM, body) for body in found])
        self.path.unlink(missing_ok=True)
        return len(found)
