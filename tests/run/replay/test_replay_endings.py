"""How the replay tool ends when it cannot answer: never with the code of a difference."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest

from run.embedded import EmbeddedPostgres
from tests.run.replay.conftest import Ask

LOGIN = "replay_nobody"


def refused(ask: Ask, *arguments: str) -> str:
    """What a question is told that has no answer, which is the same in JSON."""
    done, as_json = ask(*arguments), ask(*arguments, "--json")
    assert (done.code, as_json.code) == (2, 2), done.err + as_json.err
    answer = json.loads(as_json.out)
    assert done.err == f"replay: {answer['error']}\n" and answer["exit_code"] == 2
    assert done.out == as_json.err == ""
    text: str = answer["error"]
    return text


def test_a_database_that_was_not_migrated_is_said_to_be_so(
    ask_at: Ask, postgres_server: EmbeddedPostgres
) -> None:
    bare = postgres_server.dsn()
    told = refused(lambda *question: ask_at(bare, *question), "state", "--at", "10:31")
    assert "python -m run.migrate" in told


@pytest.fixture
def nobody_url(copy_url: str) -> Iterator[str]:
    """A login without any right on the log."""
    with psycopg.connect(copy_url, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {LOGIN} LOGIN")
        yield copy_url.replace("//postgres@", f"//{LOGIN}@")
        owner.execute(f"DROP ROLE {LOGIN}")


def test_a_login_that_may_not_read_is_said_to_be_so(ask_at: Ask, nobody_url: str) -> None:
    told = refused(lambda *question: ask_at(nobody_url, *question), "state", "--at", "10:31")
    assert "must be allowed to read the log" in told


@pytest.mark.parametrize(
    "question",
    [
        ("verify-decisions", "--day", "9999-12-31"),
        ("what-if", "--day", "0001-01-01", "--set", "risk.limit.position=0"),
        ("timeline", "--from", "0001-01-01T00:00Z", "--to", "10:31"),
        ("state", "--at", "9999-12-31T23:59"),
    ],
)
def test_a_year_at_the_end_of_time_is_refused(ask: Ask, question: tuple[str, ...]) -> None:
    assert "year must be from 1971 to 9998" in refused(ask, *question)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("--from", "10:40", "--to", "10:30"), "--from must not be later than --to"),
        (("--from", "10:30", "--to", "10:40", "--symbol", "spy"), "those that were traded: SPY"),
        (("--from", "10:30", "--to", "10:40", "--strategy", "none"), "those that were traded: "),
    ],
)
def test_a_timeline_of_nothing_at_all_says_what_there_is(
    ask: Ask, asked: tuple[str, ...], told: str
) -> None:
    assert told in refused(ask, "timeline", *asked)


@pytest.mark.parametrize("limit", ["-1", "0", "many"])
def test_a_limit_below_one_is_refused(ask: Ask, limit: str) -> None:
    with pytest.raises(SystemExit) as ended:
        ask("timeline", "--from", "10:30", "--to", "10:40", "--limit", limit)
    assert ended.value.code == 2


def test_a_quiet_time_of_a_symbol_that_was_traded_is_an_answer(ask: Ask) -> None:
    asked = ("timeline", "--from", "11:00", "--to", "11:10", "--symbol", "SPY")
    done = ask(*asked)
    assert (done.code, done.out) == (0, "")


def test_nothing_compared_is_not_the_same_decisions(
    ask: Ask, ask_at: Ask, database_url: str
) -> None:
    """Behind the log's end, and on a log without an event."""
    told = refused(ask, "verify-decisions", "--after", "99999999")
    assert "nothing was compared; the log has positions 1 to " in told
    empty = refused(lambda *question: ask_at(database_url, *question), "verify-decisions")
    assert "nothing was compared" in empty


def test_a_fault_of_the_tool_is_not_taken_for_a_difference(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr("run.replay.state.desk_at", broken)
    done = ask("state", "--at", "10:31", "--json")
    assert (done.code, json.loads(done.out)["exit_code"]) == (70, 70)
    assert "a defect" in done.err
