"""Hot views of trading: signals with their explanation, orders, positions, profit and loss.

Pure: an event in, Redis commands out. What has ended is kept for a while: the newest ENDED_MAX.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from domain.event import Recorded
from domain.events.orders import (
    CommissionRecorded,
    EntryRefused,
    FillRecorded,
    IntentLapsed,
    OrderChanged,
    OrderIntended,
    OrderModifyIntended,
    WhatIfAnswered,
)
from domain.events.positions import (
    ExitDecided,
    ExitPlanChanged,
    PnlExplained,
    PositionChanged,
    PositionClosed,
    PositionMarked,
    PositionOpened,
    PositionReopened,
    StopMoved,
)
from domain.events.risk import RiskDecided
from domain.events.rolls import PositionRolled
from domain.events.signals import (
    SignalExpired,
    SignalGatesChanged,
    SignalInvalidated,
    SignalRaised,
    SignalValidated,
)
from domain.session import new_york
from projections.hot.fields import change, named, put
from projections.redis_target import Command

ENDED_MAX = 500
PNL_DAYS_MAX = 10


def _ended(kind: str, identity: str, position: int) -> list[Command]:
    """Move an entity from the live ones to the newest ended ones."""
    return [
        ("SREM", f"{kind}s:live", identity),
        ("ZADD", f"{kind}s:ended", str(position), identity),
        ("KEEP", f"{kind}s:ended", f"{kind}:", str(ENDED_MAX)),
    ]


def raised(event: Recorded, body: SignalRaised) -> list[Command]:
    """The explanation of a signal is here from its first moment: features, gates, bias."""
    about = named(body, state="raised", raised_at=event.market_time, position=event.position)
    return [("SADD", "signals:live", body.signal_id), put(f"signal:{body.signal_id}", **about)]


def gates_changed(event: Recorded, body: SignalGatesChanged) -> list[Command]:
    return [change(f"signal:{body.signal_id}", gates=body.gates, position=event.position)]


def validated(event: Recorded, body: SignalValidated) -> list[Command]:
    about = named(body, state="valid", validated_at=event.market_time, position=event.position)
    return [("SADD", "signals:live", body.signal_id), put(f"signal:{body.signal_id}", **about)]


def expired(event: Recorded, body: SignalExpired) -> list[Command]:
    ended = change(f"signal:{body.signal_id}", state="expired", end_reason=body.reason)
    return [ended, *_ended("signal", body.signal_id, event.position)]


def invalidated(event: Recorded, body: SignalInvalidated) -> list[Command]:
    reason = f"{body.condition}: {body.measured} against {body.threshold}"
    ended = change(f"signal:{body.signal_id}", state="invalid", end_reason=reason)
    return [ended, *_ended("signal", body.signal_id, event.position)]


def decided(event: Recorded, body: RiskDecided) -> list[Command]:
    state = "approved" if body.approved else "refused"
    return [
        change(
            f"signal:{body.signal_id}",
            state=state,
            decision_id=body.decision_id,
            decision=body,
            position=event.position,
        ),
        *([] if body.approved else _ended("signal", body.signal_id, event.position)),
    ]


def entry_refused(event: Recorded, body: EntryRefused) -> list[Command]:
    reason = ", ".join(body.codes)
    ended = change(f"signal:{body.signal_id}", state="entry_refused", end_reason=reason)
    return [ended, *_ended("signal", body.signal_id, event.position)]


def intended(event: Recorded, body: OrderIntended) -> list[Command]:
    about = named(body, state="intended", filled=0, remaining=body.quantity)
    about |= {"intended_at": event.market_time, "position": event.position}
    return [("SADD", "orders:live", body.order_ref), put(f"order:{body.order_ref}", **about)]


def modified(event: Recorded, body: OrderModifyIntended) -> list[Command]:
    return [
        change(
            f"order:{body.order_ref}",
            quantity=body.quantity,
            limit_price=body.limit_price,
            stop_price=body.stop_price,
            revision=body.revision,
            position=event.position,
        )
    ]


def order_changed(event: Recorded, body: OrderChanged) -> list[Command]:
    now = change(
        f"order:{body.order_ref}",
        state=body.state,
        perm_id=body.perm_id,
        filled=body.filled,
        remaining=body.remaining,
        reason=body.reason,
        broker_code=body.broker_code,
        changed_at=event.market_time,
        position=event.position,
    )
    ended = _ended("order", body.order_ref, event.position) if body.state.is_final else []
    return [now, *ended]


def what_if_answered(event: Recorded, body: WhatIfAnswered) -> list[Command]:
    """Nothing was placed, and nothing is awaited any more."""
    now = change(
        f"order:{body.order_ref}",
        state="answered",
        initial_change=body.initial_change,
        maintenance_change=body.maintenance_change,
        reason=body.warning,
        changed_at=event.market_time,
        position=event.position,
    )
    return [now, *_ended("order", body.order_ref, event.position)]


def lapsed(event: Recorded, body: IntentLapsed) -> list[Command]:
    """Of an order that is placed OrderChanged tells it."""
    if body.request != "what_if":
        return []
    now = change(
        f"order:{body.order_ref}",
        state="lapsed",
        reason=body.reason,
        changed_at=event.market_time,
        position=event.position,
    )
    return [now, *_ended("order", body.order_ref, event.position)]


def filled(event: Recorded, body: FillRecorded) -> list[Command]:
    return [
        change(
            f"order:{body.order_ref}",
            last_fill_price=body.price,
            last_fill_quantity=body.quantity,
            last_fill_at=body.executed_at,
            position=event.position,
        )
    ]


def _cents(amount: Decimal) -> str:
    return str(int((amount * 100).to_integral_value()))


def commission(event: Recorded, body: CommissionRecorded) -> list[Command]:
    return [
        ("HINCRBY", _pnl_key(event), "commission_cents", _cents(body.commission)),
        *_pnl_days(event),
    ]


def _pnl_day(event: Recorded) -> str:
    return new_york(event.market_time).date().isoformat()


def _pnl_key(event: Recorded) -> str:
    return f"pnl:{_pnl_day(event)}"


def _pnl_days(event: Recorded) -> list[Command]:
    day = _pnl_day(event)
    return [
        ("ZADD", "pnl:days", day.replace("-", ""), day),
        ("KEEP", "pnl:days", "pnl:", str(PNL_DAYS_MAX)),
    ]


def opened(event: Recorded, body: PositionOpened) -> list[Command]:
    about = named(body, state="open", position=event.position)
    return [
        ("SADD", "positions:live", body.position_id),
        put(f"position:{body.position_id}", **about),
        change(f"signal:{body.signal_id}", state="traded", position_id=body.position_id),
        *_ended("signal", body.signal_id, event.position),
    ]


def changed(event: Recorded, body: PositionChanged) -> list[Command]:
    """After its close a late commission still changes the result of the day that counts it."""
    held = f"position:{body.position_id}"
    return [
        change(held, **named(body), position=event.position),
        ("BOOK", held, "", _cents(body.realised_pnl), ""),
    ]


def marked(event: Recorded, body: PositionMarked) -> list[Command]:
    return [
        change(
            f"position:{body.position_id}",
            mark=body.mark,
            bid=body.bid,
            ask=body.ask,
            unrealised_pnl=body.unrealised_pnl,
            underlying_price=body.underlying_price,
            quote_age_seconds=body.quote_age_seconds,
            quality=body.quality,
            marked_at=event.market_time,
        )
    ]


def stop_moved(event: Recorded, body: StopMoved) -> list[Command]:
    return [
        change(
            f"position:{body.position_id}",
            stop_price=body.stop_price,
            stop_kind=body.kind,
            high_water_mark=body.high_water_mark,
            position=event.position,
        )
    ]


def plan_changed(event: Recorded, body: ExitPlanChanged) -> list[Command]:
    held = f"position:{body.position_id}"
    return [change(held, exit_plan=body.exit_plan, position=event.position)]


def rolled(event: Recorded, body: PositionRolled) -> list[Command]:
    held = f"position:{body.position_id}"
    return [
        change(
            held,
            structure=body.structure,
            exit_plan=body.exit_plan,
            max_loss_per_unit_usd=body.max_loss_per_unit_usd,
            rolled_at=body.rolled_at,
            position=event.position,
        )
    ]


def exit_decided(event: Recorded, body: ExitDecided) -> list[Command]:
    return [
        change(
            f"position:{body.position_id}",
            state="exiting",
            exit_reason=body.reason,
            exit_profile=body.profile,
            position=event.position,
        )
    ]


def closed(event: Recorded, body: PositionClosed) -> list[Command]:
    about = named(body, state="closed", unrealised_pnl="0", position=event.position)
    held, cents = f"position:{body.position_id}", _cents(body.realised_pnl)
    return [
        change(held, **about),
        ("BOOK", held, _pnl_key(event), cents, body.strategy.value),
        *_ended("position", body.position_id, event.position),
        *_pnl_days(event),
    ]


def reopened(event: Recorded, body: PositionReopened) -> list[Command]:
    """Held again: it lives again, and its close no longer counts until it closes again."""
    held = f"position:{body.position_id}"
    return [
        change(
            held,
            state="open",
            units=body.units,
            exit_reason=None,
            closed_at=None,
            position=event.position,
        ),
        ("BOOK", held, "", "", ""),
        ("SADD", "positions:live", body.position_id),
        ("ZREM", "positions:ended", body.position_id),
    ]


def explained(_: Recorded, body: PnlExplained) -> list[Command]:
    return [change(f"position:{body.position_id}", explained=body)]


VIEWS: Mapping[type[Any], Callable[[Recorded, Any], list[Command]]] = {
    SignalRaised: raised,
    SignalGatesChanged: gates_changed,
    SignalValidated: validated,
    SignalExpired: expired,
    SignalInvalidated: invalidated,
    RiskDecided: decided,
    EntryRefused: entry_refused,
    OrderIntended: intended,
    OrderModifyIntended: modified,
    OrderChanged: order_changed,
    WhatIfAnswered: what_if_answered,
    IntentLapsed: lapsed,
    FillRecorded: filled,
    CommissionRecorded: commission,
    PositionOpened: opened,
    PositionChanged: changed,
    PositionMarked: marked,
    StopMoved: stop_moved,
    ExitPlanChanged: plan_changed,
    PositionRolled: rolled,
    ExitDecided: exit_decided,
    PositionClosed: closed,
    PositionReopened: reopened,
    PnlExplained: explained,
}
