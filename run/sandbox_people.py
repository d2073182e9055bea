"""The people sandboxes as a process: Discord, Telegram, X, Reddit, Claude and a control plane.

Started by the demo, by the staging run and by tests that need it out of process. Runs until
SIGTERM or SIGINT; the ledger in the state folder is read again by the next start.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from pathlib import Path

from adapters.people_sandbox.process import SITES, PeopleSandbox
from run.command_line import command_line

_EXITS = {
    0: "it was asked to stop (SIGTERM, SIGINT) and has stopped",
    1: "a port cannot be had; the message names it",
    2: "an argument is unknown or wrong",
}
_EXAMPLES = """
  (ports as given, here the defaults)
  python -m run.sandbox_people --state-dir var/sandbox --seed 7

  set market time, so that the ledger can be compared with the log
    curl -d '{"base_market_time":"2026-11-20T15:00:00Z","base_real_epoch":1795000000,"speed":10}' \\
         127.0.0.1:9206/_sim/clock
  press Approve on the newest prompt, as the operator
    curl -d '{"newest":true,"verb":"approve"}' 127.0.0.1:9206/_sim/telegram/press
  write to the bot
    curl -d '{"text":"/status"}' 127.0.0.1:9206/_sim/telegram/message
  accept the next Discord message, then lose the answer
    curl -d '{"match":{"vendor":"discord","method":"POST","path":"/messages$","times":1},
              "action":{"kind":"commit_then_drop"}}' 127.0.0.1:9206/_sim/faults
  see what reached the vendors
    curl '127.0.0.1:9206/_sim/ledger?vendor=discord'
  see everything, forget everything
    curl 127.0.0.1:9206/_sim/state;  curl -X POST 127.0.0.1:9206/_sim/reset

faults: match {vendor, method, path (regular expression), nth, times (null: for ever), probability}
  before the vendor acts: delay_before{seconds} drop_before reset half_open status{status,body}
    html_error 429{retry_after, scope, via, spend_limit}
  after it acted: delay_after_commit{seconds} commit_then_drop commit_then_500 truncate_body
    wrong_content_type
  of a vendor: list_hidden, stale_timeline{seconds}, duplicate_update, reorder_updates,
    commit_then_ratelimit (Reddit), stop_reason{stop_reason} (Claude)
"""
_FIRST_PORT = 9201


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = command_line(
        "run.sandbox_people", __doc__, reads=None, exits=_EXITS, examples=_EXAMPLES
    )
    for index, site in enumerate(SITES):
        default = _FIRST_PORT + index
        parser.add_argument(
            f"--{site}-port", type=int, default=default, help=f"default {default}, 0: any free one"
        )
    parser.add_argument("--state-dir", type=Path, default=None, help="where the ledger is kept")
    parser.add_argument("--seed", type=int, default=1, help="of drafts and of faults with chance")
    return parser.parse_args(arguments)


async def serve(
    ports: dict[str, int], state_dir: Path | None, seed: int, stop: asyncio.Event
) -> None:
    """Serve until `stop`; prints one line with the ports when all are open."""
    async with PeopleSandbox(time.time, ports=ports, state_dir=state_dir, seed=seed) as sandbox:
        shown = " ".join(f"{site}={port}" for site, port in sandbox.ports.items())
        print(f"people sandboxes ready: {shown}", flush=True)
        await stop.wait()


async def _main(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    ports = {site: getattr(options, f"{site}_port") for site in SITES}
    await serve(ports, options.state_dir, options.seed, stop)


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0 after a signal, 1 when a port cannot be opened."""
    options = _arguments(sys.argv[1:] if arguments is None else arguments)
    try:
        asyncio.run(_main(options))
    except OSError as error:
        remedy = "give another with --discord-port, --telegram-port, ... (see --help)"
        print(f"people sandboxes: {error}; {remedy}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
