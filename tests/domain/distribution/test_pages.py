"""Critical alerts reach the operator's phone: once each, and never so often that it is muted."""

from __future__ import annotations

from typing import Any

from domain.distribution.pages import PAGES_PER_HOUR_MAX, TEXT_LENGTH_MAX, PageStage
from domain.events.controls import AlertAcknowledged, AlertRaised
from domain.events.publication import DeliveryScheduled, Vendor
from domain.stage import Consumer
from tests.domain.distribution.story import Story


def new_story() -> Story:
    consumer: Consumer[Any] = Consumer("outbox", "test", [PageStage()])
    return Story(consumer)


def raised(
    story: Story, alert_id: str, seconds: float = 0, severity: str = "critical", text: str = "why"
) -> list[DeliveryScheduled]:
    alert = AlertRaised(alert_id=alert_id, severity=severity, code="EXIT_LOST", text=text)
    return story.bodies(DeliveryScheduled, story.tell(alert, seconds))


def test_a_critical_alert_is_a_page_and_a_warning_is_not() -> None:
    story = new_story()
    (page,) = raised(story, "a")
    assert (page.vendor, page.kind, page.tier) == (Vendor.TELEGRAM, "page", None)
    assert (page.title, page.body) == ("critical: EXIT_LOST", "why")
    assert raised(story, "b", severity="warning") == []


def test_an_alert_that_is_raised_again_is_paged_again_only_when_it_was_acknowledged() -> None:
    story = new_story()
    assert len(raised(story, "a")) == 1
    assert raised(story, "a", 60) == []
    story.tell(AlertAcknowledged(alert_id="a", who="ann", comment="seen, looking"), 90)
    assert len(raised(story, "a", 120)) == 1


def test_a_storm_of_alerts_rings_a_bounded_number_of_times_and_says_so() -> None:
    story = new_story()
    pages = [page for n in range(100) for page in raised(story, f"a-{n}", n)]
    assert len(pages) == PAGES_PER_HOUR_MAX
    assert "further alerts are on the page alone" in pages[-1].body
    assert raised(story, "a-99", 3_601) != [], "what was left out is told when it comes again"


def test_a_long_alert_fits_into_one_message() -> None:
    (page,) = raised(new_story(), "a", text="x" * 10_000)
    assert len(page.body) == TEXT_LENGTH_MAX
