"""Many deliveries through many faults: read back before a retry, and each arrives just once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.discord.sender import DiscordSender
from adapters.outcome import (
    FindOutcome,
    Found,
    NotFound,
    NotSent,
    SendOutcome,
    Sent,
    delivery_marker,
)
from adapters.reddit.poster import RedditPoster, with_marker
from adapters.x.poster import XPoster
from domain.distribution.deliveries import nonce

DELIVERIES = 25
ATTEMPTS_MAX = 6
FAULTS = (
    "commit_then_drop",
    "commit_then_drop",
    "commit_then_500",
    "truncate_body",
    "wrong_content_type",
    "drop_before",
    "reset",
    "429",
)


@dataclass(frozen=True, slots=True)
class Route:
    """How one vendor is sent to and read back, for a delivery id."""

    vendor: str
    path: str
    send: Callable[[str], Awaitable[SendOutcome]]
    find: Callable[[str, datetime], Awaitable[FindOutcome]]


async def deliver(route: Route, delivery: str) -> str:
    """What the outbox does: the remote id in the end. Absence must be proven before a repeat."""
    for _ in range(ATTEMPTS_MAX):
        started = datetime.now(UTC)
        outcome = await route.send(delivery)
        if isinstance(outcome, Sent):
            return outcome.remote_id
        if isinstance(outcome, NotSent):
            assert not outcome.permanent, outcome
            continue
        found = await route.find(delivery, started)
        if isinstance(found, Found):
            assert found.duplicates == 0
            return found.remote_id
        assert isinstance(found, NotFound), found
    pytest.fail(f"{delivery} was not delivered in {ATTEMPTS_MAX} attempts")


@pytest.mark.parametrize("vendor", ["discord", "x", "reddit"])
async def test_each_delivery_arrives_once_whatever_goes_wrong(
    discord_sender: DiscordSender,
    x_poster: XPoster,
    reddit_poster: RedditPoster,
    control: Any,
    vendor: str,
) -> None:
    chance = random.Random(vendor)

    def marker(delivery: str) -> str:
        return delivery_marker(b"secret", delivery)

    routes = {
        "discord": Route(
            "discord",
            "/messages$",
            lambda d: discord_sender.send(1001, "T", d, {}, nonce(d), marker(d)),
            lambda d, at: discord_sender.find(1001, marker(d), at),
        ),
        "x": Route("x", "tweets$", lambda d: x_poster.post(f"Post {d}"), _find_on(x_poster)),
        "reddit": Route(
            "reddit",
            "submit/$",
            lambda d: reddit_poster.submit("striketape", "T", with_marker(d, marker(d))),
            lambda d, at: reddit_poster.find(marker(d), at),
        ),
    }
    route = routes[vendor]
    await control.post("settings", {"discord": {"nonce_window_s": 0, "messages_per_window": 500}})
    ids = [await deliver(route, "first")]
    for number in range(DELIVERIES):
        for _ in range(chance.randrange(3)):
            kind = chance.choice(FAULTS)
            more = {"retry_after": 0.01, "via": False, "status": 503}
            await control.fault(vendor, route.path, kind, method="POST", **more)
        ids.append(await deliver(route, f"delivery {number}"))
        await control.session.delete(f"{control.url}/_sim/faults")
    ledger = await control.ledger(vendor)
    assert Counter(entry["remote_id"] for entry in ledger) == Counter(ids)
    assert len(set(ids)) == len(ledger) == DELIVERIES + 1


def _find_on(poster: XPoster) -> Callable[[str, datetime], Awaitable[FindOutcome]]:
    return lambda delivery, started: poster.find(f"Post {delivery}", started)
