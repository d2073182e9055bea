"""Run every daemon on this machine without containers: `python -m run.all`.

Needs the settings of .env (see .env.example), Postgres and Redis at DATABASE_URL and REDIS_URL,
and a database that `python -m run.migrate` has brought up to date. Ends with Ctrl-C.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence

from run.command_line import command_line
from run.config import Settings, SettingsError, load_settings
from run.services import SERVICES
from run.supervisor import Service, ServiceFailed, Supervisor

METRICS_PORT_FIRST = 9_100
METRICS_PORT_STEP = 10
"""Ports from one service to the next: the watchdog gives its child the one above its own."""


async def supervise() -> None:
    """Start all services and keep them running until a signal."""
    settings = load_settings()
    supervisor = Supervisor(settings.var_dir / "log", {})
    for offset, (name, module) in enumerate(SERVICES):
        port = {"STRIKETAPE_METRICS_PORT": str(METRICS_PORT_FIRST + METRICS_PORT_STEP * offset)}
        supervisor.start(Service(name, module, environment=port))
    task = asyncio.create_task(supervisor.watch(), name="supervisor")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    print(
        f"{settings.mode}: running; logs in {settings.var_dir / 'log'}; Ctrl-C ends it", flush=True
    )
    try:
        await task
    except asyncio.CancelledError:
        print("stopping", flush=True)
    finally:
        await supervisor.stop()


def main(argv: Sequence[str] | None = None) -> int:
    command_line("run.all", __doc__, reads=tuple(Settings.model_fields)).parse_args(argv)
    try:
        asyncio.run(supervise())
    except SettingsError as error:
        print(f"run.all: {error}", file=sys.stderr)
        return 2
    except ServiceFailed as error:
        print(f"run.all: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
