"""What no stage emitted is found wherever it stands: above a checkpoint, late, or as a fact."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from domain.event import Body
from domain.events.controls import AlertRaised, TradingHalted
from run.replay.verify_decisions import LOG, verify
from run.workers import WORKERS
from store.postgres import PostgresStore
from tests.run.replay.conftest import Ask
from tests.run.replay.damage import Damaged
from tests.run.replay.small_log import settings_of
from tests.store.propose import propose

ALERT = AlertRaised(alert_id="a", severity="info", code="OTHER", text="forged")
HALTED = TradingHalted(who="o", reason="forged")


class Forger:
    """Writes what it likes at the end of a copy of the small log, with the rights of a writer."""

    def __init__(self, url: str, store: PostgresStore) -> None:
        self.url = url
        self._store = store

    async def write(self, body: Body = ALERT, **given: Any) -> int:
        """One more event; its position."""
        key = await self._store.head() + 1
        done = await self._store.append([propose(body, "forged", key, **given)])
        return done.positions[0]

    async def found(self, **options: Any) -> list[tuple[int, str, str]]:
        """Everything that verification finds: position, worker, what."""
        told = await verify(self._store, list(WORKERS), settings_of(self.url), **options)
        found = [(one["position"], LOG, one["what"]) for one in told["forged"]]
        for worker in told["workers"]:
            for one in worker["first"]:
                found += [(one["position"], worker["worker"], what) for what in one["differences"]]
        assert bool(found) == bool(told["differences"])
        return sorted(found)


@pytest.fixture
async def forger(copy_url: str) -> AsyncIterator[Forger]:
    async with await PostgresStore.open(copy_url, application_name="test") as store:
        yield Forger(copy_url, store)


async def test_facts_of_others_at_the_end_are_no_forgery(forger: Forger) -> None:
    await forger.write(worker="keeper")
    await forger.write(worker="trader")
    assert await forger.found() == []


async def test_an_emission_above_the_checkpoint_is_found(forger: Forger) -> None:
    source = await forger.write(worker="keeper")
    forged = await forger.write(worker="trader", input_position=source)
    ((position, worker, what),) = await forger.found()
    assert (position, worker) == (forged, "trader")
    assert what.startswith(f"emission 0 AlertRaised of input {source} is above the checkpoint ")


async def test_decisions_above_a_checkpoint_that_was_set_back_are_found(
    forger: Forger, copy_url: str
) -> None:
    damaged = Damaged(copy_url)
    decided = damaged.position("RiskDecided")
    damaged.move_checkpoint("trader", damaged.input_of(decided) - 1)
    found = await forger.found()
    assert found[0][:2] == (decided, "trader") and "is above the checkpoint" in found[0][2]


async def test_a_late_emission_of_an_old_input_is_found_from_wherever_one_begins(
    forger: Forger, copy_url: str
) -> None:
    """At its input as one too many, and at its own place as one that came too late."""
    source = Damaged(copy_url).position("SignalValidated")
    forged = await forger.write(worker="trader", input_position=source, ordinal=99)
    for after in (0, source, forged - 1):
        found = await forger.found(after=after)
        assert [(position, worker) for position, worker, _ in found] == [
            (source, "trader"),
            (forged, "trader"),
        ]
        assert found[0][2] == "emission 99 AlertRaised on the log is not decided again"
        assert f"of input {source} is at {forged}, behind emission" in found[1][2]
    assert await forger.found(after=forged) == []
    assert len(await forger.found(up_to=forged - 1)) == 1


@pytest.mark.parametrize("ahead", [-10_000, 0, 1_000], ids=["none", "itself", "one to come"])
async def test_an_emission_that_stands_before_its_input_is_found(
    forger: Forger, copy_url: str, ahead: int
) -> None:
    head = Damaged(copy_url).ask("SELECT max(position) FROM events")
    source = max(0, head + 1 + ahead)
    forged = await forger.write(worker="outbox", input_position=source)
    ((position, worker, what),) = await forger.found()
    assert (position, worker) == (forged, "outbox")
    assert what.endswith(f"of input {source} is at {forged}, which is not behind its input")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"worker": "api"}, "was written by api not as a decision"),
        ({"worker": "trader"}, "was written by trader not as a decision"),
        ({"worker": "ghost", "input_position": 7}, "was written by ghost as a decision"),
    ],
    ids=["another process", "its own shell", "a worker that is none"],
)
async def test_a_decision_by_somebody_who_does_not_decide_it_is_found(
    forger: Forger, given: dict[str, Any], said: str
) -> None:
    """Stages take it for a fact, so that deciding again cannot find it."""
    forged = await forger.write(HALTED, **given)
    what = f"TradingHalted is decided by trader alone, {said}"
    assert await forger.found() == [(forged, LOG, what)]
    assert await forger.found(after=forged) == []


@pytest.mark.parametrize("page", [1, 2, 3, 5_000])
async def test_two_events_at_one_position_are_found(
    forger: Forger, copy_url: str, page: int
) -> None:
    damaged = Damaged(copy_url)
    position = damaged.position("ParametersChanged")
    damaged.double(position)
    what = "ParametersChanged and ParametersChanged are both recorded at this position"
    assert await forger.found(page=page) == [(position, LOG, what)]


async def test_a_changed_ordinal_is_found(forger: Forger, copy_url: str) -> None:
    damaged = Damaged(copy_url)
    decided = damaged.position("RiskDecided")
    damaged.move_ordinal(decided, 7)
    found = await forger.found()
    source = damaged.input_of(decided)
    assert (source, "trader", "emission 7 RiskDecided: ordinal was 7, is now 0") in found


async def test_inputs_that_nobody_decided_on_yet_are_counted(
    forger: Forger, ask_at: Ask, copy_url: str
) -> None:
    await forger.write(ALERT, worker="keeper")
    done = await asyncio.to_thread(ask_at, copy_url, "verify-decisions")
    assert done.code == 0 and "1 inputs not decided on yet" in done.out


async def test_a_forgery_ends_the_tool_with_a_difference(
    forger: Forger, ask_at: Ask, copy_url: str
) -> None:
    forged = await forger.write(HALTED, worker="api")
    done = await asyncio.to_thread(ask_at, copy_url, "verify-decisions", "--worker", "outbox")
    assert done.code == 1
    assert done.out.startswith(
        f"first difference: position {forged}, log: TradingHalted is decided"
    )
