"""The real praw against the Reddit sandbox: one submit is one request, whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.outcome import (
    CannotTell,
    Found,
    NotFound,
    NotSent,
    SendOutcome,
    Sent,
    Unknown,
)
from adapters.people_sandbox.process import PeopleSandbox
from adapters.reddit.poster import RedditAccount, RedditPoster, with_marker

RedditMaker = Callable[..., RedditPoster]
SUBMIT = r"^/api/submit/$"
TOKEN = r"access_token$"
LISTING = r"/submitted"


async def submit(poster: RedditPoster, marker: str = "MARK1", **changes: str) -> SendOutcome:
    message = {"subreddit": "striketape", "title": "A closed trade"}
    message |= {"text_with_marker": with_marker("It was a win.\n", marker)}
    return await poster.submit(**{**message, **changes})


def ago(seconds: float = 0) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


async def requests_of(control: Any) -> int:
    """Submits that the vendor accepted."""
    return len(await control.ledger("reddit", "submission"))


async def test_a_submission_is_made_once_and_found_by_its_marker(
    reddit_poster: RedditPoster, control: Any
) -> None:
    outcome = await submit(reddit_poster)
    assert isinstance(outcome, Sent)
    (entry,) = await control.ledger("reddit")
    assert entry["remote_id"] == outcome.remote_id
    assert entry["content"]["text"] == "It was a win.\n\n^(ref MARK1)"
    found = await reddit_poster.find("MARK1", ago())
    assert isinstance(found, Found)
    assert (found.remote_id, found.duplicates) == (outcome.remote_id, 0)


async def test_a_refresh_token_signs_in_without_a_password(make_reddit: RedditMaker) -> None:
    poster = make_reddit(password="", refresh_token="sandbox-refresh-token")
    assert isinstance(await submit(poster), Sent)


@pytest.mark.parametrize("kind", ["commit_then_drop", "delay_after_commit", "commit_then_500"])
async def test_a_submit_that_may_have_been_accepted_is_unknown_and_never_repeated(
    reddit_poster: RedditPoster, control: Any, kind: str
) -> None:
    await control.fault("reddit", SUBMIT, kind, seconds=2)
    assert isinstance(await submit(reddit_poster), Unknown)
    assert await requests_of(control) == 1
    assert isinstance(await reddit_poster.find("MARK1", ago()), Found)


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 520, 522])
async def test_no_status_makes_the_library_submit_again(
    reddit_poster: RedditPoster, control: Any, status: int
) -> None:
    await control.fault("reddit", SUBMIT, "commit_then_500", status=status)
    assert isinstance(await submit(reddit_poster), Unknown)
    assert await requests_of(control) == 1


async def test_ratelimit_beside_a_made_post_is_unknown_and_is_found(
    reddit_poster: RedditPoster, control: Any
) -> None:
    await control.fault("reddit", SUBMIT, "commit_then_ratelimit")
    outcome = await submit(reddit_poster)
    assert isinstance(outcome, Unknown) and "RATELIMIT" in outcome.reason
    assert isinstance(await reddit_poster.find("MARK1", ago()), Found)
    assert await requests_of(control) == 1


async def test_ratelimit_without_a_post_is_not_sent_with_its_wait(
    reddit_poster: RedditPoster, control: Any
) -> None:
    text = "Take a break for 2 seconds before trying again."
    body = {"json": {"errors": [["RATELIMIT", text, "ratelimit"]], "ratelimit": 2.5}}
    await control.fault("reddit", SUBMIT, "status", status=200, body=body)
    outcome = await submit(reddit_poster)
    assert isinstance(outcome, NotSent) and not outcome.permanent
    assert (outcome.vendor_code, outcome.retry_after_seconds) == ("RATELIMIT", 2.5)
    assert await requests_of(control) == 0


async def test_rules_of_the_place_are_permanent_refusals(
    reddit_poster: RedditPoster, control: Any
) -> None:
    body = {"json": {"errors": [["SUBREDDIT_NOTALLOWED", "not allowed", "sr"]]}}
    await control.fault("reddit", SUBMIT, "status", status=200, body=body)
    outcome = await submit(reddit_poster)
    assert isinstance(outcome, NotSent)
    assert outcome.permanent and outcome.vendor_code == "SUBREDDIT_NOTALLOWED"


async def test_an_unknown_subreddit_may_be_tried_again_after_a_minute(
    reddit_poster: RedditPoster,
) -> None:
    outcome = await submit(reddit_poster, subreddit="nowhere")
    assert isinstance(outcome, NotSent) and not outcome.permanent
    assert (outcome.vendor_code, outcome.retry_after_seconds) == ("SUBREDDIT_NOEXIST", 60.0)


@pytest.mark.parametrize(("status", "permanent"), [(403, True), (404, True), (413, True)])
async def test_refusals_by_status_are_not_sent(
    reddit_poster: RedditPoster, control: Any, status: int, permanent: bool
) -> None:
    await control.fault("reddit", SUBMIT, "status", status=status, body={"message": "no"})
    outcome = await submit(reddit_poster)
    assert isinstance(outcome, NotSent)
    assert (outcome.vendor_code, outcome.permanent) == (str(status), permanent)


async def test_429_is_handed_back_with_its_wait(reddit_poster: RedditPoster, control: Any) -> None:
    await control.fault("reddit", SUBMIT, "429", retry_after=9)
    outcome = await submit(reddit_poster)
    assert isinstance(outcome, NotSent) and not outcome.permanent
    assert (outcome.vendor_code, outcome.retry_after_seconds) == ("429", 9.0)


async def test_an_expired_token_is_renewed_and_the_post_is_made_once(
    reddit_poster: RedditPoster, control: Any
) -> None:
    assert isinstance(await submit(reddit_poster, "MARK1"), Sent)
    await control.post("clock", {"advance_s": 90_000})
    assert isinstance(await submit(reddit_poster, "MARK2"), Sent)
    assert await requests_of(control) == 2


@pytest.mark.parametrize(
    "changes", [{"password": "wrong-password"}, {"client_secret": "wrong-client-secret"}]
)
async def test_a_refused_account_is_permanent_and_is_not_shown(
    make_reddit: RedditMaker, changes: dict[str, str]
) -> None:
    outcome = await submit(make_reddit(**changes))
    assert isinstance(outcome, NotSent) and outcome.permanent
    assert not any(secret in outcome.text for secret in changes.values())


def test_an_account_does_not_show_its_secrets() -> None:
    account = RedditAccount("the-id", "the-secret", "desk", "the-password", "the-token")
    assert repr(account) == "RedditAccount(desk, [hidden])"


async def test_a_failure_before_the_post_was_sent_is_not_sent(
    reddit_poster: RedditPoster, control: Any
) -> None:
    await control.fault("reddit", TOKEN, "html_error")
    outcome = await submit(reddit_poster)
    assert isinstance(outcome, NotSent) and not outcome.permanent
    assert await requests_of(control) == 0


async def test_a_write_that_could_not_begin_in_time_never_leaves(
    make_reddit: RedditMaker, control: Any
) -> None:
    poster = make_reddit(patience_seconds=0.8)
    await control.fault("reddit", TOKEN, "delay_before", seconds=0.3)
    outcome = await submit(poster)
    assert isinstance(outcome, NotSent) and not outcome.permanent
    assert "time was over" in outcome.text
    assert await requests_of(control) == 0


async def test_nobody_listening_is_not_sent(
    sandbox: PeopleSandbox, reddit_poster: RedditPoster
) -> None:
    assert isinstance(await submit(reddit_poster), Sent)
    await sandbox.__aexit__()
    await submit(reddit_poster, "MARK2")
    outcome = await submit(reddit_poster, "MARK3")
    assert isinstance(outcome, NotSent) and outcome.vendor_code == "connect"


async def test_a_write_whose_time_is_over_while_the_thread_was_busy_never_leaves(
    reddit_poster: RedditPoster, control: Any
) -> None:
    await submit(reddit_poster, "FIRST")
    await control.fault("reddit", SUBMIT, "half_open", nth=1, times=1)
    stuck = [asyncio.create_task(submit(reddit_poster, f"STUCK{n}")) for n in range(2)]
    first, second = await asyncio.gather(*stuck)
    assert isinstance(first, Unknown)
    assert isinstance(second, Sent | NotSent)
    made = [entry["content"]["text"] for entry in await control.ledger("reddit")]
    assert len([text for text in made if "STUCK0" in text]) == 0
    assert ("STUCK1" in made[-1]) == isinstance(second, Sent)


@pytest.mark.parametrize(
    "changes", [{"title": "t" * 301}, {"title": " "}, {"text_with_marker": "t" * 40_001}]
)
async def test_a_post_over_a_limit_never_leaves(
    reddit_poster: RedditPoster, control: Any, changes: dict[str, str]
) -> None:
    outcome = await submit(reddit_poster, **changes)
    assert isinstance(outcome, NotSent) and outcome.vendor_code == "LIMIT"
    assert await requests_of(control) == 0


async def test_absence_is_proven_only_by_a_listing_that_shows_something(
    reddit_poster: RedditPoster, control: Any
) -> None:
    assert isinstance(await reddit_poster.find("MARK1", ago()), CannotTell)
    await submit(reddit_poster, "OTHER")
    assert isinstance(await reddit_poster.find("MARK1", ago()), NotFound)
    await control.fault("reddit", LISTING, "list_hidden", times=None)
    assert isinstance(await reddit_poster.find("OTHER", ago()), CannotTell)


async def test_two_copies_are_reported_and_the_oldest_is_named(
    reddit_poster: RedditPoster,
) -> None:
    first = await submit(reddit_poster, "SAME")
    await submit(reddit_poster, "SAME")
    found = await reddit_poster.find("SAME", ago())
    assert isinstance(first, Sent) and isinstance(found, Found)
    assert (found.remote_id, found.duplicates) == (first.remote_id, 1)
