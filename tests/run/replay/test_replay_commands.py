"""The commands of the replay tool on a small log: answers, JSON, bad questions, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from run.replay.cli import COMMANDS
from tests.run.replay.conftest import Ask
from tests.run.replay.small_log import MESSAGE, SIGNAL


def answered(ask: Ask, *arguments: str) -> Any:
    done = ask(*arguments, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def entry(ask: Ask) -> dict[str, Any]:
    orders = answered(ask, "state", "--at", "10:31")["orders"]
    found: dict[str, Any] = next(order for order in orders if order["purpose"] == "entry")
    return found


def test_why_tells_the_chain_from_signal_to_message(ask: Ask) -> None:
    events = answered(ask, "why", entry(ask)["order_ref"])["events"]
    types = [event["type"] for event in events]
    chain = (
        "SignalValidated", "RiskDecided", "OrderIntended", "IntentSent", "FillRecorded",
        "PositionOpened", "DeliveryScheduled", "DeliveryAttempted", "DeliveryConfirmed",
    )  # fmt: skip
    places = [types.index(wanted) for wanted in chain]
    assert places == sorted(places)


def test_why_as_text_marks_what_was_asked_for(ask: Ask) -> None:
    done = ask("why", entry(ask)["order_ref"])
    marked = [line for line in done.out.splitlines() if line.startswith(">")]
    assert done.code == 0 and "OrderIntended" in marked[0]
    assert "NY /" in done.out and "UTC" in done.out


def test_state_shows_the_past_as_it_was(ask: Ask) -> None:
    before = answered(ask, "state", "--at", "10:30:01")
    after = answered(ask, "state", "--at", "10:31")
    assert before["orders"] == before["positions"] == []
    assert [position["units"] for position in after["positions"]] == [9]
    assert before["position"] < after["position"]


@pytest.mark.parametrize("at", ["10:31", "14:31Z", "14:31 UTC", "10:31 NY", "2026-10-06T10:31"])
def test_a_time_may_be_given_in_new_york_or_in_utc(ask: Ask, at: str) -> None:
    assert answered(ask, "state", "--at", at)["at"] == "2026-10-06T14:31:00Z"


def test_timeline_lists_events_between_two_times(ask: Ask) -> None:
    arguments = ("timeline", "--from", "10:30:01", "--to", "10:30:02", "--type", "RiskDecided")
    done = ask(*arguments, "--json")
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert [row["data"]["approved"] for row in rows] == [False, True]
    assert done.code == 0 and len(ask(*arguments).out.splitlines()) == 2
    assert "more than 1 events" in ask(*arguments, "--limit", "1").err


def test_json_tells_everything_on_stdout(ask: Ask) -> None:
    """That a timeline was cut is a last line of its own, with where it goes on."""
    arguments = ("timeline", "--from", "10:30:01", "--to", "10:30:02", "--type", "RiskDecided")
    first, second = map(json.loads, ask(*arguments, "--json").out.splitlines())
    done = ask(*arguments, "--limit", "1", "--json")
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert rows == [first, {"truncated": True, "shown": 1, "next": second["position"]}]
    assert (done.code, done.err) == (0, "")


def test_json_has_each_time_in_utc_and_in_new_york(ask: Ask) -> None:
    state = answered(ask, "state", "--at", "10:31", "--view", "orders")
    assert (state["at"], state["at_ny"]) == ("2026-10-06T14:31:00Z", "2026-10-06T10:31:00-04:00")
    since = state["orders"][0]["since"], state["orders"][0]["since_ny"]
    assert since == ("2026-10-06T14:30:02Z", "2026-10-06T10:30:02-04:00")
    event = answered(ask, "why", SIGNAL)["events"][0]
    assert event["market_time"].endswith("Z") and event["market_time_ny"].endswith("-04:00")
    changed = ask("diff", "--at", "10:29", "--at", "10:31", "--view", "orders", "--json")
    assert json.loads(changed.out)["to"]["at_ny"] == state["at_ny"]


def test_decisions_come_out_the_same_again(ask: Ask) -> None:
    found = answered(ask, "verify-decisions")
    assert found["differences"] == 0
    assert all(worker["emissions"] > 0 for worker in found["workers"])
    assert "0 differences" in ask("verify-decisions").out


def test_another_build_is_not_compared_unless_asked(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("run.replay.builds.build_id", lambda: "another")
    done = ask("verify-decisions")
    assert done.code == 3 and "docker run" in done.err
    assert ask("verify-decisions", "--any-build").code == 0
    assert ask("what-if", "--set", "risk.limit.position=0.015").code == 3
    as_json = ask("verify-decisions", "--json")
    assert json.loads(as_json.out)["exit_code"] == as_json.code == 3 and as_json.err == ""


WHAT_IF = ("what-if", "--set", "risk.limit.position=0")


@pytest.mark.parametrize("question", [("verify-decisions",), WHAT_IF])
@pytest.mark.parametrize("name", ["STRIKETAPE_PUBLICATION_SECRET", "STRIKETAPE_CLAUDE_MODEL"])
def test_other_settings_are_named_and_not_taken_for_other_decisions(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, question: tuple[str, ...], name: str
) -> None:
    monkeypatch.setenv(name, "another than when the log was written")
    done = ask(*question)
    assert done.code == 3 and name in done.err and done.out == ""
    assert "another" not in done.err
    assert ask(*question, "--json").code == 3
    # The signals and the trader decide without them.
    if question[0] == "verify-decisions":
        assert ask(*question, "--worker", "trader").code == 0
        assert ask(*question, "--any-build").code in (0, 1)


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (("why", "nonsense"), "no event, order, signal"),
        (("state", "--at", "25:99"), "time must look like"),
        (("timeline", "--from", "10:00", "--to", "noon"), "time must look like"),
    ],
)
def test_a_question_without_an_answer_is_told_what_to_ask(
    ask: Ask, question: tuple[str, ...], told: str
) -> None:
    done = ask(*question)
    assert done.code == 2 and told in done.err and done.out == ""


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_its_exit_codes_with_examples(
    ask: Ask, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        ask(command, "--help")
    told = capsys.readouterr().out
    assert ended.value.code == 0
    assert "exit codes:" in told and "examples:" in told and "--json" in told


def test_a_long_run_shows_how_far_it_is_to_whoever_looks(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask("verify-decisions").err == ""
    monkeypatch.setattr("run.replay.printing.is_watched", lambda: True)
    done = ask("verify-decisions")
    assert "100 %" in done.err and done.err.endswith("\n") and "%" not in done.out


@pytest.mark.parametrize(
    "question",
    [
        ("state", "--at", "10:31"),
        ("diff", "--at", "10:30", "--at", "10:31"),
        ("timeline", "--from", "10:30", "--to", "10:31", "--symbol", "SPY"),
        ("why", MESSAGE),
        ("export", "--incident", SIGNAL, "--out", "OUT"),
        WHAT_IF,
    ],
    ids=lambda question: question[0],
)
def test_every_question_that_may_take_long_says_how_far_it_is(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, question: tuple[str, ...]
) -> None:
    """And what it says is never part of the answer."""
    silent = [part.replace("OUT", str(tmp_path / "silent")) for part in question]
    assert ask(*silent, "--json").err == ""
    monkeypatch.setattr("run.replay.printing.is_watched", lambda: True)
    watched = [part.replace("OUT", str(tmp_path / "watched")) for part in question]
    done = ask(*watched, "--json")
    assert "100 %" in done.err
    assert all(json.loads(line) for line in done.out.splitlines())


def test_an_unknown_command_ends_with_code_2(ask: Ask) -> None:
    with pytest.raises(SystemExit) as ended:
        ask("guess")
    assert ended.value.code == 2
