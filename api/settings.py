"""What the API is told by run/api: who may log in, where the page is, its clocks and its chance.

Nothing here reads the environment, a clock or a random source: those are handed in, so that a
test can set them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """`operator_password_hash` is argon2id text; empty lets nobody in."""

    operator_name: str
    operator_password_hash: str = field(repr=False)
    mode: str
    """sandbox, paper or live."""
    build: str
    dist: Path
    """Folder of the built page; may be missing."""
    archive: Path
    """Folder of archived days; may be missing."""
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    random_bytes: Callable[[int], bytes]
    run_id: str = "api"
    allowed_hosts: frozenset[str] = LOOPBACK_HOSTS
    """Host names (without port) that a request may name: stops names that resolve to loopback."""
    https: bool = False
    """True behind TLS: the cookie is then __Host- and Secure."""
    session_idle_seconds_max: float = 30 * 60
    session_seconds_max: float = 12 * 3_600
    control_wait_seconds_max: float = 2.0
    """How long a control waits for the event that decides it."""
    history_days: int = 60
    """How far back the live tables look for open trades."""
