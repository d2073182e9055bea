"""The keeper's beat of seals: everything that came since the last one, and each day at its end.

What stands in the way of a beat for a moment (a server away, a full disk) is told and tried again
with the next one. A log that is not what was sealed is told once, and no seal is laid over it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import asyncpg
import pydantic

from run.service import Process
from store.envelope import start_of
from store.errors import StoreError
from store.heads import ForeignKey, HeadsDamaged
from store.seal import KeyUnusable
from store.sealer import Sealer, SealingStopped, key_for_sealing

_PASSING = (StoreError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError)
_FOR_A_PERSON = (SealingStopped, HeadsDamaged, ForeignKey, KeyUnusable, pydantic.ValidationError)

Alert: TypeAlias = Callable[[str, str, str, str], Awaitable[None]]
"""Severity, code, text, evidence; the same four twice are one alert."""


class Seals:
    """The sealer of a running keeper."""

    def __init__(self, process: Process, alert: Alert) -> None:
        self._process = process
        self._alert = alert
        self._sealer: Sealer | None = None

    @property
    def position(self) -> int:
        """Up to where the log is sealed, as far as this run knows."""
        last = self._sealer.last if self._sealer else None
        return last.last if last else 0

    async def beats(self) -> None:
        """Seal at every beat; returns only when a person must look first."""
        while True:
            try:
                await self.beat()
            except _FOR_A_PERSON as error:
                await self._alert("critical", "SEALING_STOPPED", str(error), self._process.run_id)
                return
            except _PASSING as error:
                hour = f"{datetime.now(UTC):%Y-%m-%d %H}"
                text = f"the log could not be sealed, the next beat tries again: {error}"
                await self._alert("warning", "SEALING_DELAYED", text, hour)
            await asyncio.sleep(self.seconds_to_next(datetime.now(UTC)))

    async def beat(self) -> int:
        """Seal what is on the log; returns the number of stretches. Raises as Sealer.beat."""
        if self._sealer is None:
            store, settings = self._process.store, self._process.settings
            key = await key_for_sealing(store, settings.seals, settings.seal_key)
            propose = self._process.recorder.propose
            self._sealer = Sealer(
                store,
                store.canonical,
                settings.seals,
                key,
                lambda stream, body, event_id: propose(stream, body, event_id=event_id),
            )
        return await self._sealer.beat()

    def seconds_to_next(self, now: datetime) -> float:
        """Real seconds until the next beat: the steady one, or the one that ends the UTC day."""
        midnight = start_of(now.date() + timedelta(days=1))
        return min(self._process.settings.seal_every_s, (midnight - now).total_seconds() + 1)
