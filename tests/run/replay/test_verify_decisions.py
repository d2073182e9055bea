"""verify-decisions holds on every reading of an honest log, and finds each kind of damage."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from domain.event import derived_id
from domain.events.controls import AlertRaised
from domain.events.system import ClockTicked, InputSkipped
from run.replay.consumption import Replayed, places
from run.replay.verify_decisions import LOG, Check, verify
from run.snapshots import pickled
from run.worker import Worker
from run.workers import WORKERS
from store.contract import Selection
from store.postgres import PostgresStore
from tests.run.canonical import canonical
from tests.run.replay.conftest import Answer, Ask
from tests.run.replay.damage import Damaged
from tests.run.replay.small_log import SECRET, SmallLog, settings_of
from tests.store.propose import propose

ROOT = Path(__file__).resolve().parents[3]


async def verified(url: str, **options: Any) -> dict[str, Any]:
    async with await PostgresStore.open(url, application_name="test") as store:
        return await verify(store, list(WORKERS), settings_of(url), **options)


@pytest.mark.parametrize("page", [1, 2, 1_000])
async def test_the_size_of_a_page_makes_no_difference(small_log_url: str, page: int) -> None:
    found = await verified(small_log_url, page=page)
    assert found["differences"] == 0 and found["first"] is None
    assert sum(worker["emissions"] for worker in found["workers"]) > 20


async def test_verification_may_begin_behind_any_input(small_log_url: str) -> None:
    async with await PostgresStore.open(small_log_url, application_name="test") as store:
        inputs = []
        for after in range(await store.head() + 1):
            found = await verify(store, list(WORKERS), settings_of(small_log_url), after=after)
            assert found["differences"] == 0, (after, found["first"])
            inputs.append(sum(worker["inputs"] for worker in found["workers"]))
    assert inputs == sorted(inputs, reverse=True) and inputs[-1] == 0


@pytest.mark.parametrize("seed", ["0", "4711"])
def test_the_order_of_hashes_makes_no_difference(small_log_url: str, seed: str) -> None:
    environment = {name: v for name, v in os.environ.items() if not name.startswith("STRIKETAPE_")}
    environment |= {
        "DATABASE_URL": small_log_url,
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "STRIKETAPE_PUBLICATION_SECRET": SECRET,
        "PYTHONHASHSEED": seed,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.run.replay.by_hand", "verify-decisions", "--json"],
        cwd=ROOT,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


async def test_workers_that_recover_before_every_input_decide_the_same(
    store: Any, database_url: str
) -> None:
    await SmallLog(store, settings_of(database_url), page=1, recovers=True).write()
    found = await verify(store, list(WORKERS), settings_of(database_url))
    assert found["differences"] == 0, found["first"]


async def test_a_desk_that_is_taken_up_from_a_snapshot_between_any_inputs_decides_the_same(
    small_log_url: str,
) -> None:
    settings = settings_of(small_log_url)
    async with await PostgresStore.open(small_log_url, application_name="test") as store:
        checks = [Check(await Replayed.of(store, name, settings), after=0) for name in WORKERS]
        async for place in places(store, list(WORKERS), await store.head()):
            for check in checks:
                assert check.take(place) == []
                consumer = check.replayed.consumer
                consumer.states = pickle.loads(pickled(consumer.states))  # noqa: S301
    assert all(check.emissions for check in checks)


@pytest.mark.parametrize("kind", ["HaltRequested", "ClockStarted", "SignalValidated"])
async def test_an_input_passed_over_is_folded_by_verification_as_by_recovery(
    copy_url: str, kind: str
) -> None:
    """Nothing of it, not what was decided on it before the operator passed over it either."""
    settings = settings_of(copy_url)
    async with await PostgresStore.open(copy_url, application_name="test") as store:
        found = await store.read(0, Selection(types=frozenset({kind})))
        skipped = found[-1].position
        body = InputSkipped(worker="trader", position=skipped, who="o", why="a test")
        await store.append([propose(body, "worker-control/trader")])
        check = Check(await Replayed.of(store, "trader", settings), after=0)
        told: dict[int, list[str]] = {}
        async for place in places(store, ["trader"], await store.head()):
            told[place.position] = check.take(place)
        worker = Worker("trader", WORKERS["trader"](settings), store, "build")
        await worker.recover()
    assert canonical(check.replayed.consumer.states) == canonical(worker.consumer.states)
    assert all("passed over since" in what for what in told[skipped])


class Crowded(SmallLog):
    """Others write in between, also as emissions for the same inputs and as clocks."""

    async def tell(self, *bodies: Any, **given: Any) -> None:
        await super().tell(*bodies, **given)
        head = await self.store.head()
        alert = AlertRaised(alert_id="a", severity="info", code="OTHER", text=str(head))
        events = [
            propose(alert, "others", head, worker="other", input_position=head, ordinal=0),
            propose(ClockTicked(worker="other"), "clock/other", head, worker="other"),
        ]
        await self.store.append(events)


async def test_events_of_others_in_between_make_no_difference(
    store: Any, database_url: str
) -> None:
    await Crowded(store, settings_of(database_url)).write()
    found = await verify(store, list(WORKERS), settings_of(database_url), page=3)
    assert found["differences"] == 0, found["first"]
    assert await store.event(derived_id("others", 1)) is not None


# What is found on a damaged log


@pytest.fixture
def damaged(copy_url: str) -> Damaged:
    return Damaged(copy_url)


def first_difference(ask_at: Ask, damaged: Damaged) -> tuple[int, str, str]:
    done: Answer = ask_at(damaged.url, "verify-decisions", "--json")
    assert done.code == 1, done.err
    first = json.loads(done.out)["first"]
    return first["position"], first["worker"], first["what"]


@pytest.mark.parametrize("kind", ["SignalValidated", "ClockTicked", "SignalRaised"])
def test_a_dropped_input_is_found_at_its_position(ask_at: Ask, damaged: Damaged, kind: str) -> None:
    position = damaged.position(kind)
    damaged.drop(position)
    assert first_difference(ask_at, damaged) == (
        position,
        LOG,
        "no event is recorded at this position",
    )


def test_a_dropped_decision_is_found_at_the_input_it_was_made_on(
    ask_at: Ask, damaged: Damaged
) -> None:
    position = damaged.position("RiskDecided")
    source = damaged.input_of(position)
    damaged.drop(position)
    assert first_difference(ask_at, damaged) == (
        source,
        "trader",
        "emission 0 RiskDecided is not on the log",
    )


def test_a_changed_value_of_an_input_is_found_at_its_position(
    ask_at: Ask, damaged: Damaged
) -> None:
    position = damaged.position("BrokerExecutionSeen")
    damaged.set(position, "{execution,price}", '"2.01"')
    at, worker, what = first_difference(ask_at, damaged)
    assert (at, worker) == (position, "trader")
    assert "price was Decimal('2.00'), is now Decimal('2.01')" in what


def test_a_changed_value_of_a_decision_is_found_at_its_input(ask_at: Ask, damaged: Damaged) -> None:
    position = damaged.position("OrderIntended")
    damaged.set(position, "{quantity}", "5")
    at, worker, what = first_difference(ask_at, damaged)
    assert (at, worker) == (damaged.input_of(position), "trader")
    assert what == "emission 1 OrderIntended: quantity was 5, is now 9"


def test_a_changed_parameter_is_found_at_the_first_decision_that_used_it(
    ask_at: Ask, damaged: Damaged
) -> None:
    used_at = damaged.input_of(damaged.position("DeliveryScheduled"))
    damaged.set(
        damaged.position("ParametersChanged"), "{values,publication.delay_basic_seconds}", "61.0"
    )
    at, worker, what = first_difference(ask_at, damaged)
    assert (at, worker) == (used_at, "outbox")
    assert "DeliveryScheduled: due_at was" in what


@pytest.mark.parametrize(
    ("value", "code"), [("-0.12916666675", 0), ("-0.129166668", 1)], ids=["6e-10", "1e-8"]
)
def test_another_processor_may_differ_in_the_tenth_digit_when_that_is_said(
    ask_at: Ask, damaged: Damaged, value: str, code: int
) -> None:
    """Without its being said every bit counts; a larger difference is one in any case."""
    damaged.set(damaged.position("PnlExplained"), "{theta_pnl}", value)
    assert first_difference(ask_at, damaged)[1] == "trader"
    done = ask_at(damaged.url, "verify-decisions", "--other-processor", "--json")
    assert (done.code, json.loads(done.out)["tolerance"]) == (code, 1e-9)


def test_another_processor_decides_no_less_exactly(ask_at: Ask, damaged: Damaged) -> None:
    """Prices are decimals and quantities whole: none of them may differ."""
    damaged.set(damaged.position("OrderIntended"), "{limit_price}", '"2.000000000001"')
    assert ask_at(damaged.url, "verify-decisions", "--other-processor").code == 1


def test_an_event_that_cannot_be_read_is_said_to_be_so(ask_at: Ask, damaged: Damaged) -> None:
    damaged.set(damaged.position("HaltRequested"), "{who}", "[]")
    done = ask_at(damaged.url, "verify-decisions")
    assert done.code == 2 and "HaltRequested" in done.err and "cannot be read" in done.err


def test_what_comes_before_the_day_asked_for_is_not_compared(ask_at: Ask, damaged: Damaged) -> None:
    requested = damaged.position("HaltRequested")
    damaged.drop(requested)
    after = str(damaged.last_emission_of(requested))
    assert ask_at(damaged.url, "verify-decisions", "--after", after).code == 0
    assert ask_at(damaged.url, "verify-decisions", "--day", "2026-10-06").code == 1
    told = ask_at(damaged.url, "verify-decisions", "--day", "2026-10-07")
    assert told.code == 2 and "no event of 2026-10-07" in told.err
