"""The real tweepy against the X sandbox: signatures, outcomes, read-back, weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from adapters.outcome import CannotTell, Found, NotFound, NotSent, Sent, Unknown
from adapters.people_sandbox.process import PeopleSandbox
from adapters.x.poster import XKeys, XPoster
from adapters.x.text import cashtags, links, normalised, weighted_length

XMaker = Callable[..., XPoster]
POST = r"^/2/tweets$"
TIMELINE = r"/tweets$"
TEXT = "$SPY same day trade closed: win. Not advice & not a promise. Ref ABCDE"


def ago(seconds: float = 0) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


async def test_a_post_is_signed_accepted_and_found(x_poster: XPoster, control: Any) -> None:
    outcome = await x_poster.post(TEXT)
    assert isinstance(outcome, Sent)
    (entry,) = await control.ledger("x")
    assert (entry["remote_id"], entry["content"]) == (outcome.remote_id, {"text": TEXT})
    found = await x_poster.find(TEXT, ago())
    assert isinstance(found, Found)
    assert (found.remote_id, found.duplicates) == (outcome.remote_id, 0)
    assert found.remote_at is not None and abs((found.remote_at - ago()).total_seconds()) < 5


async def test_a_text_with_a_link_and_markup_is_found_in_the_vendors_form(
    x_poster: XPoster,
) -> None:
    text = "Read <this> & that: https://example.com/a?b=1 or example.org  today"
    assert isinstance(await x_poster.post(text), Sent)
    assert isinstance(await x_poster.find(text, ago()), Found)


@pytest.mark.parametrize(
    "name", ["consumer_key", "consumer_secret", "access_token", "access_token_secret"]
)
async def test_a_wrong_key_is_refused_and_not_shown(
    make_x: XMaker, x_keys: XKeys, name: str
) -> None:
    keys = replace(x_keys, **{name: "wrong-secret-key"})
    outcome = await make_x(keys=keys).post(TEXT)
    assert isinstance(outcome, NotSent) and outcome.permanent and outcome.vendor_code == "401"
    assert "wrong-secret-key" not in outcome.text and "wrong-secret-key" not in repr(keys)


async def test_a_replayed_request_is_refused(
    sandbox: PeopleSandbox, x_poster: XPoster, control: Any
) -> None:
    seen: list[dict[str, str]] = []
    answer = sandbox.sandboxes["x"].answer

    async def watched(request: Any) -> Any:
        seen.append(dict(request.headers))
        return await answer(request)

    sandbox.sandboxes["x"].answer = watched  # type: ignore[method-assign]
    await x_poster.post(TEXT)
    headers = {"Authorization": seen[0]["Authorization"]}
    async with aiohttp.ClientSession() as session:
        url = sandbox.url("x") + "/2/tweets"
        async with session.post(url, json={"text": "again"}, headers=headers) as replayed:
            assert replayed.status == 401
    assert len(await control.ledger("x")) == 1


@pytest.mark.parametrize("kind", ["commit_then_drop", "delay_after_commit", "commit_then_500"])
async def test_a_post_that_may_be_out_is_unknown_and_then_found_once(
    x_poster: XPoster, control: Any, kind: str
) -> None:
    await control.fault("x", POST, kind, seconds=3)
    assert isinstance(await x_poster.post(TEXT), Unknown)
    assert isinstance(await x_poster.find(TEXT, ago()), Found)
    assert len(await control.ledger("x")) == 1


@pytest.mark.parametrize("kind", ["html_error", "drop_before", "wrong_content_type"])
async def test_an_answer_that_tells_nothing_is_unknown(
    x_poster: XPoster, control: Any, kind: str
) -> None:
    await control.fault("x", POST, kind)
    assert isinstance(await x_poster.post(TEXT), Unknown)


async def test_a_refused_duplicate_is_unknown_because_it_was_probably_posted(
    x_poster: XPoster, control: Any
) -> None:
    await control.fault("x", POST, "commit_then_drop")
    assert isinstance(await x_poster.post(TEXT), Unknown)
    again = await x_poster.post(f"  {TEXT} ")
    assert isinstance(again, Unknown) and "duplicate" in again.reason
    assert isinstance(await x_poster.find(TEXT, ago()), Found)
    assert len(await control.ledger("x")) == 1


async def test_a_rate_limit_says_how_long_to_wait(x_poster: XPoster, control: Any) -> None:
    await control.fault("x", POST, "429", retry_after=120)
    outcome = await x_poster.post(TEXT)
    assert isinstance(outcome, NotSent) and outcome.vendor_code == "429"
    assert outcome.retry_after_seconds == pytest.approx(121, abs=3)


@pytest.mark.parametrize(
    ("status", "detail"), [(402, "CreditsDepleted"), (403, "You are not permitted"), (400, "bad")]
)
async def test_refusals_are_permanent(
    x_poster: XPoster, control: Any, status: int, detail: str
) -> None:
    body = {"detail": detail, "title": "no", "status": status, "type": "about:blank"}
    await control.fault("x", POST, "status", status=status, body=body)
    outcome = await x_poster.post(TEXT)
    assert isinstance(outcome, NotSent) and outcome.permanent
    assert outcome.vendor_code == str(status) and detail in outcome.text


async def test_a_page_of_the_edge_with_403_is_not_sent(x_poster: XPoster, control: Any) -> None:
    await control.fault("x", POST, "html_error", status=403)
    outcome = await x_poster.post(TEXT)
    assert isinstance(outcome, NotSent) and not outcome.permanent


async def test_nobody_listening_is_not_sent(make_x: XMaker, unused_tcp_port: int) -> None:
    outcome = await make_x(url=f"http://127.0.0.1:{unused_tcp_port}").post(TEXT)
    assert isinstance(outcome, NotSent) and outcome.vendor_code == "connect"


@pytest.mark.parametrize("text", ["$SPY and $QQQ", "x" * 281, "✅" * 141, "  ", ""])
async def test_a_text_against_the_rules_never_leaves(
    x_poster: XPoster, control: Any, text: str
) -> None:
    outcome = await x_poster.post(text)
    assert isinstance(outcome, NotSent) and outcome.vendor_code == "LIMIT"
    assert await control.ledger("x") == []


async def test_absence_is_proven_by_an_older_post(x_poster: XPoster, control: Any) -> None:
    assert isinstance(await x_poster.find(TEXT, ago()), CannotTell)
    await x_poster.post("an older post")
    assert isinstance(await x_poster.find(TEXT, ago()), NotFound)
    assert isinstance(await x_poster.find(TEXT, ago(-3_600)), NotFound)


async def test_a_hidden_timeline_proves_nothing(x_poster: XPoster, control: Any) -> None:
    await x_poster.post(TEXT)
    await control.fault("x", TIMELINE, "list_hidden", method="GET", times=None)
    assert isinstance(await x_poster.find(TEXT, ago()), CannotTell)


async def test_a_timeline_that_lags_is_looked_at_again(make_x: XMaker, control: Any) -> None:
    poster = make_x(look_after_seconds=(0.0, 0.05))
    await poster.post("an older post")
    await control.post("clock", {"advance_s": 60})
    await poster.post(TEXT)
    await control.fault("x", TIMELINE, "stale_timeline", method="GET", seconds=30)
    assert isinstance(await poster.find(TEXT, ago()), Found)


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("", 0),
        ("SPY closed up", 13),
        ("’“–", 3),
        ("…", 2),
        ("•→≥", 6),
        ("✅", 2),
        ("漢字", 4),
        ("é", 1),
        ("e\u0301", 1),
        ("👨‍👩‍👧‍👦", 2),
        ("👍🏽", 2),
        ("🇺🇸🇩🇪", 4),
        ("1️⃣", 2),
        ("❤️", 2),
        ("\ufe0f", 2),
        ("a https://example.com/a/very/long/path/indeed?with=query b", 27),
        ("SPY.US", 23),
        ("NVDA.AI and TSLA.TO", 51),
        ("v1.AI", 23),
        ("BRK.B SPX.W U.S.", 16),
        ("1.25 and 10.5", 13),
        ("see example.com.", 28),
        ("(example.com/a)", 25),
        ("@desk.com", 9),
        ("one.unknownendingthatislong", 27),
    ],
)
def test_the_weight_of_a_text(text: str, weight: int) -> None:
    assert weighted_length(text) == weight


def test_cashtags_are_counted_as_the_vendor_does() -> None:
    assert cashtags("$SPY up, $BRK.B down, $5.20 paid, US$ABC, $$X, $TOOLONGX") == [
        "$SPY",
        "$BRK.B",
    ]


def test_texts_compare_equal_in_the_form_that_comes_back() -> None:
    ours = "A &  B\nhttps://example.com/x and cafe\u0301"
    theirs = "A &amp; B https://t.co/abc1 and café https://t.co/media9"
    assert normalised(theirs, {"https://t.co/abc1": "https://example.com/x"}) == normalised(ours)
    assert links(ours) == ["https://example.com/x"]
