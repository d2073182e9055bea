"""why, timeline, state and diff: every name finds its story, every view shows the past."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.run.replay.conftest import Ask
from tests.run.replay.small_log import MESSAGE, SIGNAL
from tests.run.replay.test_replay_commands import answered, entry

CHAIN = (
    "SignalRaised", "SignalValidated", "RiskDecided", "OrderIntended", "IntentSent",
    "BrokerExecutionSeen", "FillRecorded", "PositionOpened", "DeliveryScheduled",
    "DeliveryConfirmed",
)  # fmt: skip


def story(ask: Ask, name: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = answered(ask, "why", name)["events"]
    return events


def names_of_one_trade(ask: Ask) -> list[str]:
    order = entry(ask)
    events = story(ask, order["order_ref"])
    delivery = next(e for e in events if e["type"] == "DeliveryScheduled")
    fill = next(e for e in events if e["type"] == "FillRecorded")
    return [
        order["order_ref"],
        f"order/{order['order_ref']}",
        order["event_id"],
        f"event/{order['event_id']}",
        str(order["position"]),
        f"log/{fill['position']}",
        SIGNAL,
        order["position_id"],
        "dec-s1",
        delivery["data"]["delivery_id"],
        fill["data"]["exec_id"],
        MESSAGE,
        f"message/{MESSAGE}",
    ]


def test_every_name_of_a_trade_leads_to_the_whole_of_it(ask: Ask) -> None:
    for name in names_of_one_trade(ask):
        events = story(ask, name)
        types = [event["type"] for event in events]
        places = [types.index(wanted) for wanted in CHAIN]
        assert places == sorted(places), name
        assert any(event["named"] for event in events), name
        positions = [event["position"] for event in events]
        assert positions == sorted(set(positions)), name


def test_no_event_of_a_story_lacks_its_cause(ask: Ask) -> None:
    events = story(ask, SIGNAL)
    known = {event["event_id"] for event in events}
    assert all(e["causation_id"] in known for e in events if e["causation_id"])


def test_the_marks_of_a_position_are_no_part_of_its_story(ask: Ask) -> None:
    assert "PositionMarked" in {row["type"] for row in rows(ask)}
    assert "PositionMarked" not in {event["type"] for event in story(ask, SIGNAL)}


def test_a_story_that_is_too_long_is_cut_and_says_so(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("run.replay.story.EVENTS_MAX", 5)
    done = ask("why", SIGNAL, "--json")
    found = json.loads(done.out)
    assert len(found["events"]) == 5 and found["truncated"] and done.err == ""
    assert "is longer" in ask("why", SIGNAL).err


@pytest.mark.parametrize("name", ["log/0", "log/99999", "0", "event/x", "order/x", "message/1"])
def test_a_name_without_events_is_refused(ask: Ask, name: str) -> None:
    done = ask("why", name)
    assert done.code == 2 and "replay timeline" in done.err


# timeline


def rows(ask: Ask, *arguments: str) -> list[dict[str, Any]]:
    done = ask("timeline", "--from", "10:30", "--to", "10:40", "--json", *arguments)
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def test_a_timeline_includes_both_of_its_ends(ask: Ask) -> None:
    assert rows(ask)[0]["position"] == 1
    done = ask("timeline", "--from", "10:31:04", "--to", "10:31:04", "--json")
    times = {json.loads(line)["market_time"] for line in done.out.splitlines()}
    assert times == {"2026-10-06T14:31:04Z"}


def test_a_timeline_of_a_symbol_and_strategy_has_the_whole_story(ask: Ask) -> None:
    types = {row["type"] for row in rows(ask, "--symbol", "SPY", "--strategy", "0DTE")}
    assert {"OrderChanged", "FillRecorded", "DeliveryConfirmed"} <= types
    assert not {"ClockTicked", "TradingHalted", "IbTicksReceived"} & types
    assert "IbTicksReceived" in {row["type"] for row in rows(ask, "--symbol", "SPY")}


def test_a_type_that_does_not_exist_is_refused(ask: Ask) -> None:
    done = ask("timeline", "--from", "10:30", "--to", "10:40", "--type", "OrderIntend")
    assert done.code == 2 and "OrderIntend" in done.err


# state and diff


def test_every_view_shows_the_past(ask: Ask) -> None:
    found = answered(ask, "state", "--at", "10:31:30")
    assert [s["state"] for s in found["signals"]] == ["refused", "traded", "refused"]
    assert {d["state"] for d in found["deliveries"]} == {"confirmed", "sending", "scheduled"}
    assert found["positions"][0]["mark"] == "2.00"
    delays = {p["name"]: p["value"] for p in found["parameters"]}
    assert delays["publication.delay_basic_seconds"] == 60.0
    parts = {row["part"]: row for row in found["health"]}
    assert parts["account"]["net_liquidation"] == "1000000"
    assert parts["broker"]["reconciled"]["is_clean"]
    assert {"worker trader", "clock", "session", "halt"} <= parts.keys()
    assert not found["halted"]


def test_a_view_may_be_asked_for_alone(ask: Ask) -> None:
    found = answered(ask, "state", "--at", "10:31", "--view", "orders", "--view", "alerts")
    assert found.keys() == {"at", "at_ny", "position", "halted", "orders", "alerts"}
    done = ask("state", "--at", "10:31", "--view", "parameters")
    assert done.code == 0 and "publication.delay_basic_seconds" in done.out
    assert "ask with --view parameters" in ask("state", "--at", "10:31").out


def test_before_the_first_event_nothing_is_known(ask: Ask) -> None:
    found = answered(ask, "state", "--at", "09:00")
    assert found["position"] == 0 and not any(found[name] for name in ("orders", "parameters"))


def test_diff_names_what_changed_between_two_moments(ask: Ask) -> None:
    done = ask("diff", "--at", "10:30:02", "--at", "10:31:04", "--json")
    assert done.code == 1
    found = json.loads(done.out)
    assert found["differs"] and [row["id"] for row in found["signals"]["added"]] == ["s2"]
    basic = next(r for r in found["deliveries"]["changed"] if "attempts" in r["fields"])
    assert basic["fields"]["attempts"] == [0, 1] and basic["fields"]["state"][0] == "scheduled"
    text = ask("diff", "--at", "10:30:02", "--at", "10:31:04").out
    assert "state: scheduled -> sending" in text and "+ signal_id=s2" in text


def test_diff_of_a_moment_with_itself_is_empty(ask: Ask) -> None:
    assert ask("diff", "--at", "10:31", "--at", "10:31").code == 0
    done = ask("diff", "--at", "10:31")
    assert done.code == 2 and "--at twice" in done.err
