"""Accept a step of the database clock: the log takes events again, and the desk goes on trading.

When the clock of the database jumps by more than a minute against the clocks of the processes (a
machine that slept, a time server that was away) the log refuses everything, so that no order
leaves. Compare the time printed here with a clock you trust; when it is wrong, set it right first.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from uuid import uuid4

from run.build import build_id
from run.clock_step import NothingToAccept, accept
from run.command_line import command_line
from run.config import Settings, SettingsError, load_settings
from run.halt import name, one_line, whoever
from run.worker import Recorder
from store.errors import StoreError
from store.postgres import PostgresStore

WAIT_SECONDS = 10.0
EXITS = {
    0: "accepted: ClockAccepted is on the log",
    1: "not accepted: the log could not be read or written",
    2: "a setting or an argument is missing, unknown or wrong; the message names it",
    3: "there is no step to accept",
}
EXAMPLES = """
  python -m run.accept_clock --why "the laptop slept, its time is right"
  python -m run.accept_clock --why "time server was away" --who ann --json"""


async def _accept(settings: Settings, who: str, why: str) -> dict[str, object]:
    store = await PostgresStore.open(settings.database_url, application_name="cli")
    try:
        recorder = Recorder(store, "cli", build_id(), uuid4().hex)
        step_seconds = await accept(store, recorder, who, why)
        now = (await store.clock()).now
    finally:
        await store.close()
    return {"state": "accepted", "step_seconds": step_seconds, "database_time": now.isoformat()}


def main(argv: Sequence[str] | None = None) -> int:
    parser = command_line("run.accept_clock", __doc__, reads=(), exits=EXITS, examples=EXAMPLES)
    parser.add_argument("--why", type=one_line, required=True, help="the reason, kept on the log")
    parser.add_argument("--who", type=name, default=None, help="default: the user of this shell")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(argv)
    try:
        settings = load_settings()
    except SettingsError as error:
        print(f"accept_clock: {error}", file=sys.stderr)
        return 2

    async def within() -> dict[str, object]:
        async with asyncio.timeout(WAIT_SECONDS):
            return await _accept(settings, whoever(given.who), given.why)

    code = 0
    try:
        answer = asyncio.run(within())
        text = f"{settings.mode}: a step of {answer['step_seconds']:.1f} s is accepted"
        text += f"; the database says {answer['database_time']}"
    except NothingToAccept as error:
        code, text, answer = 3, str(error), {"state": "nothing", "reason": str(error)}
    except (StoreError, OSError) as error:
        reason = str(error) or type(error).__name__
        code, text, answer = 1, f"not accepted: {reason}", {"state": "failed", "reason": reason}
    print(json.dumps(answer) if given.json else text)
    return code


if __name__ == "__main__":
    sys.exit(main())
