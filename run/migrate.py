"""`python -m run.migrate [--json]`: brings the database of DATABASE_URL up to date.

Runs before every service (compose.yaml, run/all). Ends with 0 when the database fits this build,
also when there was nothing to do. With SERVICE_PASSWORD set it also makes the services' login,
striketape_service, or gives it this password.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys

import asyncpg

from store.logins import WeakPassword, make_service_login
from store.migrate import MigrationError, migrate


async def _migrate(dsn: str, service_password: str) -> list[str]:
    applied = await migrate(dsn)
    if service_password:
        await make_service_login(dsn, service_password)
    return applied


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m run.migrate", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(arguments)
    dsn = os.environ.get("DATABASE_URL", "")
    error = ""
    applied: list[str] = []
    if not dsn:
        error = "DATABASE_URL must be set, was empty"
    else:
        try:
            applied = asyncio.run(_migrate(dsn, os.environ.get("SERVICE_PASSWORD", "")))
        except (MigrationError, WeakPassword, OSError, asyncpg.PostgresError) as failure:
            error = str(failure) or type(failure).__name__
    if given.json:
        print(json.dumps({"ok": not error, "applied": applied, "error": error}))
    elif error:
        print(f"migrate: {error}", file=sys.stderr)
    else:
        print("\n".join(f"applied {name}" for name in applied) or "up to date")
    return 1 if error else 0


if __name__ == "__main__":
    sys.exit(main())
