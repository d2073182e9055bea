"""The operator's commands about stopped workers: what they print, and what they refuse."""

from __future__ import annotations

import asyncio
import json

import pytest

from domain.events.system import InputSkipped, WorkerStopped
from run import worker_control
from run.worker import Recorder
from store.contract import Checkpoint, Selection
from store.postgres import PostgresStore
from tests.store.propose import halt

STOPPED_AT = 3


@pytest.fixture
async def stopped(
    store: PostgresStore, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> PostgresStore:
    """A log on which the signals worker stands before input 3."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    events = [halt(number) for number in range(1, STOPPED_AT + 1)]
    await store.append(events, Checkpoint("signals", 0, STOPPED_AT - 1))
    body = WorkerStopped(
        worker="signals",
        run_id="run-1",
        position=STOPPED_AT,
        input_type="HaltRequested",
        input_id=str(events[-1].event_id),
        error="ZeroDivisionError",
        detail="division by zero",
        in_recovery=False,
    )
    await Recorder(store, "signals", "build-1", "run-1").record("worker/signals", body)
    return store


async def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = await asyncio.to_thread(worker_control.main, arguments)
    text, error = capsys.readouterr()
    return code, text, error


async def test_status_says_who_stands_where_and_why(
    stopped: PostgresStore, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text, _ = await call(capsys, "status")
    assert code == 0
    assert "signals: stopped before input 3 HaltRequested: ZeroDivisionError: division" in text
    assert "trader: not stopped, consumed up to 0" in text
    assert "audit: not stopped\n" in text
    code, text, _ = await call(capsys, "status", "--json")
    answer = json.loads(text)
    by_name = {row["worker"]: row for row in answer["workers"]}
    assert answer["ok"] is True
    assert by_name["signals"]["stopped_at"] == STOPPED_AT
    assert by_name["trader"]["stopped_at"] is None


async def test_skip_is_recorded_with_the_checkpoint_and_refused_the_second_time(
    stopped: PostgresStore, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("skip", "signals", "3", "--reason", "a test", "--who", "ann")
    code, text, _ = await call(capsys, *given)
    assert (code, text) == (
        0,
        "signals: skip of input 3 HaltRequested is recorded; its process starts anew\n",
    )
    found = await stopped.read(0, Selection(types=frozenset({"InputSkipped"})))
    assert [event.body for event in found] == [
        InputSkipped(worker="signals", position=3, who="ann", why="a test")
    ]
    assert await stopped.checkpoint("signals") == STOPPED_AT
    code, _, error = await call(capsys, *given)
    assert (code, error) == (1, "worker_control: input 3 is skipped by signals already\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("retry", "nobody"),
            "worker must be one of signals, trader, outbox, hot, streams.market, ",
        ),
        (("skip", "nobody", "3", "--reason", "r"), "worker must be one of signals"),
        (("retry", "trader"), "trader is not stopped, consumed up to 0"),
        (("retry", "hot"), "hot is not stopped"),
        (("skip", "signals", "2", "--reason", "r"), "stands before input 3, was asked to skip 2"),
    ],
)
async def test_what_does_not_fit_is_refused_with_what_would(
    stopped: PostgresStore,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    says: str,
) -> None:
    code, _, error = await call(capsys, *arguments)
    assert code == 1
    assert says in error
    code, text, _ = await call(capsys, *arguments, "--json")
    assert code == 1
    assert says in json.loads(text)["error"]
    assert await stopped.read(0, Selection(types=frozenset({"InputSkipped"}))) == []


async def test_an_input_that_was_taken_meanwhile_cannot_be_skipped(
    stopped: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(stopped, "worker_control", "build-1", "run-c")
    found = await worker_control.stopped_place(stopped, "signals")
    # The worker takes the input between the look and the skip.
    await stopped.append([], Checkpoint("signals", STOPPED_AT - 1, STOPPED_AT))

    async def as_it_was(*_: object) -> object:
        return found

    monkeypatch.setattr(worker_control, "stopped_place", as_it_was)
    with pytest.raises(worker_control.Refused, match="does not stand right before input 3"):
        await worker_control.skip(recorder, "signals", STOPPED_AT, "operator", "r")


def test_a_skip_needs_a_reason_and_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        worker_control.main(["skip", "signals", "3"])
    assert ended.value.code == 2
    with pytest.raises(SystemExit):
        worker_control.main(["--help"])
    assert "python -m run.worker_control skip signals 48113" in capsys.readouterr().out


def test_a_log_that_cannot_be_asked_is_another_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/none")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    assert worker_control.main(["status"]) == 2
    assert "database must be up" in capsys.readouterr().err
