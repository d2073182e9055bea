"""Every event type comes back from the log as it went on, also in the library's words."""

from __future__ import annotations

from typing import ClassVar

import msgspec
import pytest

from domain.event import DeskEvent, UnknownEventType, body_class, decode_body, encode_body
from store.contract import Selection
from store.errors import UnreadableEvent
from store.eventsourcing import MAPPER, StreamEvent, StreamRecorder
from store.postgres import PostgresStore
from tests.store.propose import halt, price, propose
from tests.store.samples import body_classes, comparable, sample_of


async def test_every_event_type_comes_back_as_it_went_on(store: PostgresStore) -> None:
    classes = body_classes()
    assert len(classes) > 90
    proposed = [
        propose(
            sample_of(cls),
            f"{cls.__name__}/1",
            worker="signals",
            input_position=7,
            ordinal=n,
        )
        for n, cls in enumerate(classes)
    ]
    done = await store.append(proposed)
    events = await store.read(0)
    assert len(events) == len(classes)
    for event, given, position in zip(events, proposed, done.positions, strict=True):
        assert comparable(event.body) == comparable(given.body)
        assert (event.position, event.version, event.stream) == (position, 1, given.stream)
        assert (event.type, event.schema) == (
            type(given.body).__name__,
            type(given.body).schema_version,
        )
        assert (event.event_id, event.correlation_id) == (given.event_id, given.correlation_id)
        assert (event.worker, event.build) == ("signals", "build")
        assert (event.input_position, event.ordinal) == (7, given.ordinal)
        assert event.occurred_at == given.occurred_at
        assert event.recorded_at == done.recorded_at
        assert event.is_emission
    emitted = await store.emissions("signals", 6, 7)
    assert [event.ordinal for event in emitted] == list(range(len(classes)))
    assert await store.emissions("signals", 7, 9) == []


@pytest.mark.parametrize("cls", body_classes(), ids=lambda cls: str(cls.__name__))
def test_the_mapper_maps_both_ways(cls: type[DeskEvent]) -> None:
    event = StreamEvent("a stream", 3, sample_of(cls, 5))
    stored = MAPPER.to_stored_event(event)
    assert (stored.originator_id, stored.originator_version) == ("a stream", 3)
    assert stored.topic == f"{cls.__name__}:{cls.schema_version}"
    back = MAPPER.to_domain_event(stored)
    assert comparable(back.body) == comparable(event.body)


class TestEventOfTwoSchemas(DeskEvent):
    """Schema 1 had `name`; schema 2 has `title`."""

    __test__: ClassVar[bool] = False
    schema_version: ClassVar[int] = 2
    title: str

    @staticmethod
    def upcast_v1_v2(state: dict[str, str]) -> dict[str, str]:
        return {"title": state["name"]}


def test_old_schemas_are_upcast_on_reading() -> None:
    body_class.__globals__["_registry"].cache_clear()
    old = decode_body("TestEventOfTwoSchemas", 1, b'{"name":"x"}')
    assert old == TestEventOfTwoSchemas(title="x")
    assert decode_body("TestEventOfTwoSchemas", 2, encode_body(old)) == old
    with pytest.raises(UnknownEventType, match="schema must be at most 2"):
        decode_body("TestEventOfTwoSchemas", 3, b"{}")


async def test_streams_causes_and_ids_are_found(store: PostgresStore) -> None:
    cause = halt(1)
    effect = halt(2, "effects", causation_id=cause.event_id)
    await store.append([cause, price(1), effect, halt(3)])
    assert [e.version for e in await store.read_stream("control")] == [1, 2]
    assert [e.position for e in await store.read_stream("control", after_version=1)] == [4]
    assert await store.read_stream("no such stream") == []
    found = await store.event(effect.event_id)
    assert found is not None
    assert found.position == 3
    assert await store.event(halt(99).event_id) is None
    log = await store.read(0)
    assert [e.position for e in await store.caused_by(log[:1])] == [3]
    assert await store.caused_by(log[1:]) == await store.caused_by([]) == []
    await store.append([halt(4, "effects", causation_id=effect.event_id)])
    assert [e.position for e in await store.caused_by(log)] == [3, 5]


async def test_the_recorder_reads_by_the_names_of_the_library(store: PostgresStore) -> None:
    recorder = StreamRecorder(store)
    assert await recorder.max_notification_id() is None
    await store.append([halt(n) for n in range(1, 6)] + [price(1)])
    assert await recorder.max_notification_id() == 6
    selected = await recorder.select_events("control", gt=1, lte=4, desc=True, limit=2)
    assert [event.originator_version for event in selected] == [4, 3]
    notifications = await recorder.select_notifications(2, 3)
    assert [n.id for n in notifications] == [2, 3, 4]
    assert notifications[0].topic == "HaltRequested:1"
    after = await recorder.select_notifications(2, 10, inclusive_of_start=False, stop=4)
    assert [n.id for n in after] == [3, 4]
    prices = await recorder.select_notifications(None, 10, topics=["UwPriceReceived:1"])
    assert [n.id for n in prices] == [6]
    same = await store.read(0, Selection(types=frozenset({"UwPriceReceived"})))
    assert comparable(MAPPER.to_domain_event(prices[0]).body) == comparable(same[0].body)
    async for notification in recorder.subscribe(gt=4):
        assert notification.id == 5
        break


async def test_a_body_that_is_nested_too_deep_is_unreadable_and_nothing_worse(
    store: PostgresStore,
) -> None:
    """The log takes what is JSON; whether a decoder gets through depends on its caller's depth."""
    good = price(1)
    deep = msgspec.structs.replace(good.body, payload=msgspec.Raw(b"[" * 995 + b"]" * 995))
    await store.append([propose(deep, "uw/price:SPY", "deep"), good])
    with pytest.raises(UnreadableEvent, match="recursion") as raised:
        await store.read(0)
    assert raised.value.position == 1
    assert len(await store.read(1)) == 1
