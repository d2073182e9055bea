"""Seals under faults: the keeper is killed at every step of a beat, or its connections break."""

from __future__ import annotations

from contextlib import suppress
from random import Random

from store.heads import Heads
from store.postgres import PostgresStore
from store.sealer import Sealer
from tests.crash.append_life import APPEND
from tests.crash.log_life import LOST, AtPoint, Ground, Killed, die, end_backends
from tests.crash.relay import Loss
from tests.store.sealed_log import KEY, mixed, sealer, verify

STEPS = ("digests made", "marks written", "seals appended", "head written")
REQUESTS = {
    "head of the log": "SELECT last_position",
    "end of the day": "first_position",
    "canonical bytes": "COPY",
    "seals": APPEND,
}
"""What a beat asks of the server, and what its SQL says."""
POINTS = (*STEPS, *REQUESTS)
KEEPER = "keeper"
BEATS_MAX = 4
VERIFIED_EVERY = 4


class SealRow:
    """Lives of a keeper on one log."""

    def __init__(self, ground: Ground, store: PostgresStore) -> None:
        self._ground = ground
        self._store = store
        self._sealer = sealer(store, ground.folder)
        self._written = 0
        self._key = 0

    @classmethod
    async def open(cls, ground: Ground) -> SealRow:
        return cls(ground, await PostgresStore.open(ground.relayed, application_name=KEEPER))

    async def close(self) -> None:
        await self._store.close()

    async def live(self, seed: int) -> str:
        random = Random(seed)
        await self._write(random)
        point = POINTS[seed % len(POINTS)]
        if point in REQUESTS:
            how = await self._cut(point, random)
        elif random.random() < 0.7:
            how = await self._killed(point, random)
        else:
            how = await self._ended(point)
        if random.random() < 0.5:
            await self._write(random)
        await self._beat(self._sealer)
        await self._check()
        if seed % VERIFIED_EVERY == 0:
            await self._verify()
        return f"{point}: {how}"

    async def end(self) -> None:
        """One unbroken chain over everything written."""
        await self._verify()

    async def _write(self, random: Random) -> None:
        count = random.randint(1, 6)
        await self._store.append(mixed(self._key, count))
        self._key += 10
        self._written += count

    async def _killed(self, point: str, random: Random) -> str:
        """The keeper dies, perhaps in the middle of a line; another one starts."""
        with suppress(Killed):
            await sealer(self._store, self._ground.folder, AtPoint(point, 1, die)).beat()
        if random.random() < 0.4:
            for path in (self._ground.folder / "heads").glob("*.jsonl"):
                with open(path, "ab") as file:
                    file.write(b'{"day":"2026'[: random.randint(1, 12)])
        self._sealer = sealer(self._store, self._ground.folder)
        return "killed"

    async def _ended(self, point: str) -> str:
        """The keeper lives on, its connections are ended."""
        end = AtPoint(point, 1, lambda: end_backends(self._ground.dsn, KEEPER))
        self._sealer = sealer(self._store, self._ground.folder, end)
        await self._beat(self._sealer)
        assert end.struck
        return "backends ended"

    async def _cut(self, point: str, random: Random) -> str:
        """The keeper lives on, its line breaks at a request."""
        loss = random.choice(list(Loss))
        self._ground.relay.strike(loss, among=REQUESTS[point])
        await self._beat(self._sealer)
        assert self._ground.relay.struck.is_set(), f"a beat must ask for {point}"
        self._ground.relay.let_go()
        return f"{loss.value} lost"

    async def _beat(self, one: Sealer) -> None:
        """The keeper beats on through what passes (run/sealing.py)."""
        for beat in range(BEATS_MAX):
            try:
                await one.beat()
            except LOST:
                assert beat < BEATS_MAX - 1, "a fault that is over must not stop the beats"
            else:
                return

    async def _check(self) -> None:
        """A head for each pair of seals, and each event and each seal once."""
        heads = list(Heads(self._ground.folder).read(KEY))
        head = await self._store.head()
        assert heads[-1].last + 2 == head, "the newest seals are not sealed yet"
        assert head == self._written + 2 * len(heads), "each event and each seal once"

    async def _verify(self) -> None:
        found = await verify(self._ground.dsn, self._ground.folder)
        assert found.finding is None, found.finding
        assert found.sealed_to + 2 == await self._store.head()
