"""The eventsourcing library's Postgres recorder in its safe mode (LOCK TABLE for each append)
against our log: the same events on the same server, events a second."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from benchmarks.ground import Desk, Figure, main, opened
from benchmarks.peers import Contest, Load
from domain.event import Proposed, derived_id, encode_body, event_type

FLAGS = {
    "rounds": (11, "rounds of each contender"),
    "singles": (150, "single events a round"),
    "batches": (5, "batches of 500 a round"),
    "produced": (1_280, "events of 64 producers a round"),
}
POOL_CONNECTIONS = 16


class Recorder:
    """The library's recorder, given our events as stored events."""

    name = "eventsourcing"

    def __init__(self, port: int, database: str, *, is_fast: bool = False) -> None:
        self._datastore = PostgresDatastore(
            dbname=database,
            host="127.0.0.1",
            port=port,
            user="postgres",
            password="",
            pool_size=POOL_CONNECTIONS,
            enable_db_functions=is_fast,
        )
        self._recorder = PostgresApplicationRecorder(self._datastore)
        self._recorder.create_table()
        self._versions: dict[str, int] = {}

    def prepared(self, events: Sequence[Proposed]) -> list[StoredEvent]:
        stored = []
        for event in events:
            version = self._versions[event.stream] = self._versions.get(event.stream, 0) + 1
            body = event.body
            originator = derived_id(event.stream)
            stored.append(StoredEvent(originator, version, event_type(body), encode_body(body)))
        return stored

    def insert(self, _: int, calls: Sequence[list[StoredEvent]]) -> None:
        for call in calls:
            self._recorder.insert_events(call)

    def close(self) -> None:
        self._datastore.close()


async def measure(given: argparse.Namespace, desk: Desk) -> list[Figure]:
    loads = [
        Load("singles", 1, given.singles, 1, ">= 3"),
        Load("batches_500", 1, given.batches, 500, ">= 3"),
        Load("producers_64", 64, given.produced // 64, 1, ">= 15"),
    ]
    peer = Recorder(desk.server.port, (await desk.database()).rpartition("/")[2])
    try:
        async with opened(await desk.database()) as (store, _):
            return await Contest(peer, store, loads).figures(given.rounds)
    finally:
        peer.close()


if __name__ == "__main__":
    main("peer_eventsourcing", __doc__, FLAGS, measure)
