"""Five thousand malformed messages of TWS: none harms the feed or the messages behind it."""

from __future__ import annotations

from random import Random

import pytest

from domain.events.feeds import IbTicksReceived
from tests.fuzz.ib import VALID, Feed, frame_of, run

MESSAGES = 5_000


@pytest.mark.parametrize("seed", [1])
async def test_malformed_messages_are_kept_as_rejected_or_read_and_never_escape(seed: int) -> None:
    feed = await run(seed, MESSAGES)
    assert feed.rejected > MESSAGES // 10


async def test_packets_may_be_cut_at_every_byte() -> None:
    """TCP keeps no message boundaries: the same events come of any cut."""
    stream = b"".join(frame_of(*fields) for fields in VALID)
    whole = Feed()
    whole.link.client._onSocketHasData(stream)  # type: ignore[attr-defined]
    expected = sorted(
        tick for e in whole.events if isinstance(e, IbTicksReceived) for tick in e.ticks
    )
    random = Random(3)
    for at in range(1, len(stream), 7):
        other = random.randrange(at, len(stream))
        feed = Feed()
        for piece in (stream[:at], stream[at:other], stream[other:]):
            feed.link.client._onSocketHasData(piece)  # type: ignore[attr-defined]
        found = [t for e in feed.events if isinstance(e, IbTicksReceived) for t in e.ticks]
        assert sorted(found) == expected
