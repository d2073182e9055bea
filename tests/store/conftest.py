"""What the tests of seals and the archive have in common."""

from __future__ import annotations

import pytest

from store import archiver
from store import sealer as sealing


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seals of 17 positions and row groups of 10 rows: a small log has several of each."""
    monkeypatch.setattr(sealing, "STRETCH_POSITIONS_MAX", 17)
    monkeypatch.setattr(archiver, "ROWS_PER_GROUP", 10)
