"""Rotation of the log files of services that the supervisor started (run/supervisor.py).

The service keeps its file open for appending, so the file is copied and then cut to nothing: what
the service writes next begins it anew. Lines written between the last byte copied and the cut, a
few microseconds, are lost; none of them is needed for anything that the desk decides.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from run.keeper.runner import Outcome, Work

BYTES_MAX = 50_000_000
COPY_BYTES = 1 << 20
FILES_MAX = 5
"""Older files of a service that are kept: NAME.log.1 is the newest."""


def rotate(path: Path, bytes_max: int = BYTES_MAX, files_max: int = FILES_MAX) -> bool:
    """Rotate a file that is larger than allowed; whether it was.

    Raises:
        OSError: the disk is full or the folder cannot be written; the file is as it was.
    """
    if path.stat().st_size <= bytes_max:
        return False
    for number in range(files_max - 1, 0, -1):
        older = _older(path, number)
        if older.exists():
            older.replace(_older(path, number + 1))
    copy = _older(path, 1)
    with path.open("rb+") as source:
        try:
            with copy.open("wb", buffering=0) as target:
                shutil.copyfileobj(source, target, COPY_BYTES)
                os.fsync(target.fileno())
                shutil.copyfileobj(source, target, COPY_BYTES)  # what came meanwhile
                source.truncate(0)
        except OSError:
            copy.unlink(missing_ok=True)
            raise
    return True


def _older(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def rotate_folder(folder: Path) -> list[str]:
    """Rotate all log files of a folder; the names of those that were too large."""
    return [path.name for path in sorted(folder.glob("*.log")) if rotate(path)]


async def rotate_all(work: Work) -> Outcome:
    """The job: look at every log file."""
    rotated = await asyncio.to_thread(rotate_folder, work.process.settings.var_dir / "log")
    return Outcome(f"rotated {', '.join(rotated)}" if rotated else "none is too large")
