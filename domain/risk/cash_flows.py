"""Deposits and withdrawals as the operator records them: no profit or loss of the desk.

Called by the risk stage, whose limits on profit and loss would take them for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from domain.events.risk import CashFlowRecorded, CashFlowRequested

STREAM = "cash-flows"
CENT = Decimal("0.01")


def refusal_of(body: CashFlowRequested, awaited: Sequence[Decimal]) -> str:
    """Why it is not recorded, and what to do; empty when it is. `awaited` are flows that were
    recorded and that the account has not shown yet."""
    if not body.reason.strip() or not body.evidence.strip():
        return "a cash flow must have a reason and evidence, such as the broker's number: name both"
    if not body.reauthenticated:
        return "a cash flow must be confirmed by logging in again, was not: give the password"
    if not body.amount or body.amount % CENT:
        return f"amount must be dollars and cents other than 0, was {body.amount}"
    if body.amount in awaited:
        return (
            f"a cash flow of {body.amount} is recorded and the account has not shown it: ask for a"
            " second one when it has"
        )
    return ""


def recorded(body: CashFlowRequested) -> CashFlowRecorded:
    reason = f"{body.reason.strip()} ({body.evidence.strip()})"
    return CashFlowRecorded(amount=body.amount, who=body.who, reason=reason)
