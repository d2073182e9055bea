"""The five people sandboxes and their control plane, started and stopped together.

Used by run/sandbox_people.py and by the tests. Everything binds to the loopback interface.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from aiohttp import web

from adapters.claude.sandbox.server import ClaudeSandbox
from adapters.discord.sandbox.server import DiscordSandbox
from adapters.people_sandbox.clock import SandboxClock
from adapters.people_sandbox.control import ControlPlane
from adapters.people_sandbox.credentials import SandboxAccounts
from adapters.people_sandbox.faults import FaultTable
from adapters.people_sandbox.ledger import Ledger
from adapters.people_sandbox.server import VendorSandbox, World, application
from adapters.reddit.sandbox.server import RedditSandbox
from adapters.telegram.sandbox.server import TelegramSandbox
from adapters.x.sandbox.server import XSandbox

HOST = "127.0.0.1"
LEDGER_FILE = "people.jsonl"
CLOCK_FILE = "clock.json"
SITES = ("discord", "telegram", "x", "reddit", "claude", "control")
_SHUTDOWN_SECONDS = 0.2
_KINDS: tuple[type[VendorSandbox], ...] = (
    DiscordSandbox,
    TelegramSandbox,
    XSandbox,
    RedditSandbox,
    ClaudeSandbox,
)


class PeopleSandbox:
    """An async context manager; `ports` holds the real ports while it is open.

    `ports` given: one for each of SITES, 0 or none picks a free one. `real_now` is the epoch
    clock. With `state_dir` ledger and market time are kept there and known to the next start.
    """

    def __init__(
        self,
        real_now: Callable[[], float],
        *,
        ports: Mapping[str, int] | None = None,
        state_dir: Path | None = None,
        seed: int = 1,
        accounts: SandboxAccounts | None = None,
    ) -> None:
        self.ports: dict[str, int] = {site: (ports or {}).get(site, 0) for site in SITES}
        if state_dir is not None:
            state_dir.mkdir(parents=True, exist_ok=True)
        clock = SandboxClock(real_now, state_dir / CLOCK_FILE if state_dir else None)
        self.world = World(
            clock=clock,
            ledger=Ledger(clock, state_dir / LEDGER_FILE if state_dir else None),
            faults=FaultTable(seed),
            accounts=accounts or SandboxAccounts(),
            seed=seed,
        )
        self.sandboxes: dict[str, VendorSandbox] = {
            kind.vendor: kind(self.world) for kind in _KINDS
        }
        self._runners: list[web.AppRunner] = []

    def url(self, site: str) -> str:
        return f"http://{HOST}:{self.ports[site]}"

    @property
    def discord_url(self) -> str:
        return self.url("discord") + "/api/v10"

    @property
    def telegram_url(self) -> str:
        return self.url("telegram") + "/bot"

    async def __aenter__(self) -> Self:
        try:
            for name, sandbox in self.sandboxes.items():
                await self._start(name, application(sandbox))
            await self._start("control", ControlPlane(self.world, self.sandboxes).application())
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _start(self, site: str, app: web.Application) -> None:
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_SECONDS
        )
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, HOST, self.ports[site], reuse_address=True).start()
        self.ports[site] = runner.addresses[0][1]

    async def __aexit__(self, *_: object) -> None:
        while self._runners:
            await self._runners.pop().cleanup()
