"""`python -m run.migrate [--json]`: brings the database of DATABASE_URL up to date.

Runs before every service (compose.yaml, run/all). Ends with 0 when the database fits this build,
also when there was nothing to do. With SERVICE_PASSWORD set it also makes the services' login,
striketape_service, or gives it this password.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

import asyncpg

from run.command_line import command_line
from run.config import check_address
from run.endings import ending
from run.replay.printing import Progress
from store.logins import WeakPassword, make_service_login
from store.migrate import MigrationError, migrate

_EXITS = {
    0: "the database fits this build, also when there was nothing to do",
    1: "it could not be brought up to date; the message says why",
    2: "DATABASE_URL is missing or no address, or an argument is wrong",
    70: "the tool itself is broken",
}
_EXAMPLES = """
  DATABASE_URL=postgresql://striketape_owner@127.0.0.1:5432/striketape python -m run.migrate

settings, from the environment alone, because .env has the services' login and not the owner's:
  DATABASE_URL      needed: of a login that owns the database
  SERVICE_PASSWORD  makes the services' login, or gives it this password
"""


async def _migrate(dsn: str, service_password: str) -> list[str]:
    bars: list[Progress] = []

    def note(done: int, of: int) -> None:
        if not bars and of:
            bars.append(Progress("migrate", 0, of))
        for bar in bars:
            bar.at(done)

    try:
        applied = await migrate(dsn, on_applied=note)
    finally:
        for bar in bars:
            bar.end()
    if service_password:
        await make_service_login(dsn, service_password)
    return applied


def main(arguments: list[str] | None = None) -> int:
    parser = command_line("run.migrate", __doc__, reads=None, exits=_EXITS, examples=_EXAMPLES)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(arguments)
    dsn = os.environ.get("DATABASE_URL", "")
    error, code = "", 0
    applied: list[str] = []
    if not dsn:
        error = "DATABASE_URL must be set, was empty; set it in the environment (see --help)"
        code = 2
    else:
        try:
            check_address("database_url", dsn)
            applied = asyncio.run(_migrate(dsn, os.environ.get("SERVICE_PASSWORD", "")))
        except (MigrationError, WeakPassword, OSError, asyncpg.PostgresError) as failure:
            error, code = str(failure) or type(failure).__name__, 1
        except Exception as failure:
            code, error = ending(failure)
    if given.json:
        print(json.dumps({"ok": not error, "applied": applied, "error": error}))
    elif error:
        print(f"migrate: {error}", file=sys.stderr)
    else:
        print("\n".join(f"applied {name}" for name in applied) or "up to date")
    return code


if __name__ == "__main__":
    sys.exit(main())
