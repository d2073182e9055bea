"""Check a bundle of an incident offline: python verify.py [FOLDER].

Put into every bundle as verify.py; needs nothing but Python's standard library. It compares each
file with the manifest, and the events with what the manifest says of them. Exit code 0: nothing
was touched; 1: something was, and each finding is named. The manifest itself is vouched for by its
SHA-256, which is printed: note it outside the bundle, and give it with --manifest-sha256.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

Manifest = dict[str, Any]
MANIFEST, EVENTS = "manifest.json", "events.jsonl"
FORMAT = 1


def sha256(data: bytes) -> str:
    """Hexadecimal digest."""
    return hashlib.sha256(data).hexdigest()


def chained(lines: list[bytes]) -> str:
    """Digest of a chain: each link covers the digest before it and one line."""
    digest = ""
    for line in lines:
        digest = sha256(digest.encode() + line)
    return digest


def check_files(folder: Path, manifest: Manifest) -> list[str]:
    """Every file is as listed, and none is there that is not."""
    found = []
    for name, listed in sorted(manifest["files"].items()):
        path = folder / name
        if not path.is_file():
            found.append(f"{name} must be in the bundle, is not")
        elif (now := sha256(path.read_bytes())) != listed["sha256"]:
            found.append(f"{name} must have SHA-256 {listed['sha256']}, was {now}")
    there = {path.name for path in folder.iterdir()}
    for name in sorted(there - manifest["files"].keys() - {MANIFEST}):
        found.append(f"{name} must be in the manifest, is not")
    return found


def check_events(folder: Path, manifest: Manifest) -> list[str]:
    """Number, order, chain and causes of the events."""
    told = manifest["events"]
    lines = (folder / EVENTS).read_bytes().splitlines()
    events = [json.loads(line) for line in lines]
    positions = [event["position"] for event in events]
    ids = {event["event_id"] for event in events}
    found = []
    if len(events) != told["count"] or len(ids) != len(events):
        found.append(f"{EVENTS} must hold {told['count']} events, was {len(ids)}")
    if positions != sorted(set(positions)):
        found.append(f"{EVENTS} must be in the order of log positions, is not")
    if positions and (positions[0], positions[-1]) != (told["first"], told["last"]):
        found.append(f"positions must run from {told['first']} to {told['last']}, do not")
    if chained(lines) != told["chain_sha256"]:
        found.append(f"the chain of events must end in {told['chain_sha256']}, does not")
    outside = set(told["causes_outside"])
    for event in events:
        cause = event["causation_id"]
        if cause is not None and cause not in ids and cause not in outside:
            found.append(f"the cause of event {event['position']} must be in the bundle, is not")
    return found


def check(folder: Path, expected: str) -> tuple[str, list[str]]:
    """SHA-256 of the manifest, and what is wrong with the bundle."""
    try:
        text = (folder / MANIFEST).read_bytes()
        manifest = json.loads(text)
        if manifest["format"] != FORMAT:
            return sha256(text), [f"format must be {FORMAT}, was {manifest['format']}"]
        found = check_files(folder, manifest)
        if expected and expected.lower() != sha256(text):
            found.append(f"{MANIFEST} must have SHA-256 {expected.lower()}, was {sha256(text)}")
        if not found:
            found = check_events(folder, manifest)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return "", [f"the bundle cannot be read: {error!r}"]
    return sha256(text), found


def main(argv: list[str] | None = None) -> int:
    """Check one bundle; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    parser.add_argument("--manifest-sha256", default="", help="noted when the bundle was made")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args(argv)
    digest, found = check(asked.folder, asked.manifest_sha256)
    if asked.json:
        print(json.dumps({"touched": bool(found), "findings": found, "manifest_sha256": digest}))
        return 1 if found else 0
    for text in found:
        print(text)
    print(f"{MANIFEST} has SHA-256 {digest}: {'TOUCHED' if found else 'everything is as exported'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
