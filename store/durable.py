"""Files beside the database that must be there after a power cut: seals, heads, archives.

Every function returns only when the disk has confirmed. Raises OSError, such as for a full disk.
"""

from __future__ import annotations

import os
from pathlib import Path

PRIVATE = 0o600


def sync_folder(folder: Path) -> None:
    """Confirm names that were made, changed or removed in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder for ourselves alone, with those above it."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        sync_folder(folder.parent)


def sync_file(path: Path) -> None:
    """Confirm the bytes of a file that somebody else wrote."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_at(path: Path, offset: int, data: bytes) -> None:
    """Write bytes at a place of a file, which is made when it is not there."""
    is_new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, PRIVATE)
    try:
        view = memoryview(data)
        while view:
            written = os.pwrite(descriptor, view, offset)
            view, offset = view[written:], offset + written
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        sync_folder(path.parent)


def create_private(path: Path, data: bytes) -> None:
    """Make a file that only its owner may read.

    Raises:
        FileExistsError: it is there already; nothing was changed.
    """
    partial = path.with_name(f"{path.name}.new")
    partial.unlink(missing_ok=True)
    write_at(partial, 0, data)
    os.link(partial, path)
    partial.unlink()
    sync_folder(path.parent)


def remove(path: Path) -> None:
    """Make sure that no file is there; its space is free again."""
    path.unlink(missing_ok=True)
