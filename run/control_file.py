"""The files that stop the desk when nothing else answers: var/halt and var/flatten.

While one of them exists no entry leaves; `flatten` also closes everything once for each time that
it is written. The first line is the reason; `who:` and `route:` lines may follow, as run/halt
writes them. The trader and the watchdog each read them ten times a second, without the log.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from uuid import UUID, uuid4

from domain.event import derived_id
from domain.events.controls import FlattenRequested, HaltRequested

Kind = Literal["halt", "flatten"]
KINDS: tuple[Kind, ...] = ("halt", "flatten")
POLL_SECONDS = 0.1
REASON_LENGTH_MAX = 200
NAME_LENGTH_MAX = 64
FILE_BYTES_MAX = 4_096


@dataclass(frozen=True, slots=True)
class FileRequest:
    """What a file asks for. Its id follows from the file, so that whoever reads it first puts it
    on the log and everybody else repeats it."""

    kind: Kind
    reason: str
    who: str
    route: str
    event_id: UUID
    written_ns: int

    @property
    def written_at(self) -> datetime:
        return datetime.fromtimestamp(self.written_ns / 1e9, UTC)

    @property
    def stream(self) -> str:
        return f"control/{self.route}"

    @property
    def body(self) -> HaltRequested | FlattenRequested:
        cls = HaltRequested if self.kind == "halt" else FlattenRequested
        return cls(who=self.who, route=self.route, reason=self.reason)


class ControlFile:
    """One of the two files."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        self.path = folder / kind
        self.kind = kind
        self._told: int | None = None
        self._again: tuple[int, str] | None = None
        """When the file was written that is to be told once more, and why."""

    def read(self) -> FileRequest | None:
        """What it asks for; None when there is none. A file that cannot be read halts as well."""
        try:
            with self.path.open("rb") as file:
                text = file.read(FILE_BYTES_MAX).decode(errors="replace")
                written_ns = os.fstat(file.fileno()).st_mtime_ns
        except FileNotFoundError:
            self._told = None
            return None
        except OSError as error:
            text, written_ns = f"{self.kind} file, unreadable: {error.strerror}", 0
        again = self._again and self._again[0] == written_ns and self._again[1]
        first, *rest = text.strip().splitlines() or [f"{self.kind} file"]
        named = dict(line.split(": ", 1) for line in rest if ": " in line)
        return FileRequest(
            kind=self.kind,
            reason=first[:REASON_LENGTH_MAX],
            who=named.get("who", "file")[:NAME_LENGTH_MAX],
            route="cli" if named.get("route") == "cli" else "file",
            event_id=derived_id("control-file", self.kind, str(written_ns), text, again or ""),
            written_ns=written_ns,
        )

    def new(self) -> FileRequest | None:
        """The same, once for each time that it is written."""
        request = self.read()
        if request is None:
            return None
        if request.written_ns == self._told:
            return None
        self._told = request.written_ns
        return request

    def ask_again(self, cause: str) -> None:
        """Trading was released although the file stands: it is told once more, as a new request."""
        request = self.read()
        if request is not None:
            self._told, self._again = None, (request.written_ns, cause)

    def write(self, who: str, reason: str) -> FileRequest:
        """Make the file, whole at once, as the command line does. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(f".{self.kind}-{uuid4().hex}")
        part.write_text(f"{reason}\nwho: {who}\nroute: cli\n")
        part.replace(self.path)
        request = self.read()
        if request is None:
            raise FileNotFoundError(f"{self.path} must stay while it is read, was removed")
        return request


class ControlFiles:
    """Both files, as the trader and the watchdog watch them."""

    def __init__(self, folder: Path) -> None:
        self.halt, self.flatten = (ControlFile(folder, kind) for kind in KINDS)

    def requests(self) -> list[FileRequest]:
        """What both ask for, told or not."""
        return [request for file in (self.halt, self.flatten) if (request := file.read())]

    def standing(self) -> str:
        """Why no entry may leave; empty when there is no file."""
        found = self.requests()
        return found[0].reason if found else ""

    def new(self) -> list[FileRequest]:
        """Requests not told yet."""
        return [request for file in (self.halt, self.flatten) if (request := file.new())]

    def ask_again(self, cause: str) -> None:
        """After a release: a file that stands asks again."""
        for file in (self.halt, self.flatten):
            file.ask_again(cause)

    def remove(self) -> list[str]:
        """Take both away; the paths of those that were there. Raises OSError."""
        removed = []
        for file in (self.halt, self.flatten):
            if file.path.exists():
                file.path.unlink()
                removed.append(str(file.path))
        return removed
