"""The signals daemon: analytics and strategies. It never talks to the broker."""

from __future__ import annotations

import sys

from run.service import Process, command
from run.worker import Worker
from run.workers import WORKERS


async def main(process: Process) -> None:
    """Consume the market, emit metrics and signals."""
    worker = Worker(
        "signals",
        WORKERS["signals"](process.settings),
        process.store,
        process.build,
        configuration_sha256=process.configuration_sha256,
        cache=process.state_cache(),
    )
    await worker.run()


if __name__ == "__main__":
    sys.exit(command("signals", main, __doc__))
