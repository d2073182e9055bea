"""Reports: one a slot, judged, approved, then published; a template when the model fails."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from domain.commentary.stage import ReportStage
from domain.events.approvals import ApprovalDecided, ApprovalRequested
from domain.events.positions import PositionClosed, PositionReopened
from domain.events.publication import DeliveryScheduled
from domain.events.reports import (
    DraftChecked,
    DraftFailed,
    DraftReceived,
    DraftRequested,
    ReportDue,
    ReportSkipped,
)
from domain.events.system import PlannedDay, SessionPlanned
from domain.stage import Consumer
from tests.domain.distribution.story import START, Story
from tests.projections.story import with_fields

OPEN = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
CLOSE = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)
AFTER_CLOSE = (CLOSE + timedelta(minutes=3) - START).total_seconds()


def new_story() -> Story:
    consumer: Consumer[Any] = Consumer("outbox", "test", [ReportStage("claude-haiku-5-5")])
    story = Story(consumer)
    day = PlannedDay(session_date=OPEN.date(), open_at=OPEN, close_at=CLOSE,
                     options_close_at=CLOSE + timedelta(minutes=15), is_half_day=False)  # fmt: skip
    story.tell(SessionPlanned(day=day, earlier=(), later=(), library="test"))
    return story


def draft(text: str, attempt: int = 1, stop: str = "end_turn") -> DraftReceived:
    return DraftReceived(report_id="20261123-postmarket", attempt=attempt, model="m",
                         request_id="r", stop_reason=stop, text=text, input_tokens=1,
                         output_tokens=1, cost_usd="0.0001")  # fmt: skip


def test_the_close_has_one_report_and_the_model_is_asked_once() -> None:
    story = new_story()
    emitted = story.tick(AFTER_CLOSE)
    kinds = [d.kind for d in story.bodies(ReportDue, emitted)]
    assert kinds == ["postmarket"]
    assert len(story.bodies(DraftRequested, emitted)) == 1
    assert story.tick(AFTER_CLOSE + 1) == []


def test_the_report_of_the_close_moves_with_a_close_that_is_brought_forward() -> None:
    """And what was written already is not written again."""
    story = new_story()
    story.tick(AFTER_CLOSE - 4 * 3_600)
    sooner = CLOSE - timedelta(hours=3)
    day = PlannedDay(session_date=OPEN.date(), open_at=OPEN, close_at=sooner,
                     options_close_at=sooner + timedelta(minutes=15), is_half_day=True)  # fmt: skip
    story.tell(SessionPlanned(day=day, earlier=(), later=(), library="test"))
    emitted = story.tick(AFTER_CLOSE - 3 * 3_600)
    assert [due.kind for due in story.bodies(ReportDue, emitted)] == ["postmarket"]
    assert "20261123-premarket" not in {s.report_id for s in story.bodies(ReportSkipped, emitted)}


def test_slots_that_passed_unattended_are_skipped_not_written_late() -> None:
    story = new_story()
    story.tick(AFTER_CLOSE)
    assert {s.report_id for s in story.bodies(ReportSkipped)} == {
        "20261123-premarket",
        "20261123-intraday",
    }


def test_a_clean_draft_waits_for_approval_and_is_then_published() -> None:
    story = new_story()
    story.tick(AFTER_CLOSE)
    emitted = story.tell(draft('{"text":"A calm close, noted at {{f3}}."}'), AFTER_CLOSE + 2)
    assert story.bodies(DraftChecked, emitted)[0].verdict == "clean"
    request = story.bodies(ApprovalRequested, emitted)[0]
    assert story.bodies(DeliveryScheduled) == []
    decided = ApprovalDecided(approval_id=request.approval_id, revision=1, approved=True,
                              who="op", callback_id="c")  # fmt: skip
    delivery = story.bodies(DeliveryScheduled, story.tell(decided, AFTER_CLOSE + 9))[0]
    assert "A calm close, noted at 16:03 New York." in delivery.body


def test_a_blocked_draft_is_written_anew_and_then_replaced_by_the_template() -> None:
    story = new_story()
    story.tick(AFTER_CLOSE)
    story.tell(draft('{"text":"SPY at 770."}'), AFTER_CLOSE + 2)
    assert [d.attempt for d in story.bodies(DraftRequested)] == [1, 2]
    story.tell(draft('{"text":"SPY at 771."}', attempt=2), AFTER_CLOSE + 4)
    final = story.bodies(DraftChecked)[-1]
    assert final.verdict == "clean"
    assert final.final_text.startswith("Automatic summary")


def test_a_model_that_is_down_leads_to_the_template_and_the_same_approval() -> None:
    story = new_story()
    story.tick(AFTER_CLOSE)
    for attempt in (1, 2):
        failed = DraftFailed(report_id="20261123-postmarket", attempt=attempt, reason="529")
        story.tell(failed, AFTER_CLOSE + attempt)
    assert len(story.bodies(ApprovalRequested)) == 1


def test_a_trade_that_a_late_fill_opened_again_is_not_reported_as_closed_twice() -> None:
    story = new_story()
    closed = with_fields(PositionClosed, position_id="p")
    for body in (closed, with_fields(PositionReopened, position_id="p"), closed):
        story.tell(body)
    due = story.bodies(ReportDue, story.tick(AFTER_CLOSE))[0]
    assert [f.value for f in due.facts if f.label == "trades closed today"] == ["1"]
