"""Scores of the forecasts are read by model, symbol and bucket, page by page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from domain.events.forecasts import CalibrationBin, CalibrationUpdated, Coverage, Scores

AT = datetime(2026, 10, 6, 14, 0, tzinfo=UTC)


def updated(
    symbol: str = "SPY", model: str = "P2", bucket: str = "0DTE", **changes: Any
) -> CalibrationUpdated:
    values: dict[str, Any] = {
        "model": model,
        "symbol": symbol,
        "bucket": bucket,
        "scheduled": True,
        "kind": "prob",
        "as_of": AT,
        "count": 60,
        "voided": 1,
        "n_eff": 12.5,
        "ever": Scores(count=60, brier=0.24, skill=0.04, skill_half=0.04),
        "recent": Scores(count=40, brier=0.26, skill=-0.06),
        "bins": (CalibrationBin(p=0.55, rate=0.6, count=40, low=0.4, high=0.75),),
        "coverage": (
            Coverage(
                level=0.95, coverage=0.9, low=0.8, high=0.96, kupiec=4.1, kupiec_p=0.04,
                width=2.0, alpha=0.04,
            ),
        ),
        "rank_correlation": None,
        "a": 0.01,
        "b": 0.52,
        "gate": "fail",
        "trust": 0.5,
    }  # fmt: skip
    return CalibrationUpdated(**{**values, **changes})


async def told(api: Any, **asked: Any) -> dict[str, Any]:
    answer = await api.get("/calibration", **asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_the_newest_score_of_each_is_told_with_its_event(api: Any) -> None:
    await api.login()
    await api.append(updated(count=59), "calibration/P2", 0)
    await api.append(updated(), "calibration/P2", 1)
    (row,) = (await told(api))["rows"]
    assert row["calibration_id"] == "P2/SPY/0DTE/scheduled"
    assert (row["count"], row["n_eff"], row["gate"], row["trust"]) == (60, 12.5, "fail", 0.5)
    assert row["recent"]["skill"] == -0.06 and row["ever"]["log_loss"] is None
    assert row["bins"] == [{"p": 0.55, "rate": 0.6, "count": 40, "low": 0.4, "high": 0.75}]
    assert row["coverage"][0]["kupiec_p"] == 0.04
    event = await api.get(f"/events/{row['event_id']}")
    assert event.status_code == 200 and event.json()["type"] == "CalibrationUpdated"


async def test_rows_are_asked_by_model_symbol_bucket_and_page(api: Any) -> None:
    await api.login()
    for symbol in ("SPY", "QQQ", "ALL"):
        for bucket in ("0DTE", "14D+"):
            await api.append(updated(symbol, bucket=bucket), "calibration/P2", (symbol, bucket))
    await api.append(updated("SPY", "P1_10S", "ANY", kind="point", gate=""), "calibration/P1")
    assert (await told(api))["count"] == 7
    found = await told(api, model="P2", symbol="SPY", bucket="14D+")
    assert [row["calibration_id"] for row in found["rows"]] == ["P2/SPY/14D+/scheduled"]
    seen: list[str] = []
    after, pages = "", 0
    while True:
        page = await told(api, limit=3, after=after)
        seen += [row["calibration_id"] for row in page["rows"]]
        pages += 1
        if page["next"] is None:
            break
        after = page["next"]
    assert pages == 3 and len(seen) == 7 and seen == sorted(set(seen))


@pytest.mark.parametrize(
    ("asked", "field"), [({"limit": 0}, "limit"), ({"model": "P2;"}, "model"), ({"x": 1}, "x")]
)
async def test_a_query_that_is_none_is_refused(api: Any, asked: dict[str, Any], field: str) -> None:
    await api.login()
    answer = await api.get("/calibration", **asked)
    assert answer.status_code == 400 and answer.json()["field"] == field
