"""Tiers: never early, nothing beyond the allow-list, replies in the same tier."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from domain.distribution.deliveries import DeliveryStage
from domain.distribution.publication import PublicationStage, public_id
from domain.events.approvals import ApprovalDecided, ApprovalRequested
from domain.events.positions import PositionMarked, StopMoved
from domain.events.publication import (
    DeliveryAttempted,
    DeliveryExpired,
    DeliveryScheduled,
    PublicationWithheld,
    Tier,
    Vendor,
)
from domain.events.rolls import PositionRolled
from domain.stage import Consumer
from tests.domain.distribution.story import (
    KEY,
    START,
    Story,
    changed,
    closed,
    opened,
    reopened,
    validated,
)


@pytest.fixture
def story() -> Story:
    return new_story()


def new_story() -> Story:
    consumer: Consumer[Any] = Consumer("outbox", "test", [PublicationStage(KEY, "paper")])
    return Story(consumer)


def enter(story: Story) -> list[DeliveryScheduled]:
    signal = validated()
    story.tell(signal)
    story.tell(opened(signal))
    return story.bodies(DeliveryScheduled, story.tell(changed()))


def test_an_entry_is_told_at_once_then_after_a_minute_then_after_five(story: Story) -> None:
    due = {d.tier: d.due_at - START for d in enter(story)}
    assert due == {
        Tier.PREMIUM: timedelta(0),
        Tier.BASIC: timedelta(seconds=60),
        Tier.FREE: timedelta(seconds=300),
    }


def test_nothing_is_told_before_the_first_fill(story: Story) -> None:
    signal = validated()
    story.tell(signal)
    story.tell(opened(signal))
    assert story.bodies(DeliveryScheduled) == []


def test_a_part_fill_is_told_once(story: Story) -> None:
    enter(story)
    assert story.bodies(DeliveryScheduled, story.tell(changed("1.74"), 3)) == []


def text_of(delivery: DeliveryScheduled) -> str:
    return delivery.model_dump_json(include={"title", "body", "fields"})


@given(
    strike=some.integers(30_000, 90_000).map(lambda n: str(Decimal(n) / 100 + Decimal("0.005"))),
    cents=some.integers(1_000, 99_999),
)
def test_lower_tiers_hold_no_premium_value(strike: str, cents: int) -> None:
    story = new_story()
    price = str(Decimal(cents) / 10_000)
    signal = validated(strike, "99999.995")
    story.tell(signal)
    story.tell(opened(signal))
    story.tell(changed(price))
    story.tell(
        StopMoved(
            position_id="pos-1",
            stop_price=Decimal("13.3713"),
            previous_stop_price=Decimal("0.8651"),
            high_water_mark=Decimal("17.7177"),
            kind="trail",
        ),
        90,
    )
    story.tell(closed(), 360)
    secrets = [
        strike,
        "99999.995",
        "0.8651",
        "0.87",
        "2.7731",
        "2.7791",
        "13.37",
        "2.78",
        "pos-1",
        "sig-1",
        "dec-1",
        "1018.60",
        "58.7",
        "0.1523",
        "2026-11-23",
        "7710",
    ]
    for delivery in story.bodies(DeliveryScheduled):
        if delivery.tier in (Tier.BASIC, Tier.FREE):
            found = [s for s in secrets if s in text_of(delivery)]
            assert found == []


def test_an_exit_replies_to_the_entry_of_its_own_tier(story: Story) -> None:
    entries = {d.tier: d.delivery_id for d in enter(story)}
    exits = story.bodies(DeliveryScheduled, story.tell(closed(), 360))
    assert {d.tier: d.reply_to for d in exits} == entries


def rolled_told(story: Story) -> list[DeliveryScheduled]:
    signal = validated()
    body = PositionRolled(
        position_id="pos-1",
        roll_id="roll-pos-1-1",
        signal_id="sig-1",
        strategy=signal.strategy,
        symbol=signal.symbol,
        structure_before=signal.structure,
        structure=validated("781", "785").structure,
        units=2,
        fill_ids=(),
        net_price=Decimal("-0.2512"),
        basis_price=Decimal("-1.4512"),
        exit_plan=signal.exit_plan.model_copy(update={"target_price": Decimal("-0.7256")}),
        max_loss_per_unit_before_usd=Decimal("310.60"),
        max_loss_per_unit_usd=Decimal("283.40"),
        legs=(),
        rolled_at=START,
    )
    return story.bodies(DeliveryScheduled, story.tell(body, 60))


def test_a_roll_is_an_adjustment_in_every_tier_in_reply_to_its_entry(story: Story) -> None:
    entries = {d.tier: d.delivery_id for d in enter(story)}
    told = rolled_told(story)
    assert {d.kind for d in told} == {"adjustment"}
    assert {d.tier: d.reply_to for d in told} == entries
    premium = next(d for d in told if d.tier is Tier.PREMIUM)
    assert premium.fields["Legs"].startswith("long 781 call")
    assert premium.fields["Closed"].startswith("long 771 call")
    assert premium.fields["Opened"].startswith("long 781 call")
    assert premium.fields["Credit"] == "0.25"
    assert (premium.fields["Credit in all"], premium.fields["Target"]) == ("1.45", "-0.73")
    for delivery in told:
        if delivery.tier is not Tier.PREMIUM:
            secrets = ("771", "781", "785", "1.45", "0.25", "0.73", "283")
            assert not any(s in text_of(delivery) for s in secrets)


def test_the_open_result_of_a_rolled_trade_has_in_it_what_the_roll_realised(story: Story) -> None:
    """Its unrealised profit is that of the legs held now: what the old side brought is booked."""
    enter(story)
    rolled_told(story)
    marked = PositionMarked(
        position_id="pos-1",
        symbol="SPY",
        mark="-6.8262",
        bid="-6.90",
        ask="-6.75",
        unrealised_pnl="-1300.00",
        underlying_price=775.0,
        quote_age_seconds=0.2,
        quality="OK",
        underlying_quality="OK",
    )
    told = story.bodies(DeliveryScheduled, story.tell(marked, 900))
    # Two units from -1.4512 to -6.8262 are 1075 dollars of the 1750 at risk.
    premium = next(d for d in told if d.tier is Tier.PREMIUM)
    assert premium.fields["Result"] == "-61.4 % of risk"


def test_the_stop_that_a_roll_sets_is_told_with_it_and_not_again(story: Story) -> None:
    enter(story)
    rolled_told(story)
    moved = StopMoved(
        position_id="pos-1",
        stop_price=Decimal("-9"),
        previous_stop_price=None,
        high_water_mark=Decimal(0),
        kind="roll",
    )
    assert story.bodies(DeliveryScheduled, story.tell(moved, 900)) == []


def test_a_small_stop_change_is_not_worth_a_message(story: Story) -> None:
    enter(story)
    small = StopMoved(
        position_id="pos-1",
        stop_price=Decimal("0.90"),
        previous_stop_price=None,
        high_water_mark=Decimal("1.8"),
        kind="trail",
    )
    assert story.bodies(DeliveryScheduled, story.tell(small, 90)) == []


def test_a_closed_trade_asks_for_a_post_and_posts_only_what_was_approved(story: Story) -> None:
    enter(story)
    request = story.bodies(ApprovalRequested, story.tell(closed(), 360))[0]
    assert request.targets == (Vendor.X.value, Vendor.REDDIT.value)
    decided = ApprovalDecided(
        approval_id=request.approval_id, revision=1, approved=True, who="operator", callback_id="c"
    )
    posts = story.bodies(DeliveryScheduled, story.tell(decided, 365))
    assert [p.vendor for p in posts] == [Vendor.X, Vendor.REDDIT]
    assert all(p.body == request.text for p in posts)
    assert all(p.due_at >= START + timedelta(seconds=360 + 300) for p in posts)


def test_a_rejected_post_is_never_sent(story: Story) -> None:
    enter(story)
    request = story.bodies(ApprovalRequested, story.tell(closed(), 360))[0]
    decided = ApprovalDecided(
        approval_id=request.approval_id, revision=1, approved=False, who="operator", callback_id="c"
    )
    assert story.tell(decided, 365) == []


def approval(story: Story, request: ApprovalRequested, at: int) -> list[DeliveryScheduled]:
    decided = ApprovalDecided(
        approval_id=request.approval_id,
        revision=request.revision,
        approved=True,
        who="operator",
        callback_id="c",
    )
    return story.bodies(DeliveryScheduled, story.tell(decided, at))


def test_a_trade_that_a_late_fill_opens_again_is_told_in_every_tier_and_closes_again(
    story: Story,
) -> None:
    entries = {d.tier: d.delivery_id for d in enter(story)}
    story.tell(closed(), 360)
    told = story.bodies(DeliveryScheduled, story.tell(reopened(), 420))
    assert {d.tier: (d.kind, d.reply_to) for d in told} == {
        tier: ("correction", entry) for tier, entry in entries.items()
    }
    assert not any(digit in d.body for d in told for digit in "0123456789")
    again = story.bodies(DeliveryScheduled, story.tell(closed(), 480))
    assert {d.tier: (d.kind, d.reply_to) for d in again} == {
        tier: ("exit", entry) for tier, entry in entries.items()
    }


def test_the_post_about_a_close_that_did_not_last_is_never_made(story: Story) -> None:
    enter(story)
    first = story.bodies(ApprovalRequested, story.tell(closed(), 360))[0]
    story.tell(reopened(), 420)
    assert approval(story, first, 425) == []
    second = story.bodies(ApprovalRequested, story.tell(closed(), 480))[0]
    assert (second.approval_id, second.revision) == (first.approval_id, 2)
    assert len(approval(story, second, 485)) == 2


def test_a_post_that_went_out_is_asked_for_again_only_in_other_words(story: Story) -> None:
    enter(story)
    first = story.bodies(ApprovalRequested, story.tell(closed(), 360))[0]
    assert len(approval(story, first, 365)) == 2
    story.tell(reopened(), 720)
    assert story.bodies(ApprovalRequested, story.tell(closed(), 780)) == []
    story.tell(reopened(), 800)
    loss = closed().model_copy(update={"pnl_over_max_loss": Decimal("-0.2")})
    assert story.bodies(ApprovalRequested, story.tell(loss, 840))[0].text != first.text


def test_an_approved_post_that_waits_for_its_time_is_withdrawn_when_the_trade_opens_again() -> None:
    """The public would read of an end that did not last; the second close is asked for anew."""
    stages = [PublicationStage(KEY, "paper"), DeliveryStage()]
    story = Story(Consumer("outbox", "test", stages))
    enter(story)
    first = story.bodies(ApprovalRequested, story.tell(closed(), 360))[0]
    posts = {post.delivery_id for post in approval(story, first, 365)}
    gone = story.bodies(DeliveryExpired, story.tell(reopened(), 420))
    assert {body.delivery_id for body in gone} == posts
    second = story.bodies(ApprovalRequested, story.tell(closed(), 480))[0]
    assert (second.text, second.revision) == (first.text, 2)
    again = approval(story, second, 485)
    story.tick(781)
    sent = {body.delivery_id for body in story.bodies(DeliveryAttempted)}
    assert {post.delivery_id for post in again} <= sent and not posts & sent


def test_a_public_post_says_whether_money_was_at_stake(story: Story) -> None:
    enter(story)
    request = story.bodies(ApprovalRequested, story.tell(closed(), 360))[0]
    assert "Paper trading." in request.text


def test_a_trade_without_its_signal_is_withheld_from_everybody(story: Story) -> None:
    story.tell(opened(validated()))
    emitted = story.tell(changed())
    assert [type(e.body) for e in emitted] == [PublicationWithheld]


def test_the_public_id_needs_the_key() -> None:
    assert public_id(KEY, "pos-1") == public_id(KEY, "pos-1")
    assert public_id(KEY, "pos-1") != public_id(b"another", "pos-1")
