"""A proposed roll on its way through risk: the broker's what-if is asked for, awaited, and judged.

Called by the risk stage; the decision itself is domain/risk/rolls.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from domain.event import derived_id
from domain.events.orders import WhatIfAnswered
from domain.events.risk import MarginChecked, WhatIfWanted
from domain.events.rolls import RollDecided, RollProposed
from domain.numbers import floor_tick
from domain.risk.codes import DenialCode
from domain.risk.margin import Answer, is_mismatch
from domain.risk.pending import PendingRoll
from domain.risk.rolls import decide_roll, margin_estimate
from domain.risk.state import RiskState
from domain.rolling import fault_of
from domain.stage import Emission

_C = DenialCode


def on_roll_proposed(state: RiskState, body: RollProposed) -> Sequence[Emission]:
    waiting = state.rolls[body.roll_id]
    decided = decide_roll(state, waiting, None)
    wanted = what_if_of(waiting, decided)
    return [_told(body, decided if wanted is None else wanted)]


def on_roll_answer(state: RiskState, body: WhatIfAnswered) -> Sequence[Emission]:
    waiting = state.rolls[body.order_ref]
    asked = waiting.asked
    if asked is None:
        return ()
    answer = Answer(
        body.initial_change,
        body.maintenance_change,
        body.order_ref,
        asked.quantity,
        asked.limit_price,
        state.time.seconds - waiting.asked_at,
    )
    missing = "" if body.initial_change is not None else body.warning or "no numbers in the answer"
    return _decided(state, waiting, answer, missing)


def overdue_rolls(state: RiskState) -> list[Emission]:
    """Those whose what-if did not come in time are refused, naming it."""
    limit = state.parameters.number("risk.margin.what_if_wait_s") if state.rolls else 0.0
    emitted: list[Emission] = []
    for waiting in state.rolls.values():
        since = None if waiting.asked is None else state.time.since(waiting.asked_at)
        if since is not None and since > limit:
            emitted += _decided(state, waiting, None, f"no what-if answer within {limit:g} s")
    return emitted


def _decided(
    state: RiskState, waiting: PendingRoll, answer: Answer | None, missing: str
) -> list[Emission]:
    proposed = waiting.proposed
    checked = _checked(state, waiting, answer, missing)
    decided = decide_roll(state, waiting, answer)
    return [_told(proposed, checked), _told(proposed, decided)]


def _told(proposed: RollProposed, body: WhatIfWanted | MarginChecked | RollDecided) -> Emission:
    """The story of the position goes on."""
    correlation = derived_id("signal", proposed.signal_id)
    return Emission(f"roll-decision/{proposed.position_id}", body, correlation)


def what_if_of(waiting: PendingRoll, decided: RollDecided) -> WhatIfWanted | None:
    """The question for the broker, when nothing but its margin answer is missing."""
    if set(decided.denials) != {_C.MARGIN.value, _C.MARGIN_MISMATCH.value}:
        return None
    proposed = waiting.proposed
    return WhatIfWanted(
        decision_id=proposed.roll_id,
        signal_id=proposed.signal_id,
        structure=proposed.roll,
        quantity=proposed.units,
        limit_price=floor_tick(proposed.worst_price),
    )


def _checked(
    state: RiskState, waiting: PendingRoll, answer: Answer | None, why: str
) -> MarginChecked:
    """The broker's answer beside our estimate, as of an entry."""
    proposed = waiting.proposed
    fault = fault_of(proposed.structure, proposed.roll)
    estimate = margin_estimate(proposed, fault) or Decimal(0)
    change = None if answer is None else answer.initial_change
    accepted = change is not None and not is_mismatch(estimate, change, state.parameters)
    return MarginChecked(
        decision_id=proposed.roll_id,
        order_ref=proposed.roll_id,
        initial_change=change,
        maintenance_change=None if answer is None else answer.maintenance_change,
        equity_with_loan_change=None,
        commission=None,
        local_estimate=estimate,
        accepted=accepted,
        reason=why or ("" if accepted else _C.MARGIN_MISMATCH.value),
    )
