"""why and timeline show an event that this build cannot read; what must decide on it refuses it."""

from __future__ import annotations

import json

import psycopg
import pytest

from tests.run.replay.conftest import Ask

TYPE = "type = 'OfTomorrow'"
SCHEMA = "schema = 99"
PAYLOAD = """data = '{"order_ref": 5, "strange": true}'"""


def _intent(url: str, change: str) -> tuple[int, str]:
    """Position and payload of the entry's OrderIntended, made unreadable."""
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("SET session_replication_role = replica")
        row = owner.execute(
            f"UPDATE events SET {change} WHERE position = ("  # type: ignore[arg-type]  # noqa: S608
            "SELECT min(position) FROM events WHERE type = 'OrderIntended')"
            " RETURNING position, data::text"
        ).fetchone()
        assert row is not None
        return row[0], row[1]


@pytest.mark.parametrize(
    ("change", "told"), [(TYPE, "OfTomorrow"), (SCHEMA, "schema must be"), (PAYLOAD, "order_ref")]
)
def test_timeline_and_why_show_what_cannot_be_read(
    ask_at: Ask, copy_url: str, change: str, told: str
) -> None:
    """An unknown type, a schema of tomorrow, a payload that the decoder refuses."""
    position, data = _intent(copy_url, change)
    asked = ("timeline", "--from", "10:30", "--to", "10:31")
    done = ask_at(copy_url, *asked, "--json")
    rows = {row["position"]: row for row in map(json.loads, done.out.splitlines())}
    assert done.code == 0 and told in rows[position]["unreadable"]
    assert rows[position]["data"] == json.loads(data)
    assert [row["position"] for row in rows.values() if "unreadable" in row] == [position]
    line = next(x for x in ask_at(copy_url, *asked).out.splitlines() if f" {position} " in x)
    assert "CANNOT BE READ" in line and told in line

    done = ask_at(copy_url, "why", f"log/{position}", "--json")
    events = json.loads(done.out)["events"]
    (named,) = [event for event in events if event["named"]]
    assert named["position"] == position and told in named["unreadable"]
    assert {event["type"] for event in events} > {"RiskDecided", "IntentSent", "FillRecorded"}


def test_the_state_at_a_time_needs_no_event_that_is_in_none_of_its_views(
    ask_at: Ask, copy_url: str
) -> None:
    """Wherever the search for the time happens to look."""
    asked = ("state", "--at", "10:30:02", "--json")
    before = ask_at(copy_url, *asked)
    with psycopg.connect(copy_url, autocommit=True) as owner:
        owner.execute("SET session_replication_role = replica")
        changed = "UPDATE events SET schema = 99 WHERE type IN ('ClockTicked', 'IbTicksReceived')"
        assert owner.execute(changed).rowcount > 10
    after = ask_at(copy_url, *asked)
    assert after == before and after.code == 0, after.err


def test_decisions_are_not_verified_over_what_cannot_be_read(ask_at: Ask, copy_url: str) -> None:
    position, _ = _intent(copy_url, PAYLOAD)
    done = ask_at(copy_url, "verify-decisions")
    assert done.code == 2 and f"event {position} OrderIntended" in done.err
