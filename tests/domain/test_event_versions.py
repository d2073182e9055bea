"""Every version of every event type that was ever stored stays readable.

When one of these fails after a change of an event: give the type the next `schema_version` and a
static method `upcast_v<old>_v<new>`, then run `python -m tests.domain.event_fixtures`.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, ClassVar

import msgspec
import pytest

from domain.event import (
    Body,
    MarketEvent,
    body_class,
    body_types,
    decode_body,
    encode_body,
)
from domain.events.system import POSITION_MAX
from tests.domain.event_fixtures import fixture_of, path_of, shape_sha256, stored_fixtures
from tests.store.samples import body_classes

FIXTURES = stored_fixtures()


def read(name: str, version: int, form: str) -> Body:
    return decode_body(name, version, json.dumps(FIXTURES[name, version][form]))


@pytest.mark.parametrize("cls", body_classes(), ids=lambda cls: str(cls.__name__))
def test_every_version_up_to_the_current_one_has_a_fixture(cls: type[Body]) -> None:
    versions = [version for name, version in sorted(FIXTURES) if name == cls.__name__]
    assert versions == list(range(1, cls.schema_version + 1)), (
        f"{cls.__name__} must have fixtures of versions 1 to {cls.schema_version}, had {versions}: "
        "run python -m tests.domain.event_fixtures"
    )


@pytest.mark.parametrize("cls", body_classes(), ids=lambda cls: str(cls.__name__))
def test_a_shape_never_changes_within_a_version(cls: type[Body]) -> None:
    kept = FIXTURES[cls.__name__, cls.schema_version]["shape_sha256"]
    assert shape_sha256(cls) == kept, (
        f"{cls.__name__} must keep its shape in version {cls.schema_version}: raise "
        f"schema_version, add upcast_v{cls.schema_version}_v{cls.schema_version + 1}, then run "
        "python -m tests.domain.event_fixtures"
    )


@pytest.mark.parametrize(("name", "version"), sorted(FIXTURES))
def test_every_stored_version_is_read_whole_or_with_required_fields_alone(
    name: str, version: int
) -> None:
    fixture = FIXTURES[name, version]
    assert (fixture["type"], fixture["schema"]) == (name, version)
    for form in ("full", "least"):
        body = read(name, version, form)
        assert type(body).__name__ == name
        # What an upcaster made is stored again as the current version and stays the same.
        again = decode_body(name, type(body).schema_version, encode_body(body))
        assert encode_body(again) == encode_body(body)


@pytest.mark.parametrize("cls", body_classes(), ids=lambda cls: str(cls.__name__))
def test_the_current_version_is_stored_as_its_fixture_says(cls: type[Body]) -> None:
    body = read(cls.__name__, cls.schema_version, "full")
    assert json.loads(encode_body(body)) == FIXTURES[cls.__name__, cls.schema_version]["full"]


def test_no_type_that_was_ever_stored_is_gone() -> None:
    assert {name for name, _ in FIXTURES} <= set(body_types())


def test_a_run_of_the_first_version_takes_all_before_it_for_an_earlier_runs() -> None:
    body: Any = read("WorkerStarted", 1, "full")
    assert body.resumed_after == POSITION_MAX


def test_an_upcast_market_event_keeps_its_payload_byte_for_byte() -> None:
    class FrameOfTwoSchemas(MarketEvent, frozen=True):
        schema_version: ClassVar[int] = 2
        received_at: datetime
        payload: msgspec.Raw
        feed: str

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
            return {**state, "feed": "one"}

    body_class.__globals__["_registry"].cache_clear()
    stored = b'{"received_at":"2026-10-06T14:00:00Z","payload":{"a" : 1.50}}'
    body = decode_body("FrameOfTwoSchemas", 1, stored)
    assert isinstance(body, FrameOfTwoSchemas)
    assert (bytes(body.payload), body.feed) == (b'{"a" : 1.50}', "one")


def test_a_change_of_a_default_or_of_a_field_changes_the_shape_and_prose_does_not() -> None:
    from domain.events.controls import AlertRaised

    class WithDefault(AlertRaised):
        severity: str = "info"

    class WithOtherWords(AlertRaised):
        """The same fields."""

    assert shape_sha256(WithDefault) != shape_sha256(AlertRaised)
    assert shape_sha256(WithOtherWords) == shape_sha256(AlertRaised)


def test_the_tool_leaves_out_what_has_a_default() -> None:
    from domain.events.orders import OrderModifyIntended

    fixture = fixture_of(OrderModifyIntended)
    assert "leaves_before" in fixture["full"]
    assert "leaves_before" not in fixture["least"]
    assert path_of(OrderModifyIntended).name == "v2.json"
