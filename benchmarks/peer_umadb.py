"""UmaDB, an event store in Rust with an engine of its own, against our log, events a second.

Its server and client come from the wheel `umadb`, which is no package of the project: without it
the figures are reported as not measured. The server runs as delivered, its file on the same disk.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.ground import Desk, Figure, main, opened
from benchmarks.peers import Contest, Load
from domain.event import Proposed, encode_body, event_type
from run.embedded import free_port

FLAGS = {
    "rounds": (11, "rounds of each contender"),
    "batches": (5, "batches of 1,000 a round"),
    "produced": (3_200, "events of all producers a round"),
}
START_SECONDS_MAX = 20.0
_SERVER = "import sys, umadb; umadb.run_server_from_args(sys.argv)"


def loads(given: argparse.Namespace) -> list[Load]:
    return [
        Load("producers_16", 16, given.produced // 16, 1, ">= 1"),
        Load("producers_64", 64, given.produced // 64, 1, ">= 1"),
        Load("batches_1000", 1, given.batches, 1_000, ">= 0.333"),
    ]


class Uma:
    """A client for each producer."""

    name = "umadb"

    def __init__(self, umadb: Any, url: str, producers: int) -> None:
        self._umadb = umadb
        self._clients = [umadb.Client(url) for _ in range(producers)]

    def prepared(self, events: Sequence[Proposed]) -> list[Any]:
        return [
            self._umadb.Event(
                event_type=event_type(event.body),
                data=encode_body(event.body),
                tags=[event.stream],
                uuid=event.event_id,
            )
            for event in events
        ]

    def insert(self, producer: int, calls: Sequence[list[Any]]) -> None:
        client = self._clients[producer]
        for call in calls:
            client.append(call)

    def close(self) -> None:
        for client in self._clients:
            client.close()


@contextmanager
def server() -> Iterator[str]:
    """Address of a running server, stopped afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        listen = f"127.0.0.1:{free_port()}"
        command = [sys.executable, "-c", _SERVER, "--listen", listen]
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, "--db-path", str(Path(folder) / "uma.db")],
                stdout=output,
                stderr=output,
            )
        try:
            yield f"http://{listen}"
        finally:
            process.terminate()
            process.wait(START_SECONDS_MAX)


def connected(umadb: Any, url: str, producers: int) -> Uma:
    """Clients of a server that has just been started.

    Raises:
        TimeoutError: it does not answer.
    """
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            umadb.Client(url).head()
            return Uma(umadb, url, producers)
        except Exception as error:  # the client's own errors have no common root
            if time.monotonic() > deadline:
                raise TimeoutError(f"UmaDB must answer, was: {error}") from error
            time.sleep(0.05)


async def measure(given: argparse.Namespace, desk: Desk) -> list[Figure]:
    if importlib.util.find_spec("umadb") is None:
        note = "not measured: the wheel umadb is not installed (pip install --no-deps umadb)"
        return [Figure(f"umadb.{load.name}_ratio", None, "x", note=note) for load in loads(given)]
    umadb = importlib.import_module("umadb")
    with server() as url:
        peer = connected(umadb, url, 64)
        try:
            async with opened(await desk.database()) as (store, _):
                return await Contest(peer, store, loads(given)).figures(given.rounds)
        finally:
            peer.close()


if __name__ == "__main__":
    main("peer_umadb", __doc__, FLAGS, measure)
