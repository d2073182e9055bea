"""The sandboxes' memory on disk: one JSON line for each thing that changed a vendor's state.

Every vendor state is a fold of its entries, so that a restarted sandbox knows what the vendor
would know. Entries with `is_effect` are what our side caused and outsiders can see: they are the
ledger against which duplicates, losses and early posts are counted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from adapters.people_sandbox.clock import SandboxClock

Json: TypeAlias = dict[str, Any]
"""A JSON object as a vendor writes it."""


def content_sha256(content: Json) -> str:
    """SHA-256 over the JSON text of a content with sorted keys and no blanks."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Entry:
    """One change. `content` is what the vendor accepted, `state` what only the vendor knows."""

    sequence: int
    vendor: str
    kind: str
    is_effect: bool
    channel: str
    remote_id: str
    content: Json
    content_sha256: str
    state: Json
    vendor_epoch: float
    real_at: str
    market_at: str


class Ledger:
    """Entries in memory and, when a path is given, in a file that is written line by line."""

    def __init__(self, clock: SandboxClock, path: Path | None) -> None:
        self._clock = clock
        self._path = path
        self.entries: list[Entry] = list(self._read()) if path is not None else []

    def _read(self) -> Iterator[Entry]:
        if self._path is None or not self._path.exists():
            return
        text = self._path.read_text()
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            # A killed process may leave half a line; what it held was never acknowledged.
            self._path.write_text(whole)
        for line in whole.splitlines():
            yield Entry(**json.loads(line))

    def append(
        self,
        vendor: str,
        kind: str,
        content: Json,
        *,
        is_effect: bool = True,
        channel: str = "",
        remote_id: str = "",
        state: Json | None = None,
    ) -> Entry:
        """Write an entry down before the vendor's answer leaves, and return it."""
        entry = Entry(
            sequence=len(self.entries) + 1,
            vendor=vendor,
            kind=kind,
            is_effect=is_effect,
            channel=channel,
            remote_id=remote_id,
            content=content,
            content_sha256=content_sha256(content),
            state=state or {},
            vendor_epoch=self._clock.vendor(),
            real_at=datetime.fromtimestamp(self._clock.real(), UTC).isoformat(),
            market_at=self._clock.market_time().isoformat(),
        )
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps(asdict(entry), ensure_ascii=False) + "\n")
        self.entries.append(entry)
        return entry

    def effects(self, vendor: str | None = None, after: int = 0) -> list[Json]:
        """The effects as GET /_sim/ledger shows them, oldest first."""
        return [
            {name: value for name, value in asdict(entry).items() if name != "state"}
            for entry in self.entries[after:]
            if entry.is_effect and vendor in (None, entry.vendor)
        ]

    def clear(self) -> None:
        self.entries.clear()
        if self._path is not None:
            self._path.write_text("")
