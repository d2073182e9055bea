"""The page of event types is generated from them and current."""

from __future__ import annotations

from pathlib import Path

from run.event_catalogue import events_page
from tests.store.samples import body_classes

PAGE = Path(__file__).parents[2] / "docs" / "events.md"


def test_the_page_is_what_the_types_generate() -> None:
    assert PAGE.read_text() == events_page(), "run `make docs`"


def test_every_type_is_on_the_page_with_its_fields_and_versions() -> None:
    page = events_page()
    for cls in body_classes():
        assert f"\n### {cls.__name__}\n" in page
    started = page.partition("### WorkerStarted\n")[2].partition("\n### ")[0]
    assert "desk, stream `worker/<name>`, schema versions 1, 2" in started
    assert "| resumed_after | `int` |" in started
    frame = page.partition("### UwPriceReceived\n")[2].partition("\n### ")[0]
    assert "market, stream `uw/<channel>`" in frame
    assert "| payload | `msgspec.Raw` | Element 1 of the frame, byte for byte. |" in frame
