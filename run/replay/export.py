"""`export --incident ID --out FOLDER`: the story of an incident as a bundle that proves itself.

The same log gives the same bytes: nothing in the bundle depends on when or where it is made.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from run.build import build_id
from run.replay import verify_bundle
from run.replay.past import VIEWS, Past, desk_at
from run.replay.printing import as_json, as_row, print_json
from run.replay.question import CannotAnswer
from run.replay.story import EVENTS_MAX, Story, story_of
from run.replay.why import lines
from store.contract import EventStore

EXAMPLES = """examples:
  export --incident P227f752ab686539a --out incident-1
  python incident-1/verify.py --manifest-sha256 (what export printed)

The bundle: events.jsonl (the story as `why` tells it), story.txt, state_before.json,
state_after.json, verify.py (Python's standard library alone), manifest.json.
exit codes: 0 written; 2 nothing has that id, or the folder holds something. verify.py: 0 nothing
was touched; 1 something was."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--incident", required=True, metavar="ID", help="any id that why knows")
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="new or empty")


async def run(store: EventStore, asked: argparse.Namespace) -> int:
    """Write the bundle and print the digest of its manifest."""
    story = await story_of(store, asked.incident)
    events = story.events
    before, after = events[0].position - 1, events[-1].position
    files = {
        verify_bundle.EVENTS: b"".join(as_json(as_row(event)) + b"\n" for event in events),
        "story.txt": "".join(f"{line}\n" for line in lines(story)).encode(),
        "state_before.json": _state(await desk_at(store, before, "before"), before),
        "state_after.json": _state(await desk_at(store, after, "after"), after),
        "verify.py": _verifier(),
    }
    manifest = as_json(_manifest(asked.incident, story, files)) + b"\n"
    _write(asked.out, {**files, verify_bundle.MANIFEST: manifest})
    answer = {
        "folder": str(asked.out),
        "events": len(events),
        "truncated": story.truncated,
        "manifest_sha256": verify_bundle.sha256(manifest),
    }
    if asked.json:
        print_json(answer)
        return 0
    print(f"{len(events)} events and the state before and after them are in {asked.out}")
    if story.truncated:
        print(f"the story is longer: {EVENTS_MAX} events are in the bundle")
    print(f"note the SHA-256 of its manifest elsewhere: {answer['manifest_sha256']}")
    print(f"check it anywhere with: python {asked.out / 'verify.py'}")
    return 0


def _verifier() -> bytes:
    return Path(verify_bundle.__file__).read_bytes()


def _state(past: Past, position: int) -> bytes:
    views = {name: list(past.view(name).values()) for name in VIEWS}
    return as_json({"position": position, **views}) + b"\n"


def _manifest(incident: str, story: Story, files: dict[str, bytes]) -> dict[str, Any]:
    events = story.events
    known = {event.event_id for event in events}
    outside = {e.causation_id for e in events if e.causation_id is not None} - known
    return {
        "format": verify_bundle.FORMAT,
        "incident": incident,
        "build": build_id(),
        "events": {
            "count": len(events),
            "first": events[0].position,
            "last": events[-1].position,
            "from": events[0].market_time,
            "to": events[-1].market_time,
            "truncated": story.truncated,
            "causes_outside": sorted(str(cause) for cause in outside),
            "chain_sha256": verify_bundle.chained(files[verify_bundle.EVENTS].splitlines()),
        },
        "files": {
            name: {"sha256": verify_bundle.sha256(data), "bytes": len(data)}
            for name, data in sorted(files.items())
        },
    }


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """Write all files into a folder that holds nothing yet.

    Raises:
        CannotAnswer: it holds something, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise CannotAnswer(f"--out must name a new or empty folder, was {folder}")
        for name, data in files.items():
            (folder / name).write_bytes(data)
    except OSError as error:
        raise CannotAnswer(f"--out must name a folder that can be written: {error}") from None
