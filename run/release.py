"""Release a halted desk from the command line: takes var/halt and var/flatten away and asks the
trader to trade again.

It needs a reason, and the words `RELEASE` and the desk's mode (SANDBOX, PAPER, LIVE) typed in full
on its standard input: whoever types them has looked at which desk this is.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

from api.decision import RELEASE
from domain.events.controls import ReleaseRequested
from run.command_line import command_line
from run.config import Settings, SettingsError, load_settings
from run.control_file import ControlFiles
from run.halt import READS, Outcome, add_arguments, ask, whoever
from store.errors import StoreError
from store.postgres import PostgresStore

EXITS = {
    0: "the trader has released trading",
    1: "not released: the log or a file could not be written, or the trader has not answered",
    2: "a setting or an argument is missing, unknown or wrong; the message names it",
    3: "refused: the confirmation was not typed, or the trader refused; the reason is printed",
}
EXAMPLES = """
  python -m run.release --why "quotes are right again"
  echo "RELEASE PAPER" | python -m run.release --why "drill is over" --json"""


async def _release(settings: Settings, who: str, why: str, wait_seconds: float) -> Outcome:
    """The files go only when the log answers: else the halt would end without a trace."""
    async with asyncio.timeout(wait_seconds):
        store = await PostgresStore.open(settings.database_url, application_name="cli")
    try:
        async with asyncio.timeout(wait_seconds):
            await store.head()
    finally:
        await store.close()
    files = ControlFiles(settings.var_dir).remove()
    body = ReleaseRequested(who=who, route="cli", reason=why, reauthenticated=True)
    now = datetime.now(UTC)
    outcome = await ask(settings, "control/cli", body, uuid4(), now, RELEASE, wait_seconds)
    outcome.files = files
    return outcome


def main(argv: Sequence[str] | None = None) -> int:
    parser = command_line("run.release", __doc__, reads=READS, exits=EXITS, examples=EXAMPLES)
    add_arguments(parser)
    given = parser.parse_args(argv)
    try:
        settings = load_settings()
    except SettingsError as error:
        print(f"release: {error}", file=sys.stderr)
        return 2
    phrase = f"RELEASE {settings.mode.upper()}"
    print(f'Type "{phrase}" to let entries leave again: ', end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != phrase:
        outcome = Outcome("refused", uuid4(), reason=f'"{phrase}" must be typed, was not')
    else:
        try:
            outcome = asyncio.run(_release(settings, whoever(given.who), given.why, given.wait))
        except (StoreError, OSError) as error:
            outcome = Outcome("failed", uuid4(), reason=str(error) or type(error).__name__)
    text = {
        "accepted": f"{settings.mode}: released",
        "refused": f"{settings.mode}: not released",
        "requested": f"{settings.mode}: release asked, not answered yet",
    }.get(outcome.state, f"{settings.mode}: not released, the log or a file was not reachable")
    outcome.print(text, as_json=given.json)
    return {"accepted": 0, "refused": 3}.get(outcome.state, 1)


if __name__ == "__main__":
    sys.exit(main())
