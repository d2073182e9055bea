"""Numbers may differ in their last digits where that is said, and nothing else may."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from domain.comparison import body_differences
from domain.event import body_types
from domain.events.analytics import Metric, MetricComputed, PredictionMade, Quality

AT = datetime(2026, 10, 6, 14, 0, tzinfo=UTC)


def computed(*values: float | None) -> MetricComputed:
    metrics = [Metric(f"m{k}", value, "$", AT, Quality.OK, "") for k, value in enumerate(values)]
    return MetricComputed(symbol="SPY", evaluated_at=AT, params_version=1, metrics=metrics)


def made(**given: Any) -> PredictionMade:
    body: dict[str, Any] = {
        "prediction_id": "p",
        "model": "P3",
        "model_version": "1",
        "symbol": "SPY",
        "bucket": "any",
        "made_at": AT,
        "horizon_end": AT,
        "kind": "prob",
        "values": {"p": 0.5},
        "scheduled": True,
        "inputs": "ab12",
    }
    return PredictionMade(**body | given)


def test_the_number_that_differs_is_named_wherever_it_stands() -> None:
    was, now = computed(1.0, 2.0, None), computed(1.0, 2.5, None)
    assert body_differences(was, now) == [("metrics[1].value", 2.0, 2.5)]
    ranges = made(intervals={"50": (0.1, 0.2)}), made(intervals={"50": (0.1, 0.3)})
    assert body_differences(*ranges) == [("intervals[50][1]", 0.2, 0.3)]


@pytest.mark.parametrize(("digit", "count"), [(1e-12, 0), (9e-10, 0), (1.1e-9, 1), (1e-6, 1)])
def test_numbers_within_lists_of_structures_may_differ_by_the_tolerance(
    digit: float, count: int
) -> None:
    was, now = computed(123.0, 0.5), computed(123.0, 0.5 * (1 + digit))
    assert len(body_differences(was, now, 1e-9)) == count
    assert len(body_differences(was, now)) == 1


@pytest.mark.parametrize(
    ("was", "now", "count"),
    [
        ("-2351.99999994 USD", "-2351.9999996 USD", 0),
        ("[1.0, 2.000000001]", "[1.0, 2.0]", 0),
        ("1e-05 of it", "1.00000000001e-05 of it", 0),
        ("book 346089.9628, unit 9769.7", "book 346089.9638, unit 9769.7", 1),
        ("16 units", "17 units", 1),
        ("10000000001 of 2.5", "10000000002 of 2.5", 1),
        ("2026-10-06T14:01:05.000001+00:00", "2026-10-06T14:01:05.000002+00:00", 1),
        ("1.0 USD", "1.0 EUR", 1),
        ("id-1e6f75c3-5d90", "id-1e6f75c4-5d90", 1),
        ("v1.2.3", "v1.2.4", 1),
        ("-1.5", "1.5", 1),
        ("", "0.0", 1),
    ],
)
def test_a_text_may_differ_in_the_last_digits_of_its_numbers(
    was: str, now: str, count: int
) -> None:
    assert len(body_differences(made(model=was), made(model=now), 1e-9)) == count
    assert len(body_differences(made(model=was), made(model=now))) == 1


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (Decimal("2.00"), Decimal("2.000000000001")),
        (10_000_000_001, 10_000_000_002),
        (None, 0.0),
        ([1.0], [1.0, 1.0]),
        ({"a": 1.0}, {"b": 1.0}),
        (float("nan"), 1.0),
        (0.0, 1e-300),
        (True, False),
    ],
)
def test_what_is_no_number_with_last_digits_is_compared_exactly(was: object, now: object) -> None:
    assert body_differences(was, now, 1e-9) == [("", was, now)]


def test_a_digest_of_numbers_says_nothing_where_their_last_digits_may_differ() -> None:
    was, now = made(inputs="ab12"), made(inputs="cd34")
    assert body_differences(was, now) == [("inputs", "ab12", "cd34")]
    assert body_differences(was, now, 1e-9) == []
    assert body_differences(was, made(inputs="cd34", symbol="QQQ"), 1e-9) == [
        ("symbol", "SPY", "QQQ")
    ]


def test_every_digest_of_numbers_is_a_field() -> None:
    for name, kind in body_types().items():
        assert set(kind.digests_of_numbers) <= set(kind.__annotations__), name


def test_bodies_that_are_the_same_do_not_differ() -> None:
    assert body_differences(computed(1.0), replace(computed(1.0)), 0.0) == []
