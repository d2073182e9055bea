"""Migrations under faults: the runner is cut off between two files, and within one at any command.

A life is one run that breaks; the next one goes on in the same database. When a run comes through,
the database is compared with one that was migrated in peace, and a fresh one is taken.
"""

from __future__ import annotations

from random import Random

import asyncpg

from store.migrate import MigrationError, migrate, migrations
from tests.crash.log_life import LOST, Connection, Ground, until
from tests.crash.relay import Loss, Relay

WITHIN = "within a file, at one of its commands"
REQUESTS = {
    "lock of the runner": "pg_advisory_lock",
    "table of migrations": "CREATE TABLE IF NOT EXISTS schema_migrations",
    "list of what is applied": "FROM schema_migrations",
    "begin of a file": "^BEGIN",
    "text of a file": "^--",
    "entry of a file": "INSERT INTO schema_migrations",
    "commit of a file": "^COMMIT",
}
"""What a run asks of the server, and what its SQL says."""
POINTS = (WITHIN, *REQUESTS)
AHEAD_MAX = 3
COMMANDS_APART = 5
# A sequence is not rolled back with the file: every command that was ever run is counted.
FAULT_POINT = """
    CREATE SCHEMA faults;
    CREATE SEQUENCE faults.commands;
    CREATE TABLE faults.strike (at bigint NOT NULL);
    INSERT INTO faults.strike VALUES (0);
    CREATE FUNCTION faults.count_command() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('faults.commands') = (SELECT at FROM faults.strike) THEN
            PERFORM pg_terminate_backend(pg_backend_pid());
        END IF;
    END $$;
    CREATE EVENT TRIGGER count_command ON ddl_command_end EXECUTE FUNCTION faults.count_command();
"""
SCHEMA = """
    SELECT format('%s %s.%s %s %s', c.relkind, n.nspname, c.relname, c.relacl, c.reloptions)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('public', 'audit') AND NOT c.relispartition
    UNION ALL
    SELECT format('%s.%s %s %s', a.attrelid::regclass, a.attname,
        format_type(a.atttypid, a.atttypmod), a.attnotnull)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace IN ('public'::regnamespace, 'audit'::regnamespace) AND a.attnum > 0
        AND NOT c.relispartition
    UNION ALL
    SELECT format('%s %s %s', p.oid::regprocedure, md5(p.prosrc), p.proacl) FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT format('%s %s', conname, pg_get_constraintdef(oid)) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT format('%s %s', tgrelid::regclass, tgname) FROM pg_trigger
    WHERE NOT tgisinternal AND tgparentid = 0
    UNION ALL
    SELECT format('%s %s %s', number, name, sha256) FROM schema_migrations
    ORDER BY 1
"""


class MigrateRow:
    """Runs that break, one after the other; the row's own database is the one made in peace."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._count = 0
        self._relay: Relay | None = None
        self._owner: Connection | None = None
        self._relayed = ""

    @classmethod
    async def open(cls, ground: Ground) -> MigrateRow:
        row = cls(ground)
        await row._take_fresh()
        return row

    async def close(self) -> None:
        if self._owner is not None and self._relay is not None:
            name = await self._owner.fetchval("SELECT current_database()")
            await self._owner.close()
            await self._relay.stop()
            await self._ground.owner.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    async def live(self, seed: int) -> str:
        random = Random(seed)
        point = POINTS[seed % len(POINTS)]
        how = await self._strike(point, random.choice(list(Loss)), random.randint(1, AHEAD_MAX))
        if not how:
            await self._check_complete()
            await self.close()
            await self._take_fresh()
            how = await self._strike(point, random.choice(list(Loss)), 1)
        assert how, f"a run in an empty database must come to {point}"
        return f"{point}: {how}"

    async def _strike(self, point: str, loss: Loss, ahead: int) -> str:
        """A run that a fault strikes; empty when it came through before."""
        assert self._owner is not None and self._relay is not None
        if point == WITHIN:
            await self._owner.execute(
                "UPDATE faults.strike SET at = $1 + (SELECT last_value FROM faults.commands)",
                COMMANDS_APART * ahead,
            )
        else:
            visit = ahead if "of a file" in point else 1
            self._relay.strike(loss, visit, REQUESTS[point])
        came_through = await self._run()
        await self._owner.execute("UPDATE faults.strike SET at = 0")
        self._relay.stand_down()
        self._relay.let_go()
        await self._check_applied()
        if came_through:
            return ""
        assert point == WITHIN or self._relay.struck.is_set(), "only a fault ends a run"
        return "backend ended" if point == WITHIN else f"{loss.value} lost"

    async def end(self) -> None:
        """The next run completes what is left."""
        await migrate(self._relayed)
        await self._check_complete()

    async def _take_fresh(self) -> None:
        """An empty database that counts the commands run in it."""
        self._count += 1
        name = f"{self._ground.dsn.rpartition('/')[2]}_{self._count}"
        await self._ground.owner.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        dsn = f"{self._ground.dsn.rpartition('/')[0]}/{name}"
        self._owner = await asyncpg.connect(dsn)
        await self._owner.execute(FAULT_POINT)
        self._relay = Relay(dsn)
        self._relayed = await self._relay.start()

    async def _run(self) -> bool:
        """True when it came through."""
        try:
            await migrate(self._relayed)
        except (*LOST, MigrationError):
            return False
        return True

    async def _check_applied(self) -> None:
        """What a cut run left under way has ended; files are applied in order, none twice."""
        assert self._owner is not None

        async def ended() -> bool:
            assert self._owner is not None
            return not await self._owner.fetchval(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'migrate'"
                " AND datname = current_database())"
            )

        await until(ended, "the end of the runner's connection")
        if await self._owner.fetchval("SELECT to_regclass('schema_migrations') IS NULL"):
            return
        rows = await self._owner.fetch("SELECT name FROM schema_migrations ORDER BY number")
        names = [migration.name for migration in migrations()]
        assert [row["name"] for row in rows] == names[: len(rows)], "in order, without a gap"

    async def _check_complete(self) -> None:
        assert self._owner is not None
        wanted = [row[0] for row in await self._ground.owner.fetch(SCHEMA)]
        assert [row[0] for row in await self._owner.fetch(SCHEMA)] == wanted, "as made in peace"
        assert await migrate(self._relayed) == [], "a further run does nothing"
