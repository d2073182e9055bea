"""Answers of the vendor's REST interface on their way to the log."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters.unusual_whales import UwRest
from domain.events.feeds import FeedMessageRejected, UwRestReceived
from run.feeds.intake import Intake
from run.feeds.market_clock import MarketClock
from run.feeds.states import FeedStates
from run.feeds.uw_rest import Poll, RestFeed
from store.postgres import PostgresStore
from tests.run.feeds.conftest import Until, bodies, running

PAGE = "<html>error code: 1020</html>"


@pytest.fixture
async def vendor() -> AsyncIterator[TestServer]:
    """A vendor behind an edge that answers with a page where it does not like the caller."""

    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=403, text=PAGE, content_type="text/html")

    async def deep(_: web.Request) -> web.Response:
        return web.Response(text="[" * 990 + "]" * 990, content_type="application/json")

    async def tide(_: web.Request) -> web.Response:
        return web.json_response({"data": []})

    application = web.Application()
    application.router.add_get("/refused", refuse)
    application.router.add_get("/deep", deep)
    application.router.add_get("/tide", tide)
    async with TestServer(application) as server:
        yield server


async def test_an_answer_that_is_no_json_is_kept_as_rejected_and_the_feeds_go_on(
    vendor: TestServer, intake: Intake, states: FeedStates, store: PostgresStore, until: Until
) -> None:
    async with UwRest(str(vendor.make_url("")), "token", backoff_seconds=0.001) as rest:
        feed = RestFeed(rest, intake, states, MarketClock())
        async with running(intake):
            for path in ("/refused", "/tide"):
                await feed.ask(Poll(path, "", 60.0))
            await until(lambda: intake.appended >= 4)
    (rejected,) = await bodies(store, FeedMessageRejected)
    assert (rejected.vendor, rejected.feed) == ("uw", "uw.rest")
    assert "/refused: status 403" in rejected.reason
    assert base64.b64decode(rejected.payload_base64).decode() == PAGE
    assert [body.path for body in await bodies(store, UwRestReceived)] == ["/tide"]
