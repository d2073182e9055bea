"""The API daemon: HTTP, the live stream and the built page on one loopback port.

`python -m run.api` serves; `python -m run.api hash-password` prints the line with the password's
hash for .env. Nothing here decides and no order leaves from here.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import secrets
import socket
import sys
import time
from collections.abc import Generator, Sequence
from datetime import UTC, datetime

import asyncpg
import uvicorn
from argon2 import PasswordHasher
from redis.asyncio import Redis

from api.app import create_app
from api.settings import LOOPBACK_HOSTS, ApiSettings
from domain.events.system import ProcessHeartbeat
from run.build import ROOT
from run.clock_step import wait_until_accepted
from run.command_line import command_line
from run.config import Settings, variable
from run.service import Process, begin, serve
from store.errors import ClockStepped
from store.patience import READ_STALL_SECONDS_MAX, Patience
from store.reading import Pool

NAME = "api"
_EXAMPLES = """
  python -m run.api hash-password        the line STRIKETAPE_OPERATOR_PASSWORD_HASH='…' for .env
  STRIKETAPE_API_PORT=8081 python -m run.api
"""
HEARTBEAT_SECONDS = 2.0
POOL_CONNECTIONS_MAX = 6
PASSWORD_CHARACTERS_MIN = 12
REDIS_CONNECT_SECONDS_MAX = 1.0
SHUTDOWN_SECONDS_MAX = 2
_READER = {
    "role": "striketape_reader",
    "application_name": "api pages",
    # Pages name their days as parameters: only a plan for these values leaves other days out.
    "plan_cache_mode": "force_custom_plan",
    "statement_timeout": "5s",
    "idle_in_transaction_session_timeout": "5s",
}


class Server(uvicorn.Server):
    """Uvicorn without its own signal handling: the process has one already."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def api_settings(settings: Settings, build: str, run_id: str) -> ApiSettings:
    """What the API needs of the process's settings, with real clocks and real chance."""
    return ApiSettings(
        operator_name=settings.operator_name,
        operator_password_hash=settings.operator_password_hash.get_secret_value(),
        mode=settings.mode,
        build=build,
        run_id=run_id,
        dist=ROOT / "ui" / "dist",
        archive=settings.archive,
        now=lambda: datetime.now(UTC),
        monotonic=time.monotonic,
        random_bytes=secrets.token_bytes,
        allowed_hosts=LOOPBACK_HOSTS,
    )


async def open_pool(database_url: str) -> Pool:
    """Connections in the reader's role; they hold no state that would have to be reset.

    Raises:
        StoreUnavailable: no connection, however long it was waited for.
    """

    async def keep(_: object) -> None:
        return None

    async def connect() -> Pool:
        return await asyncpg.create_pool(
            database_url,
            min_size=1,
            max_size=POOL_CONNECTIONS_MAX,
            timeout=10.0,
            command_timeout=10.0,
            server_settings=_READER,
            reset=keep,
        )

    patience = Patience(time.monotonic, deed="read", seconds_max=READ_STALL_SECONDS_MAX)
    return await patience.through(connect)


def open_redis(redis_url: str) -> Redis:
    """A client that gives up soon: the page works without Redis."""
    return Redis.from_url(
        redis_url,
        decode_responses=True,
        socket_connect_timeout=REDIS_CONNECT_SECONDS_MAX,
        socket_timeout=REDIS_CONNECT_SECONDS_MAX,
    )


def listening(host: str, port: int) -> socket.socket:
    """A socket bound to the address of the API.

    Raises:
        OSError: it cannot be had; the text says how to get another.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(
            f"the API must be able to listen on {host}, port {port}, was refused: "
            f"{error.strerror}; set STRIKETAPE_API_PORT to a free port, or end what listens there"
        ) from None
    return listener


async def _beat(process: Process) -> None:
    """Begin, then beat. A step of the clock, whenever it comes, is waited for while the page goes
    on: it is where people look for what holds the desk up."""
    await begin(process)
    while True:
        beat = ProcessHeartbeat(
            process=NAME,
            run_id=process.run_id,
            state="running",
            position=0,
            figures={"queue_depth": float(process.store.queued_events)},
        )
        try:
            await process.recorder.record(f"heartbeat/{NAME}", beat)
        except ClockStepped:
            await wait_until_accepted(process.store, process.recorder, process.log)
        await asyncio.sleep(HEARTBEAT_SECONDS)


async def main(process: Process) -> None:
    """Serve until the process is asked to stop."""
    settings = process.settings
    if not settings.operator_password_hash.get_secret_value():
        process.log.warning("nobody can log in: STRIKETAPE_OPERATOR_PASSWORD_HASH is not set")
    listener = listening(settings.api_host, settings.api_port)
    pool = await open_pool(settings.database_url)
    redis = open_redis(settings.redis_url)
    # A page is told at once that the log is away, instead of waiting for its answer.
    store = process.store.at_once().showing_unreadable()
    app = create_app(api_settings(settings, process.build, process.run_id), store, redis, pool)
    server = Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS_MAX,
        )
    )
    serving = asyncio.create_task(server.serve([listener]), name="api.serve")
    beating = asyncio.create_task(_beat(process), name="api.heartbeat")
    try:
        await asyncio.wait({serving, beating}, return_when=asyncio.FIRST_COMPLETED)
        for task in (serving, beating):
            if task.done():
                task.result()
        raise OSError("the API must serve until it is asked to stop, was ended")
    finally:
        beating.cancel()
        server.should_exit = True
        await asyncio.gather(serving, beating, return_exceptions=True)
        await redis.aclose()
        await pool.close()


def hash_password() -> int:
    """Ask for a password, or read one line of a pipe, and print the line of .env with its hash."""
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if password != getpass.getpass("Again: "):
            print("api: the two must be the same, were not", file=sys.stderr)
            return 2
    else:
        password = sys.stdin.readline().rstrip("\n")
    if len(password) < PASSWORD_CHARACTERS_MIN:
        print(
            f"api: a password must have at least {PASSWORD_CHARACTERS_MIN} characters, "
            f"was {len(password)}",
            file=sys.stderr,
        )
        return 2
    # In quotes: Compose would take $argon2id for a variable, and the password would never fit.
    print(f"{variable('operator_password_hash')}='{PasswordHasher().hash(password)}'")
    return 0


def command(argv: Sequence[str] | None = None) -> int:
    reads = ("api_", "operator_")
    parser = command_line("run.api", __doc__, reads=reads, examples=_EXAMPLES)
    parser.add_argument("command", nargs="?", choices=["serve", "hash-password"], default="serve")
    given = parser.parse_args(argv)
    return hash_password() if given.command == "hash-password" else serve(NAME, main, start=None)


if __name__ == "__main__":
    sys.exit(command())
