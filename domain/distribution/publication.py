"""The publication stage: plans the messages of every trade for the three Discord tiers.

Premium at once, basic 60 s and free 5 min after the event itself, the same for adjustments and
exits, which reply to the entry in their tier. An entry is published only after its first fill.
A closed trade also becomes a post for X and Reddit that waits for approval. One that a late fill
opens again is told of in every tier, and closes once more with its whole result.
"""

from __future__ import annotations

import hmac
from base64 import b32encode
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256

from domain.distribution import content
from domain.distribution.content import Exit, Message, Trade
from domain.event import Recorded, derived_id
from domain.events.approvals import ApprovalDecided, ApprovalRequested
from domain.events.positions import (
    PositionChanged,
    PositionClosed,
    PositionMarked,
    PositionOpened,
    PositionReopened,
    StopMoved,
)
from domain.events.publication import (
    DeliveryScheduled,
    PublicationWithheld,
    Tier,
    Vendor,
)
from domain.events.rolls import PositionRolled
from domain.events.signals import SignalValidated
from domain.events.system import ParametersChanged
from domain.instruments import MULTIPLIER
from domain.parameter import ParameterState
from domain.stage import Emission

PUBLIC_ID_LENGTH = 10
ENDED_MAX = 200
"""Closed trades that are remembered in case a late fill opens them again."""


def public_id(key: bytes, trade_id: str) -> str:
    """The id all tiers share: the same on replay, not guessable, unrelated to order ids."""
    digest = hmac.new(key, trade_id.encode(), sha256).digest()
    return b32encode(digest).decode()[:PUBLIC_ID_LENGTH]


def _post_id(position_id: str) -> str:
    return derived_id("post", position_id).hex[:26]


def _open_result(held: _Open, body: PositionMarked) -> Decimal:
    """Marked dollars of a trade. What a roll realised belongs to them: subscribers were told one
    credit for all."""
    if not held.rolled_units:
        return Decimal(body.unrealised_pnl)
    return (Decimal(body.mark) - held.trade.entry_price) * held.rolled_units * MULTIPLIER


def delivery_id(source_event_id: object, vendor: Vendor, channel: str) -> str:
    """Asking twice for the same thing is one delivery."""
    return str(derived_id("delivery", source_event_id, vendor.value, channel))


@dataclass(slots=True)
class _Open:
    trade: Trade
    entry_ids: dict[Tier, str]
    stop_published: Decimal
    stop_published_at: datetime
    pnl_multiple: int = 0
    pnl_published_at: datetime | None = None
    max_loss_usd: Decimal = Decimal(0)
    rolled_units: int = 0
    """Of a condor that was rolled: its entry price is the basis of the whole."""
    closes: int = 0
    posted: str = ""
    """The post that was approved last: X refuses the same words twice."""
    post_due_at: datetime | None = None
    """When it leaves; deliveries.py withdraws it if the trade is opened again before."""


@dataclass(frozen=True, slots=True)
class _Post:
    text: str
    trade_id: str
    public_id: str
    closed_at: datetime
    source_event_id: str


@dataclass(slots=True)
class PublicationState:
    parameters: ParameterState = field(default_factory=ParameterState)
    signals: dict[str, SignalValidated] = field(default_factory=dict)
    opened: dict[str, PositionOpened] = field(default_factory=dict)
    open: dict[str, _Open] = field(default_factory=dict)
    ended: dict[str, _Open] = field(default_factory=dict)
    """The newest closed ones, oldest first."""
    posts: dict[str, _Post] = field(default_factory=dict)
    due: list[Emission] = field(default_factory=list)


class PublicationStage:
    """Stage `publication` of the outbox. `key` makes public ids; it is a secret and in no event.

    `mode` is sandbox, paper or live, as public posts say it.
    """

    name = "publication"
    types = frozenset(
        {
            "ParametersChanged",
            "SignalValidated",
            "PositionOpened",
            "PositionChanged",
            "PositionMarked",
            "PositionReopened",
            "PositionRolled",
            "StopMoved",
            "PositionClosed",
            "ApprovalDecided",
        }
    )

    def __init__(self, key: bytes, mode: str) -> None:
        self._key = key
        self._mode = mode

    def initial(self) -> PublicationState:
        return PublicationState()

    def react(self, state: PublicationState, event: Recorded) -> Sequence[Emission]:
        return state.due

    def evolve(self, state: PublicationState, event: Recorded) -> PublicationState:
        state.due = []
        match event.body:
            case ParametersChanged() as body:
                state.parameters.apply(body)
            case SignalValidated() as body:
                state.signals[body.signal_id] = body
            case PositionOpened() as body:
                state.opened[body.position_id] = body
            case PositionChanged() as body:
                self._changed(state, event, body)
            case StopMoved() as body:
                self._stop(state, event, body)
            case PositionMarked() as body:
                self._marked(state, event, body)
            case PositionClosed() as body:
                self._closed(state, event, body)
            case PositionReopened() as body:
                self._reopened(state, event, body)
            case PositionRolled() as body:
                self._rolled(state, event, body)
            case ApprovalDecided() as body:
                self._approved(state, event, body)
            case _:
                pass
        return state

    def _changed(self, state: PublicationState, event: Recorded, body: PositionChanged) -> None:
        opened = state.opened.pop(body.position_id, None)
        if opened is None:
            return
        signal = state.signals.pop(opened.signal_id, None)
        if signal is None:
            reason = f"no SignalValidated for position {body.position_id}"
            self._withhold(state, event, reason)
            return
        # Times that count from the first fill are known only now.
        signal = signal.model_copy(update={"exit_plan": opened.exit_plan})
        trade = Trade(
            public_id=public_id(self._key, body.position_id),
            signal=signal,
            entry_price=body.average_entry_price,
            risk_units=opened.risk_units,
        )
        ids = self._plan(
            state, event, body.position_id, trade, "entry",
            {tier: content.entry(tier, trade) for tier in Tier}, {},
        )  # fmt: skip
        state.open[body.position_id] = _Open(
            trade=trade,
            entry_ids=ids,
            stop_published=signal.exit_plan.stop_price,
            stop_published_at=event.market_time,
            max_loss_usd=opened.max_loss_per_unit_usd * opened.planned_units,
        )

    def _stop(self, state: PublicationState, event: Recorded, body: StopMoved) -> None:
        held = state.open.get(body.position_id)
        if held is None or body.kind in ("initial", "roll"):
            return
        step = Decimal(repr(state.parameters.number("publication.stop_step")))
        gap = timedelta(seconds=state.parameters.number("publication.stop_gap_seconds"))
        moved = abs(body.stop_price - held.stop_published)
        if moved < step * abs(held.trade.entry_price):
            return
        if event.market_time - held.stop_published_at < gap:
            return
        held.stop_published, held.stop_published_at = body.stop_price, event.market_time
        messages = {t: content.stop_moved(t, held.trade, body.stop_price) for t in Tier}
        self._plan(
            state, event, body.position_id, held.trade, "adjustment", messages, held.entry_ids
        )

    def _rolled(self, state: PublicationState, event: Recorded, body: PositionRolled) -> None:
        """An adjustment like a moved stop, told at any distance from the last one: what is told
        from now on is of the new condor."""
        held = state.open.get(body.position_id)
        if held is None:
            return
        changes = {"structure": body.structure, "exit_plan": body.exit_plan}
        signal = held.trade.signal.model_copy(update=changes)
        held.trade = replace(held.trade, signal=signal, entry_price=body.basis_price)
        held.stop_published = body.exit_plan.stop_price
        held.stop_published_at = event.market_time
        held.rolled_units = body.units
        before, price = body.structure_before, body.net_price
        messages = {tier: content.rolled(tier, held.trade, before, price) for tier in Tier}
        self._plan(
            state, event, body.position_id, held.trade, "adjustment", messages, held.entry_ids
        )

    def _marked(self, state: PublicationState, event: Recorded, body: PositionMarked) -> None:
        held = state.open.get(body.position_id)
        if held is None or held.max_loss_usd <= 0:
            return
        step = Decimal(repr(state.parameters.number("publication.pnl_step")))
        gap = timedelta(seconds=state.parameters.number("publication.pnl_gap_seconds"))
        result = _open_result(held, body) / held.max_loss_usd
        multiple = int(result / step)
        if multiple in (0, held.pnl_multiple):
            return
        last = held.pnl_published_at
        if last is not None and event.market_time - last < gap:
            return
        held.pnl_multiple, held.pnl_published_at = multiple, event.market_time
        messages = {tier: content.pnl(tier, held.trade, result) for tier in Tier}
        self._plan(state, event, body.position_id, held.trade, "pnl", messages, held.entry_ids)

    def _closed(self, state: PublicationState, event: Recorded, body: PositionClosed) -> None:
        held = state.open.pop(body.position_id, None)
        if held is None:
            return
        ended = Exit(body.reason, body.exit_price, body.pnl_over_max_loss)
        messages = {tier: content.closed(tier, held.trade, ended) for tier in Tier}
        self._plan(state, event, body.position_id, held.trade, "exit", messages, held.entry_ids)
        held.closes += 1
        state.ended[body.position_id] = held
        if len(state.ended) > ENDED_MAX:
            del state.ended[next(iter(state.ended))]
        self._ask_for_post(state, event, body, held, ended)

    def _reopened(self, state: PublicationState, event: Recorded, body: PositionReopened) -> None:
        """Said in every tier; the post about its close is not made, even if it is approved now, nor
        sent while it waits for its time."""
        held = state.ended.pop(body.position_id, None)
        if held is None:
            return
        state.open[body.position_id] = held
        state.posts.pop(_post_id(body.position_id), None)
        if held.post_due_at is not None and event.market_time < held.post_due_at:
            held.posted, held.post_due_at = "", None
        messages = {tier: content.reopened(held.trade) for tier in Tier}
        self._plan(
            state, event, body.position_id, held.trade, "correction", messages, held.entry_ids
        )

    def _ask_for_post(
        self,
        state: PublicationState,
        event: Recorded,
        body: PositionClosed,
        held: _Open,
        ended: Exit,
    ) -> None:
        trade = held.trade
        approval_id = _post_id(body.position_id)
        text = content.post_text(trade, ended, self._mode)
        if text == held.posted:
            return
        state.posts[approval_id] = _Post(
            text, body.position_id, trade.public_id, event.market_time, str(event.event_id)
        )
        expiry = timedelta(seconds=state.parameters.number("approval.expiry_seconds"))
        request = ApprovalRequested(
            approval_id=approval_id,
            kind="post",
            subject_id=body.position_id,
            revision=held.closes,
            text=text,
            targets=(Vendor.X.value, Vendor.REDDIT.value),
            expires_at=event.market_time + expiry,
        )
        state.due.append(Emission(f"approval/{approval_id}", request))

    def _approved(self, state: PublicationState, event: Recorded, body: ApprovalDecided) -> None:
        post = state.posts.pop(body.approval_id, None)
        if post is None or not body.approved:
            return
        # A public post knows what the free tier knows, so it may not overtake the free tier.
        delay = timedelta(seconds=state.parameters.number("publication.delay_free_seconds"))
        due_at = max(event.market_time, post.closed_at + delay)
        held = state.ended.get(post.trade_id)
        if held is not None:
            held.posted, held.post_due_at = post.text, due_at
        for vendor in (Vendor.X, Vendor.REDDIT):
            made = delivery_id(event.event_id, vendor, vendor.value)
            scheduled = DeliveryScheduled(
                delivery_id=made,
                source_event_id=post.source_event_id,
                kind="post",
                vendor=vendor,
                channel=vendor.value,
                tier=None,
                public_id=post.public_id,
                trade_id=post.trade_id,
                title=f"Closed trade {post.public_id}",
                body=post.text,
                fields={},
                due_at=due_at,
                event_at=post.closed_at,
                reply_to="",
                policy_version=content.POLICY_VERSION,
                approval_id=body.approval_id,
            )
            state.due.append(Emission(f"delivery/{made}", scheduled))

    def _plan(
        self,
        state: PublicationState,
        event: Recorded,
        trade_id: str,
        trade: Trade,
        kind: str,
        messages: dict[Tier, Message],
        replies_to: dict[Tier, str],
    ) -> dict[Tier, str]:
        ids: dict[Tier, str] = {}
        for tier in Tier:
            delay = state.parameters.number(f"publication.delay_{tier.value}_seconds")
            message = messages[tier]
            made = delivery_id(event.event_id, Vendor.DISCORD, tier.value)
            ids[tier] = made
            scheduled = DeliveryScheduled(
                delivery_id=made,
                source_event_id=str(event.event_id),
                kind=kind,
                vendor=Vendor.DISCORD,
                channel=tier.value,
                tier=tier,
                public_id=trade.public_id,
                trade_id=trade_id,
                title=message.title,
                body=message.body,
                fields=dict(message.fields),
                due_at=event.market_time + timedelta(seconds=delay),
                event_at=event.market_time,
                reply_to=replies_to.get(tier, ""),
                policy_version=content.POLICY_VERSION,
            )
            state.due.append(Emission(f"delivery/{made}", scheduled))
        return ids

    def _withhold(self, state: PublicationState, event: Recorded, reason: str) -> None:
        withheld = PublicationWithheld(source_event_id=str(event.event_id), reason=reason)
        state.due.append(Emission("publication", withheld))
