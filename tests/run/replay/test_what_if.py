"""what-if: the same facts under other parameters, and what is not known of them."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from run.replay.alternative import CHANGED, GONE, NEW, Alternative
from run.replay.consumption import Replayed, places
from run.workers import WORKERS
from store.postgres import PostgresStore
from tests.run.replay.conftest import Ask
from tests.run.replay.small_log import SIGNAL, SmallLog, settings_of


def asked(ask: Ask, *settings: str, code: int = 1) -> dict[str, Any]:
    done = ask("what-if", "--json", *(part for text in settings for part in ("--set", text)))
    assert done.code == code, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def kinds(found: dict[str, Any]) -> Counter[tuple[str, str]]:
    return Counter((one["kind"], one["decision"]["type"]) for one in found["decisions"])


def test_the_recorded_value_changes_nothing(ask: Ask) -> None:
    found = asked(ask, "publication.delay_basic_seconds=60", "risk.limit.position=0.015", code=0)
    assert found["differences"] == found["numbers_that_differ"] == 0 and found["failed"] == {}
    assert found["set"]["publication.delay_basic_seconds"] == [60.0, 60.0]


def test_a_longer_delay_moves_the_message_and_its_attempt(ask: Ask) -> None:
    found = asked(ask, "publication.delay_basic_seconds=120")
    assert kinds(found) == {
        (CHANGED, "DeliveryScheduled"): 1,
        (GONE, "DeliveryAttempted"): 1,
        (NEW, "DeliveryAttempted"): 1,
    }
    assert found["decisions"][0]["fields"].keys() == {"due_at"}
    text = ask("what-if", "--set", "publication.delay_basic_seconds=120").out
    assert "due_at: 2026-10-06 14:31:02+00:00 -> 2026-10-06 14:32:02+00:00" in text


def test_a_trade_that_would_be_refused_takes_its_fill_and_its_messages_along(ask: Ask) -> None:
    found = asked(ask, "risk.limit.position=0")
    assert found["failed"] == {} and found["orders_without_outcome"] == []
    gone = {kind for state, kind in kinds(found) if state == GONE}
    assert {"OrderIntended", "FillRecorded", "PositionOpened", "DeliveryScheduled"} <= gone
    refused = next(one for one in found["decisions"] if one["fields"].get("approved"))
    assert refused["fields"]["approved"] == ["True", "False"]
    assert refused["decision"]["data"]["signal_id"] == SIGNAL


def test_an_order_of_another_size_is_marked(ask: Ask) -> None:
    found = asked(ask, "risk.limit.contracts_order=5")
    order = next(one for one in found["decisions"] if one["decision"]["type"] == "OrderIntended")
    assert order["kind"] == CHANGED and order["fields"]["quantity"] == ["9", "5"]
    assert "another quantity or price" in order["outcome"]
    assert order["decision"]["data"]["order_ref"] in found["orders_without_outcome"]


class Refused(SmallLog):
    """The same day under a limit that refuses the entry: the broker says nothing of an order."""

    async def _fill(self) -> None:
        await self.wait(1)


async def fold(store: Any, url: str, after: int, **values: float) -> Alternative:
    workers = [await Replayed.of(store, name, settings_of(url)) for name in WORKERS]
    desk = Alternative(workers, values, after)
    async for place in places(store, list(WORKERS), await store.head()):
        desk.take(place)
    return desk


async def test_an_order_that_was_never_made_has_no_recorded_outcome(
    store: Any, database_url: str
) -> None:
    limit = "risk.limit.position"
    await Refused(store, settings_of(database_url), **{limit: 0.0}).write()
    desk = await fold(store, database_url, 0, **{limit: 0.015})
    orders = [one for one in desk.found if one.event.type == "OrderIntended"]
    assert {one.kind for one in orders} == {NEW} and orders
    assert {desk.outcome(one.event.body) for one in orders} == {"no recorded outcome"}  # type: ignore[arg-type]
    assert desk.failed == {}


@pytest.mark.parametrize("after", [5, 20])
async def test_parameters_set_before_the_day_are_others_from_its_start(
    small_log_url: str, after: int
) -> None:
    async with await PostgresStore.open(small_log_url, application_name="test") as store:
        delay = {"publication.delay_basic_seconds": 120.0}
        desk = await fold(store, small_log_url, after, **delay)
        late = await fold(store, small_log_url, 45, **delay)
    assert next(one.event.type for one in desk.found) == "DeliveryScheduled"
    assert late.found == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nonsense=1", "parameter must exist"),
        ("publication.delay_basic_seconds=1", "must be in [60, 3600] s"),
        ("publication.delay_basic_seconds=soon", "must be a number"),
        ("publication.delay_basic_seconds", "must look like name=value"),
    ],
)
def test_a_value_that_no_rule_allows_is_refused(ask: Ask, text: str, told: str) -> None:
    done = ask("what-if", "--set", text)
    assert done.code == 2 and told in done.err


def test_a_day_without_events_is_refused(ask: Ask) -> None:
    done = ask("what-if", "--day", "2026-10-07", "--set", "risk.limit.position=0")
    assert done.code == 2 and "no event of 2026-10-07" in done.err
