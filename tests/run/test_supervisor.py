"""The supervisor starts again what ended, each after a pause of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

from run.supervisor import PAUSE_SECONDS_MIN, Service, Supervisor


async def test_services_that_ended_together_come_back_together(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, {})
    services = [Service(name, "this") for name in ("one", "two", "three")]
    for service in services:
        supervisor.start(service)
    watching = asyncio.create_task(supervisor.watch())
    async with asyncio.timeout(20):
        while any(service.starts < 2 for service in services):
            assert not watching.done()
            await asyncio.sleep(0.01)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await supervisor.stop()
    again = sorted(service.started_at for service in services)
    # A service that ended within seconds pauses twice the shortest time.
    assert again[-1] - again[0] < 2 * PAUSE_SECONDS_MIN
