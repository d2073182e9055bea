"""What the sandbox was asked and what it did, one JSON line each: the oracle of end-to-end tests.

Frames are counted, and their payloads digested by channel in the order in which they were handed
to a socket; they are not written. No line ever holds a token.
"""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from pathlib import Path
from typing import TextIO

import msgspec

from adapters.unusual_whales.sandbox.wire import JsonOut


class Written:
    """How many payloads of a channel there were, and what they say in their order."""

    def __init__(self) -> None:
        self.messages = 0
        self._digest = blake2b(digest_size=16)

    def add(self, payload: bytes) -> None:
        self.messages += 1
        self._digest.update(b"%d:" % len(payload))
        self._digest.update(payload)

    def digest(self) -> str:
        return self._digest.hexdigest()


class Ledger:
    """Appends to `unusual_whales.jsonl` in `folder`; each line is flushed."""

    def __init__(self, folder: Path, token: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "unusual_whales.jsonl"
        self._token = token
        self._file: TextIO | None = self.path.open("a", encoding="utf-8")
        self.sent: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.thinned: Counter[str] = Counter()
        self.written: dict[str, Written] = {}
        """By channel, over all connections."""

    def wrote(self, channel: str, payload: bytes) -> None:
        """A payload was handed to a socket."""
        known = self.written.get(channel)
        if known is None:
            known = self.written[channel] = Written()
        known.add(payload)

    def write(self, kind: str, market_time: str, **fields: JsonOut) -> None:
        """Add one line; a token in any value is blanked."""
        if self._file is None:
            return
        line = msgspec.json.encode({"kind": kind, "market_time": market_time, **fields}).decode()
        self._file.write(line.replace(self._token, "***") + "\n")
        self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
