"""The keeper is killed at every point of a seal, and the chain goes on as if nothing had been.

Seeds below SEEDS run in `make test`; each kills a few times at points drawn from the seed.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random

from store.heads import Heads
from store.postgres import PostgresStore
from tests.store.sealed_log import KEY, mixed, sealer, verify

SEEDS = 300
POINTS = ("digests made", "marks written", "seals appended", "head written")


class Killed(BaseException):
    """The process dies here."""


class Kill:
    """Dies at the given visit of a crash point; afterwards never again."""

    def __init__(self, visit: int) -> None:
        self._left = visit
        self.at = ""

    def __call__(self, name: str) -> None:
        self._left -= 1
        if self._left == 0:
            self.at = name
            raise Killed


async def _one_life(store: PostgresStore, folder: Path, seed: int) -> str:
    """Events come, a beat is killed, what the crash left of a line may stand there; the next
    sealer goes on. Returns the point of the kill."""
    random = Random(seed)
    await store.append(mixed(100 * seed, random.randint(1, 6)))
    kill = Kill(random.randint(1, len(POINTS)))
    with suppress(Killed):
        await sealer(store, folder, kill).beat()
    if random.random() < 0.3:
        for path in (folder / "heads").glob("*.jsonl"):
            with open(path, "ab") as file:
                file.write(b'{"day":"2026'[: random.randint(1, 12)])
    if random.random() < 0.5:
        await store.append(mixed(100 * seed + 50, random.randint(1, 6)))
    return kill.at


async def test_a_kill_at_any_point_loses_and_doubles_nothing(
    store: PostgresStore, database_url: str, tmp_path: Path
) -> None:
    killed = Counter([await _one_life(store, tmp_path, seed) for seed in range(SEEDS)])
    assert set(killed) == set(POINTS)
    assert min(killed.values()) > 20
    await sealer(store, tmp_path).beat()
    found = await verify(database_url, tmp_path)
    assert found.finding is None
    heads = list(Heads(tmp_path).read(KEY))
    assert found.stretches == len(heads)
    assert found.sealed_to + 2 == await store.head()
