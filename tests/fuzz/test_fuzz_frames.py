"""Thousands of malformed socket frames of every channel crash nothing and end with a reason."""

from __future__ import annotations

import pytest

from tests.domain.payloads.frames import FRAMES
from tests.fuzz.path import READ, REJECTED, UNREAD, Path
from tests.fuzz.send import send

PAYLOADS = 5_000
SEED = 20_261_128


@pytest.fixture(scope="module")
def path() -> Path:
    return Path(judged_of=5)


@pytest.mark.parametrize("channel", FRAMES)
def test_malformed_frames_end_as_rejected_or_unread_with_a_reason(path: Path, channel: str) -> None:
    """Or as a row of their table, when what is wrong is none of the fields that are read."""
    assert path.frame(channel, FRAMES[channel]) == READ
    ends = send(path, channel, SEED, PAYLOADS)
    assert ends.total() == PAYLOADS
    assert min(ends[REJECTED], ends[UNREAD], ends[READ]) > PAYLOADS // 50, ends
