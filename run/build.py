"""The identity of the running code: what WorkerStarted records and verify-decisions compares."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_FOLDERS = ("domain", "store", "adapters", "projections", "api", "run")


@cache
def code_sha256() -> str:
    """Hash of source and locks: what the code is, whatever its build is called."""
    digest = hashlib.sha256()
    paths = [path for folder in _FOLDERS for path in (ROOT / folder).rglob("*.py")]
    for path in sorted([*paths, ROOT / "requirements.txt"]):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


@cache
def build_id() -> str:
    """BUILD_ID when an image sets it, else 12 hex digits over source and locks."""
    return os.environ.get("BUILD_ID", "") or code_sha256()[:12]
