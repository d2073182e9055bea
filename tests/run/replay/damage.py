"""Damage to a log that no role of the desk could do: for the negative controls of the tests."""

from __future__ import annotations

from typing import Any

import psycopg


class Damaged:
    """A copy of the small log, changed as the superuser with the triggers out of the way."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, query: str, *given: object) -> Any:
        """The first column of the first row of a query."""
        with psycopg.connect(self.url) as connection:
            row = connection.execute(query, given).fetchone()  # type: ignore[call-overload]
            return None if row is None else row[0]

    def position(self, kind: str) -> int:
        """Position of the first event of a type."""
        found = self.ask("SELECT min(position) FROM events WHERE type = %s", kind)
        assert isinstance(found, int), kind
        return found

    def input_of(self, position: int) -> int:
        """Position of the input on which an emission was decided."""
        found = self.ask("SELECT input_position FROM events WHERE position = %s", position)
        assert isinstance(found, int), position
        return found

    def last_emission_of(self, position: int) -> int:
        """Position of the last event that was decided on an input."""
        found = self.ask("SELECT max(position) FROM events WHERE input_position = %s", position)
        assert isinstance(found, int), position
        return found

    def drop(self, position: int) -> None:
        self._change("DELETE FROM events WHERE position = %s", position)

    def double(self, position: int) -> None:
        """Record an event a second time at its position."""
        self._change(
            "INSERT INTO events SELECT (jsonb_populate_record(e, jsonb_build_object("
            "'event_id', gen_random_uuid()))).* FROM events e WHERE position = %s",
            position,
        )

    def move_ordinal(self, position: int, ordinal: int) -> None:
        self._change("UPDATE events SET ordinal = %s WHERE position = %s", ordinal, position)

    def move_checkpoint(self, worker: str, position: int) -> None:
        self._change("UPDATE checkpoints SET position = %s WHERE consumer = %s", position, worker)

    def set(self, position: int, path: str, value: str) -> None:
        """Put a JSON text at a path such as {body,quantity} of an event's data."""
        self._change(
            "UPDATE events SET data = jsonb_set(data::jsonb, %s, %s)::json WHERE position = %s",
            path,
            value,
            position,
        )

    def _change(self, statement: str, *given: object) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute("SET session_replication_role = replica")
            done = connection.execute(statement, given)  # type: ignore[call-overload]
            assert done.rowcount == 1
