"""The page in a real Chromium, before a real API on a real log."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Page, async_playwright, expect

from domain.events.controls import TradingState, TradingStateChanged
from run import build_ui
from tests.ui.browser_desk import PASSWORD, BrowserDesk, Viewer, find_chromium

pytestmark = pytest.mark.browser

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LIVE_MS_MAX = 30_000
VIEWS = (
    "/",
    "/timeline",
    "/timeline?group=story",
    "/messages",
    "/controls",
    "/limits",
    "/parameters",
    "/analytics",
    "/calibration",
)
expect.set_options(timeout=LIVE_MS_MAX)


@pytest.fixture
async def desk(
    store: Any, database_url: str, redis_url: str, tmp_path: Path
) -> AsyncIterator[BrowserDesk]:
    await asyncio.to_thread(build_ui.build)
    running = BrowserDesk(store, database_url, redis_url, tmp_path)
    await running.seed()
    worker = asyncio.create_task(running.risk_worker().run(), name="trader")
    await running.start_api()
    yield running
    await running.kill_api()
    worker.cancel()
    (ended,) = await asyncio.gather(worker, return_exceptions=True)
    assert isinstance(ended, asyncio.CancelledError), repr(ended)


@pytest.fixture
async def viewer(desk: BrowserDesk) -> AsyncIterator[Viewer]:
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium here: scripts/browser.sh installs it, CHROMIUM names another")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        context = await browser.new_context(
            viewport={"width": 1440, "height": 900}, timezone_id="Europe/Berlin"
        )
        viewing = Viewer(await context.new_page(), desk)
        yield viewing
        await browser.close()
    assert viewing.complaints == []


def searched(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


async def test_a_wrong_password_is_told_and_the_right_one_shows_health(viewer: Viewer) -> None:
    page = viewer.page
    await page.goto(viewer.desk.url)
    await page.get_by_label("Password").fill("not the password")
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("alert")).to_contain_text(re.compile("password", re.I))
    await viewer.log_in()
    await expect(page.get_by_text("SANDBOX", exact=True)).to_be_visible()
    health = page.get_by_role("list", name="Health")
    for part in ("api", "trader", "uw.socket", "postgres", "redis"):
        await expect(health.get_by_text(part, exact=False).first).to_be_visible()
    await expect(page.get_by_text("live", exact=True)).to_be_visible()
    await expect(page).to_have_title("SANDBOX · Striketape")
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_role("button", name="Log in")).to_be_visible()


async def test_the_page_names_gaps_drift_jobs_and_the_report(viewer: Viewer) -> None:
    await viewer.log_in()
    feeds, jobs = viewer.panel("Feeds"), viewer.panel("Jobs")
    for text in ("gap: interval_flow, silent", "drift: news, new field score (float)", "since "):
        await expect(feeds).to_contain_text(text)
    await expect(jobs).to_contain_text("no room")
    await expect(jobs).to_contain_text("next 2026-10-07 10:00 ET")
    await expect(jobs).to_contain_text("1234 messages, 5 rejected")


async def test_positions_and_profit_are_those_of_the_log(viewer: Viewer) -> None:
    await viewer.log_in()
    positions = viewer.panel("Positions").get_by_role("row")
    await expect(positions).to_have_count(3)
    for text in ("SPY 0DTE", "3 of 3", "2.10", "2.35", "1.05", "3.10", "▲ 75.00", "▼ -1.95"):
        await expect(positions.nth(1)).to_contain_text(text)
    for text in ("0 of 3", "2.50", "▲ 118.05", "closed: TARGET"):
        await expect(positions.nth(2)).to_contain_text(text)
    profit = viewer.panel("Profit and loss")
    await expect(profit).to_contain_text("▲ 191.10")
    await viewer.desk.mark("p-1", "1.35", "-225.00")
    await expect(positions.nth(1)).to_contain_text("▼ -225.00")
    await expect(profit).to_contain_text("▼ -108.90")


async def test_a_profit_is_shown_by_greek(viewer: Viewer) -> None:
    await viewer.log_in()
    lines = viewer.panel("Where it comes from").get_by_role("row")
    await expect(lines).to_have_count(3)
    for text in ("SPY 0DTE", "▲ 90.00", "▼ -6.00", "▼ -4.50", "1.95"):
        await expect(lines.nth(1)).to_contain_text(text)
    await expect(lines.nth(2)).to_contain_text("all today")


async def test_a_limit_is_changed_for_an_hour_and_that_is_seen_on_every_page(
    viewer: Viewer,
) -> None:
    page, desk = viewer.page, viewer.desk
    await viewer.log_in("/limits")
    await expect(page.get_by_role("banner").get_by_text("ACTIVE", exact=True)).to_be_visible()
    changed = viewer.panel("Not as shipped")
    await expect(changed).to_contain_text("Every limit is as this build ships it")
    await page.get_by_role("button", name="Change risk.limit.position", exact=True).click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_label("Value")).to_have_value("0.015")
    await dialog.get_by_label("Value").fill("0.01")
    await expect(dialog.get_by_label("For how long")).to_contain_text("for an hour")
    await dialog.get_by_label("Reason").fill("news are expected")
    await dialog.get_by_label("Password, again").fill(PASSWORD)
    await dialog.get_by_role("button", name="Change the limit").click()
    await expect(dialog.get_by_text("Effective: ParametersChanged")).to_be_visible()
    await dialog.get_by_role("button", name="Done").click()
    for text in ("limit.position", "0.01", "0.015", "operator", "news are expected", "until 20"):
        await expect(changed).to_contain_text(text)
    (request,) = await desk.of_type("LimitsChangeRequested")
    assert request.body.values == {"risk.limit.position": 0.01}
    assert request.body.until is not None and request.body.reauthenticated
    await page.goto(f"{desk.url}/messages")
    await page.get_by_role("link", name="1 limit changed").click()
    await expect(changed).to_be_visible()


async def test_a_parameter_is_found_refused_out_of_bounds_and_changed_for_an_hour(
    viewer: Viewer,
) -> None:
    """The desk's reason is read on the page; what it accepted is seen with who, why and until."""
    page, p_min = viewer.page, "signals.0dte.trend.p_min"
    viewer.tolerated.append("status of 409")
    await viewer.log_in("/parameters")
    await page.get_by_label("Find").fill("0dte TREND.P_MIN")
    signals = viewer.panel("Signals, 0DTE")
    await expect(signals.get_by_role("row")).to_have_count(3)
    assert searched(page) == {"find": ["0dte TREND.P_MIN"]}, "the address is the view"
    dialog = page.get_by_role("dialog")
    for value, answer in (
        ("0.71", "Refused: signals.0dte.trend.p_min must be in [0.52, 0.7]"),
        ("0.6", "Effective: ParametersChanged"),
    ):
        await page.get_by_role("button", name=f"Change {p_min}", exact=True).click()
        await dialog.get_by_label("Value").fill(value)
        await dialog.get_by_label("Reason").fill("news are expected")
        await dialog.get_by_label("Password, again").fill(PASSWORD)
        await dialog.get_by_role("button", name="Change the parameter").click()
        await expect(dialog.get_by_text(answer)).to_be_visible()
        await dialog.get_by_role("button", name="Done").click()
    for text in ("0.56", "0.52 to 0.7", "0.6", "operator", "news are expected", "until 2026-10-06"):
        await expect(signals.get_by_role("row").nth(1)).to_contain_text(text)
    refused, accepted = await viewer.desk.of_type("ParametersChangeRequested")
    assert (refused.body.values, accepted.body.values) == ({p_min: 0.71}, {p_min: 0.6})
    assert accepted.body.until is not None and accepted.body.expected_version == 1


async def test_a_forecast_that_lost_its_trust_is_shown_with_its_reliability(
    viewer: Viewer,
) -> None:
    page = viewer.page
    await viewer.log_in("/calibration")
    held = viewer.panel("Entries held back")
    for text in ("P2 direction", "all symbols", "0DTE", "-0.060", "MODEL_TRUST fails"):
        await expect(held.get_by_role("row").nth(1)).to_contain_text(text)
    await held.get_by_role("link", name="P2 direction").click()
    detail = viewer.panel("P2 direction, all symbols, 0DTE")
    await expect(detail.get_by_role("img", name="Reliability diagram")).to_be_visible()
    for text in ("120 outcomes worth 60.5", "55.0 %", "40.0 % to 75.0 %", "b 0.520"):
        await expect(detail).to_contain_text(text)
    assert "row=P2" in page.url, "the address is the view"
    await page.get_by_role("combobox", name="symbol").select_option("ALL")
    await expect(viewer.panel("Every forecast").get_by_role("row")).to_have_count(2)
    await expect(detail).to_be_visible()


async def test_the_trading_state_changes_beside_halt_by_itself(viewer: Viewer) -> None:
    """A breach must be seen without a press of reload."""
    await viewer.log_in()
    top = viewer.page.get_by_role("banner")
    await expect(top.get_by_text("ACTIVE", exact=True)).to_be_visible()
    await viewer.desk.trader.record(
        "control",
        TradingStateChanged(
            state=TradingState.REDUCING,
            previous=TradingState.ACTIVE,
            codes=("LOSS_SOFT",),
            reason="LOSS_SOFT",
        ),
    )
    await expect(top.get_by_text("REDUCING: LOSS_SOFT", exact=True)).to_be_visible()


async def test_a_withdrawal_is_recorded_with_its_evidence(viewer: Viewer) -> None:
    page = viewer.page
    await viewer.log_in("/controls")
    await viewer.panel("Books").get_by_role("button", name="Deposit or withdrawal…").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Amount").fill("-5000")
    await dialog.get_by_label("Evidence").fill("wire 8841 of today")
    await dialog.get_by_label("Reason").fill("the rent of the office")
    await dialog.get_by_label("Password, again").fill(PASSWORD)
    await dialog.get_by_role("button", name="Record", exact=True).click()
    await expect(dialog.get_by_text("Effective: CashFlowRecorded")).to_be_visible()
    (recorded,) = await viewer.desk.of_type("CashFlowRecorded")
    assert (str(recorded.body.amount), recorded.body.who) == ("-5000", "operator")


async def test_halt_and_release_go_through_the_log(viewer: Viewer) -> None:
    page, desk = viewer.page, viewer.desk
    await viewer.log_in("/messages")
    await page.get_by_role("button", name="HALT", exact=True).click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Reason").fill("the feed looks wrong")
    await dialog.get_by_role("button", name="Halt now").click()
    await expect(dialog.get_by_text("Effective: TradingHalted")).to_be_visible()
    request, halted = await desk.of_type("HaltRequested", "TradingHalted")
    assert (request.body.who, request.body.reason) == ("operator", "the feed looks wrong")
    assert halted.causation_id == request.event_id
    await dialog.get_by_role("link", name="What decided it").click()
    await expect(dialog).to_have_count(0)
    drawer = page.get_by_role("complementary", name="Event")
    await expect(drawer.get_by_role("heading", level=2)).to_have_text("TradingHalted")
    chain = drawer.get_by_role("list", name="Cause and effect").get_by_role("link")
    await expect(chain.nth(0)).to_contain_text("HaltRequested")
    await expect(page.get_by_text("HALTED by operator")).to_contain_text("the feed looks wrong")
    await expect(page).to_have_title(re.compile("^HALTED"))

    await page.get_by_role("button", name="Release…").click()
    await dialog.get_by_label("Reason").fill("the feed is right again")
    await dialog.get_by_label("Password, again").fill(PASSWORD)
    await dialog.get_by_label("Type RELEASE").fill("release")
    await dialog.get_by_role("button", name="Release").click()
    assert await desk.of_type("ReleaseRequested") == []
    await dialog.get_by_label("Type RELEASE").fill("RELEASE")
    await dialog.get_by_role("button", name="Release").click()
    await expect(dialog.get_by_text("Effective: TradingReleased")).to_be_visible()
    await dialog.get_by_role("button", name="Done").click()
    await expect(page.get_by_text("HALTED by operator")).to_have_count(0)
    assert len(await desk.of_type("HaltRequested")) == 1
    assert len(await desk.of_type("ReleaseRequested")) == 1


async def test_a_feed_can_be_paused_with_a_reason(viewer: Viewer) -> None:
    page = viewer.page
    await viewer.log_in("/controls")
    await viewer.panel("Feeds").get_by_role("button", name="Pause…").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Reason").fill("short")
    await dialog.get_by_role("button", name="Pause").click()
    assert await viewer.desk.of_type("FeedPauseRequested") == []
    await dialog.get_by_label("Reason").fill("prices are stuck")
    await dialog.get_by_role("button", name="Pause").click()
    await expect(dialog.get_by_text("Requested: on the log")).to_be_visible()
    (request,) = await viewer.desk.of_type("FeedPauseRequested")
    assert (request.body.feed, request.body.reason) == ("uw.socket", "prices are stuck")
    await dialog.get_by_role("button", name="Done").click()
    asked = viewer.panel("What was requested and decided")
    await expect(asked.get_by_text("FeedPauseRequested")).to_be_visible()


async def test_the_address_keeps_filters_and_a_row_leads_to_its_cause(viewer: Viewer) -> None:
    page = viewer.page
    await viewer.log_in("/timeline?event=")
    box = page.get_by_role("searchbox")
    await page.keyboard.press("/")
    await expect(box).to_be_focused()
    await box.fill("type:PositionOpened,PositionChanged sym:SPY")
    await box.press("Enter")
    rows = page.get_by_role("list", name="Events").get_by_role("listitem")
    await expect(rows).to_have_count(2)
    await page.get_by_label("From").fill("2026-10-06 09:59")
    await page.get_by_label("From").press("Enter")
    await expect(page.get_by_label("From")).to_have_value("2026-10-06 09:59:00.000 ET")
    assert searched(page) == {
        "type": ["PositionOpened,PositionChanged"],
        "symbol": ["SPY"],
        "from": ["2026-10-06T13:59:00.000Z"],
    }
    await page.reload()
    await expect(box).to_have_value("type:PositionOpened,PositionChanged sym:SPY")
    await expect(rows).to_have_count(2)
    await page.get_by_role("button", name="Clear all").click()
    await expect(page).to_have_url(f"{viewer.desk.url}/timeline")
    await page.go_back()
    await expect(rows).to_have_count(2)

    await page.goto(viewer.desk.url + "/timeline?type=PositionChanged")
    await rows.first.get_by_role("link").click()
    drawer = page.get_by_role("complementary", name="Event")
    await expect(drawer).to_contain_text('"average_entry_price": "2.10"')
    chain = drawer.get_by_role("list", name="Cause and effect").get_by_role("link")
    await expect(chain).to_have_count(2)
    await expect(chain.nth(0)).to_contain_text("PositionOpened")
    await chain.nth(0).click()
    await expect(drawer.get_by_role("heading", level=2)).to_have_text("PositionOpened")
    await expect(chain.nth(1)).to_contain_text("PositionChanged")
    await drawer.get_by_role("link", name="Explain its story").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("PositionOpened: SPY")
    await expect(viewer.panel("The position").get_by_role("listitem")).to_have_count(2)
    await page.keyboard.press("Escape")
    await expect(drawer).to_have_count(0)
    await page.keyboard.press("g")
    await page.keyboard.press("l")
    await expect(viewer.panel("Positions")).to_be_visible()


async def test_a_new_event_arrives_by_itself_and_a_dead_api_is_seen(viewer: Viewer) -> None:
    page, desk = viewer.page, viewer.desk
    await viewer.log_in()
    await page.evaluate("window.loadedOnce = true")
    await expect(page.get_by_text("live", exact=True)).to_be_visible()
    await desk.alert("NEW_THING", "seen without a reload")
    for title in ("Latest events", "Alerts"):
        await expect(viewer.panel(title)).to_contain_text("seen without a reload")
    viewer.tolerated += ["ERR_", "Failed to load"]
    await desk.kill_api()
    lost = page.get_by_text(re.compile(r"^(lost|connecting)$"))
    await expect(lost).to_be_visible()
    await expect(viewer.panel("Positions")).to_have_class(re.compile("stale"))
    await expect(page.get_by_role("button", name="Close SPY 0DTE")).to_be_disabled()
    await expect(page.get_by_role("button", name="HALT", exact=True)).to_be_enabled()
    assert await page.evaluate("window.loadedOnce")
    await desk.start_api()
    # Sessions live in the process that died: the page asks for the password again.
    await expect(page.get_by_role("button", name="Log in")).to_be_visible()
    await viewer.log_in()
    await expect(page.get_by_text("live", exact=True)).to_be_visible()
    await expect(viewer.panel("Positions")).not_to_have_class(re.compile("stale"))


async def test_a_phone_shows_everything_without_scrolling_sideways(viewer: Viewer) -> None:
    page = viewer.page
    await page.set_viewport_size({"width": 390, "height": 844})
    await viewer.log_in()
    (event, *_) = await viewer.desk.of_type("PositionOpened")
    story = f"/explain/{event.correlation_id}"
    for path in (*VIEWS, story, f"/timeline?event={event.event_id}"):
        await page.goto(viewer.desk.url + path)
        await page.get_by_role("button", name="HALT", exact=True).wait_for()
        await expect(page.get_by_text(re.compile("^Reading"))).to_have_count(0)
        widths = await page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert widths == [390, 390], path
        await expect(page.get_by_text("SANDBOX", exact=True)).to_be_in_viewport()
        halt = await page.get_by_role("button", name="HALT", exact=True).bounding_box()
        assert halt is not None and halt["height"] >= 44 and halt["x"] + halt["width"] <= 390, path
