"""Deliveries leave once, in order, never early; approvals are decided once."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from domain.distribution.approvals import ApprovalStage
from domain.distribution.deliveries import DeliveryStage, nonce
from domain.event import decode_body
from domain.events.approvals import (
    ApprovalAnswered,
    ApprovalDecided,
    ApprovalExpired,
    ApprovalPressed,
    ApprovalRequested,
)
from domain.events.publication import (
    DeliveryAttempted,
    DeliveryConfirmed,
    DeliveryEscalated,
    DeliveryExpired,
    DeliveryNotFound,
    DeliveryReconciling,
    DeliveryRejected,
    DeliveryScheduled,
    DeliveryUnknown,
    Tier,
    Vendor,
)
from domain.events.system import WorkerStarted
from domain.stage import Consumer
from tests.domain.distribution.story import START, Story


def new_story() -> Story:
    consumer: Consumer[Any] = Consumer("outbox", "test", [ApprovalStage(), DeliveryStage()])
    return Story(consumer)


def scheduled(made: str = "d1", due: float = 60, reply_to: str = "") -> DeliveryScheduled:
    return DeliveryScheduled(
        delivery_id=made,
        source_event_id="e",
        kind="entry",
        vendor=Vendor.DISCORD,
        channel="basic",
        tier=Tier.BASIC,
        public_id="P",
        trade_id="t",
        title="T",
        body="B",
        fields={"a": "b"},
        due_at=START + timedelta(seconds=due),
        event_at=START,
        reply_to=reply_to,
        policy_version=1,
    )


def started(resumed_after: int = 1_000_000) -> WorkerStarted:
    return WorkerStarted(
        worker="outbox",
        run_id="r2",
        resumed_after=resumed_after,
        build="test",
        stages=(),
        types=(),
        configuration_sha256="",
        python="",
        platform="",
    )


def confirmed(made: str = "d1") -> DeliveryConfirmed:
    return DeliveryConfirmed(delivery_id=made, remote_id="77", remote_at=None, via="response")


def test_a_delivery_never_leaves_before_it_is_due() -> None:
    story = new_story()
    assert story.tell(scheduled()) == []
    assert story.tick(59.999999) == []
    assert len(story.bodies(DeliveryAttempted, story.tick(60))) == 1


def test_a_delivery_is_attempted_once_while_its_outcome_is_open() -> None:
    story = new_story()
    story.tell(scheduled(due=0))
    assert story.tick(1) == []
    assert story.tick(2) == []
    assert len(story.bodies(DeliveryAttempted)) == 1


def test_an_unknown_outcome_is_read_back_and_not_retried() -> None:
    story = new_story()
    story.tell(scheduled(due=0))
    emitted = story.tell(DeliveryUnknown(delivery_id="d1", reason="time-out"), 1)
    assert [type(e.body) for e in emitted] == [DeliveryReconciling]


def test_proof_of_absence_allows_another_attempt_with_the_same_key() -> None:
    story = new_story()
    story.tell(scheduled(due=0))
    story.tell(DeliveryUnknown(delivery_id="d1", reason="time-out"), 1)
    story.tell(DeliveryNotFound(delivery_id="d1", evidence="history shows the message before"), 2)
    attempts = story.bodies(DeliveryAttempted)
    assert [a.attempt for a in attempts] == [1, 2]
    assert {a.idempotency_key for a in attempts} == {nonce("d1")}


def test_an_attempt_of_an_earlier_run_is_unknown_at_the_next_start() -> None:
    story = new_story()
    story.tell(scheduled(due=0))
    emitted = story.tell(started(), 5)
    assert [type(e.body) for e in emitted] == [DeliveryReconciling]


def test_an_attempt_of_this_run_is_not_asked_for_when_its_start_is_consumed() -> None:
    story = new_story()
    resumed_after = story.position
    story.tell(scheduled(due=0))
    assert story.tell(started(resumed_after), 5) == []


def test_a_start_on_the_log_before_it_said_where_it_resumed_settles_all() -> None:
    old = {
        "worker": "outbox",
        "run_id": "r1",
        "build": "b",
        "stages": [],
        "types": [],
        "configuration_sha256": "",
        "python": "",
        "platform": "",
    }
    body = decode_body("WorkerStarted", 1, json.dumps(old))
    assert isinstance(body, WorkerStarted)
    story = new_story()
    story.tell(scheduled(due=0))
    assert [type(e.body) for e in story.tell(body, 5)] == [DeliveryReconciling]


def test_an_outcome_that_stays_unknown_waits_for_the_operator() -> None:
    story = new_story()
    story.tell(scheduled(due=0))
    for second in range(1, 9):
        story.tell(DeliveryUnknown(delivery_id="d1", reason="silence"), second)
    assert len(story.bodies(DeliveryReconciling)) == 5
    assert len(story.bodies(DeliveryEscalated)) == 1
    assert story.tick(20) == []


def test_a_new_run_and_a_new_attempt_ask_from_the_start() -> None:
    story = new_story()
    story.tell(scheduled(due=0))
    for second in range(1, 6):
        story.tell(DeliveryUnknown(delivery_id="d1", reason="silence"), second)
    assert [type(e.body) for e in story.tell(started(), 6)] == [DeliveryReconciling]
    story.tell(DeliveryNotFound(delivery_id="d1", evidence="history shows the message before"), 7)
    for second in range(8, 13):
        story.tell(DeliveryUnknown(delivery_id="d1", reason="silence"), second)
    assert story.bodies(DeliveryEscalated) == []
    assert [a.attempt for a in story.bodies(DeliveryAttempted)] == [1, 2]


def test_a_reply_waits_for_its_entry() -> None:
    story = new_story()
    story.tell(scheduled("d1", due=0))
    story.tell(scheduled("d2", due=0, reply_to="d1"))
    assert len(story.bodies(DeliveryAttempted)) == 1
    emitted = story.tell(confirmed("d1"), 1)
    assert [b.delivery_id for b in story.bodies(DeliveryAttempted, emitted)] == ["d2"]


def test_a_rejected_delivery_is_not_sent_again() -> None:
    story = new_story()
    story.tell(scheduled(due=0))
    rejected = DeliveryRejected(delivery_id="d1", permanent=True, vendor_code="50035", text="form")
    assert story.tell(rejected, 1) == []
    assert story.tick(60) == []


def test_a_delivery_hours_late_expires_instead() -> None:
    story = new_story()
    story.tell(scheduled(due=0, made="parent"))
    story.tell(scheduled(due=60))
    emitted = story.tick(7_200)
    assert [b.delivery_id for b in story.bodies(DeliveryExpired, emitted)] == ["d1"]


def request() -> ApprovalRequested:
    return ApprovalRequested(
        approval_id="a1",
        kind="post",
        subject_id="t",
        revision=1,
        text="x",
        targets=("x",),
        expires_at=START + timedelta(minutes=30),
    )


def press(callback: str, verb: str = "approve", revision: int = 1) -> ApprovalPressed:
    return ApprovalPressed(
        approval_id="a1",
        revision=revision,
        verb=verb,
        user_id=9,
        user_name="op",
        callback_id=callback,
        chat_id=1,
        message_id=2,
    )


def test_the_first_press_decides_and_later_ones_are_told_so() -> None:
    story = new_story()
    story.tell(request(), correlation="trade")
    story.tell(press("c1"))
    story.tell(press("c2", "reject"))
    decided = story.bodies(ApprovalDecided)
    assert [(d.approved, d.callback_id) for d in decided] == [(True, "c1")]
    answers = story.bodies(ApprovalAnswered)
    assert [a.text for a in answers] == ["Approved.", "Already approved by op."]


def test_a_button_of_an_older_revision_decides_nothing() -> None:
    story = new_story()
    story.tell(request())
    story.tell(press("c1", revision=0))
    assert story.bodies(ApprovalDecided) == []


def test_an_approval_expires_without_an_answer() -> None:
    story = new_story()
    story.tell(request())
    assert story.bodies(ApprovalExpired, story.tick(1_799)) == []
    assert len(story.bodies(ApprovalExpired, story.tick(1_800))) == 1
    assert story.bodies(ApprovalDecided, story.tell(press("late"), 1_801)) == []


def test_a_decision_belongs_to_the_story_that_asked() -> None:
    story = new_story()
    story.tell(request(), correlation="trade")
    emitted = story.tell(press("c1"), correlation="telegram")
    asked = story.bodies(ApprovalRequested)
    assert asked == []
    decided = next(e for e in emitted if isinstance(e.body, ApprovalDecided))
    from domain.event import derived_id

    assert decided.correlation_id == derived_id("trade")
