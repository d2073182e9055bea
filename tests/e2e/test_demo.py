"""`make demo DURATION=120 SPEED=20`: a whole simulated day, all services real.

`make test` begins with it, beside other tests: the director waits for a desk that cannot follow.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from run.embedded import EmbeddedPostgres

ROOT = Path(__file__).resolve().parents[2]
RUN_SECONDS_MAX = 900
KEYS = frozenset(
    {
        "events", "signals", "decisions", "orders", "fills", "realised_pnl", "discord_messages",
        "approvals", "posts", "reports", "append_p99_ms", "tick_to_order_p50_ms",
        "tick_to_order_p99_ms", "projection_lag_p99_ms", "duplicate_orders", "early_posts",
        "ledger_differences", "verify_differences", "errors",
    }
)  # fmt: skip

pytestmark = pytest.mark.demo
Replay = Callable[..., subprocess.CompletedProcess[str]]


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("STRIKETAPE_") and name not in ("DATABASE_URL", "REDIS_URL")
    }
    return subprocess.run(
        [sys.executable, "-m", "run.demo", "--folder", str(folder), *arguments],
        cwd=ROOT,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS_MAX,
    )


@pytest.fixture(scope="module")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("demo")
    yield folder
    assert _run(folder, "--reset").returncode == 0


@pytest.fixture(scope="module")
def day(demo_folder: Path) -> dict[str, Any]:
    """The last line of a whole day. The trend at twice its pace is half the ticks to take in."""
    done = _run(demo_folder, "--duration", "120", "--speed", "20")
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_day_trades_and_log_and_ledgers_agree(day: dict[str, Any]) -> None:
    assert day.keys() >= KEYS
    zeros = ("duplicate_orders", "early_posts", "ledger_differences", "verify_differences")
    assert [day[name] for name in (*zeros, "errors")] == [0] * 5


def test_a_day_shows_a_round_trip_a_refusal_and_its_messages(day: dict[str, Any]) -> None:
    assert day["round_trips"] >= 1 and day["fills"] >= 2 and day["orders"] >= 2
    assert day["refused"] >= 1 and day["decisions"] > day["refused"]
    assert set(day["discord_messages"]) == {"premium", "basic", "free"}
    assert day["posts"]["x"] >= 1 and day["posts"]["reddit"] >= 1
    assert day["approvals"] >= 1 and day["reports"] >= 1
    assert all(day[name] is not None for name in KEYS if name.endswith("_ms"))


@pytest.fixture(scope="module")
def servers() -> Iterator[ExitStack]:
    """Ends what the questions are asked of; the last run has the data for itself."""
    with ExitStack() as opened:
        yield opened


@pytest.fixture(scope="module")
def replay(day: dict[str, Any], demo_folder: Path, servers: ExitStack) -> Replay:
    """The replay tool on the log that the day left behind."""
    ports = json.loads((demo_folder / "state.json").read_text())["ports"]

    def ask(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "run.replay", *arguments],
            cwd=ROOT,
            env={**os.environ, "ENV_FILE": str(demo_folder / "demo.env"), **environment},
            check=False,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS_MAX,
        )

    servers.enter_context(EmbeddedPostgres(demo_folder / "postgres", ports["postgres"]))
    return ask


@pytest.fixture(scope="module")
def state_at_the_end(day: dict[str, Any], replay: Replay) -> dict[str, Any]:
    """What the desk had come to when the day was over."""
    done = replay("state", "--at", f"{day['session_date']}T16:16", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_why_tells_the_chain_from_tick_to_message(
    replay: Replay, state_at_the_end: dict[str, Any]
) -> None:
    orders = state_at_the_end["orders"]
    traded = [order for order in orders if order["purpose"] == "entry" and order["filled"]]
    done = replay("why", traded[0]["order_ref"], "--json")
    assert done.returncode == 0, done.stderr
    # The question about margin is an order too, and comes before the decision.
    told = json.loads(done.stdout)["events"]
    events = [event for event in told if event["data"].get("purpose") != "what_if"]
    types = [event["type"] for event in events]
    assert types[0] in ("IbBarReceived", "IbTicksReceived", "ClockTicked")
    chain = (
        "MetricComputed", "SignalValidated", "RiskDecided", "OrderIntended", "IntentSent",
        "FillRecorded", "PositionOpened", "DeliveryScheduled", "DeliveryConfirmed",
    )  # fmt: skip
    places = [types.index(wanted) for wanted in chain]
    assert places == sorted(places)
    known = {event["event_id"]: event["type"] for event in events}
    causes = {"RiskDecided": ("SignalValidated", "WhatIfAnswered"),
              "OrderIntended": ("RiskDecided",), "PositionOpened": ("FillRecorded",)}  # fmt: skip
    for effect, wanted in causes.items():
        assert known[events[types.index(effect)]["causation_id"]] in wanted


def test_state_shows_the_past_as_it_was(
    day: dict[str, Any], replay: Replay, state_at_the_end: dict[str, Any]
) -> None:
    after = state_at_the_end
    before = json.loads(replay("state", "--at", f"{day['session_date']}T09:45", "--json").stdout)
    assert before["positions"] == before["orders"] == before["signals"] == []
    # What is held over the night has paid its fees, and is no round trip yet.
    over = [position for position in after["positions"] if position["state"] == "closed"]
    assert len(over) == day["round_trips"]
    realised = sum(Decimal(position["realised_pnl"]) for position in over)
    assert realised == Decimal(day["realised_pnl"])
    orders = [order for order in after["orders"] if order["purpose"] != "what_if"]
    assert len(orders) == day["orders"]
    assert before["position"] < after["position"] <= day["events"]


def test_every_decision_comes_out_the_same_again(day: dict[str, Any], replay: Replay) -> None:
    """All workers' before the day told its figures, with the same function; the tool, another
    process on a server that was started again, finds the same of the trader's."""
    assert day["verify_differences"] == 0
    done = replay("verify-decisions", "--worker", "trader", "--json")
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    assert json.loads(done.stdout)["workers"][0]["emissions"] > day["orders"]
    other = replay("verify-decisions", BUILD_ID="another")
    assert other.returncode == 3 and "docker run" in other.stderr


def test_the_day_decided_anew_under_its_own_parameters_is_the_same(replay: Replay) -> None:
    done = replay("what-if", "--set", "publication.delay_basic_seconds=60", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0 and found["differences"] == found["numbers_that_differ"] == 0


def test_an_incident_leaves_as_a_bundle_that_can_be_checked(
    replay: Replay, state_at_the_end: dict[str, Any], tmp_path: Path
) -> None:
    deliveries = state_at_the_end["deliveries"]
    message = next(d["remote_id"] for d in deliveries if d["kind"] == "exit")
    assert replay("export", "--incident", message, "--out", str(tmp_path / "b")).returncode == 0
    check = [sys.executable, "-I", str(tmp_path / "b" / "verify.py")]
    assert subprocess.run(check, check=False, stdout=subprocess.DEVNULL).returncode == 0
    lines = (tmp_path / "b" / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    causes = {event["causation_id"] for event in events}
    marks = {event["event_id"] for event in events if event["type"] == "PositionMarked"}
    assert marks <= causes


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (("why", "nonsense"), "no event, order, signal"),
        (("state", "--at", "25:99"), "time must look like"),
    ],
)
def test_a_question_without_an_answer_is_told_what_to_ask(
    replay: Replay, question: tuple[str, ...], told: str
) -> None:
    done = replay(*question)
    assert done.returncode == 2 and told in done.stderr and "Traceback" not in done.stderr


def test_started_again_it_goes_on_from_its_log(
    day: dict[str, Any], demo_folder: Path, servers: ExitStack
) -> None:
    """What the first run found decided the same is folded and not compared once more."""
    servers.close()
    before = json.loads((demo_folder / "state.json").read_text())["verified"]
    assert 0 < before <= day["events"]
    done = _run(demo_folder, "--duration", "5")
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
    again = json.loads(done.stdout.splitlines()[-1])
    assert again["session_date"] > day["session_date"]
    assert again["events"] > day["events"] and again["ledger_differences"] == 0
    assert json.loads((demo_folder / "state.json").read_text())["verified"] > before
