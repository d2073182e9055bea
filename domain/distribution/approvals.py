"""The approval stage: one stream an approval, the first answer counts, silence expires.

Asking twice is harmless: every prompt of an approval leads here, and a press that comes too late
is told what was decided. The check is a compare of the revision the button carries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from domain.event import Recorded
from domain.events.approvals import (
    ApprovalAnswered,
    ApprovalDecided,
    ApprovalExpired,
    ApprovalPressed,
    ApprovalPromptWanted,
    ApprovalRequested,
)
from domain.stage import Emission

OF_THE_TRADER = "trade"
"""The kind of approvals that the trader asks for; the others are asked for in this worker."""
APPROVE = "approve"
REJECT = "reject"


@dataclass(frozen=True, slots=True)
class _Pending:
    request: ApprovalRequested
    correlation_id: UUID


@dataclass(slots=True)
class ApprovalState:
    pending: dict[str, _Pending] = field(default_factory=dict)
    decided: dict[str, str] = field(default_factory=dict)
    """What was decided, in words, by approval id."""
    due: list[Emission] = field(default_factory=list)


class ApprovalStage:
    """Stage `approvals` of the outbox."""

    name = "approvals"
    types = frozenset({"ApprovalRequested", "ApprovalPressed", "ClockTicked"})

    def initial(self) -> ApprovalState:
        return ApprovalState()

    def react(self, state: ApprovalState, event: Recorded) -> Sequence[Emission]:
        return state.due

    def evolve(self, state: ApprovalState, event: Recorded) -> ApprovalState:
        state.due = []
        match event.body:
            case ApprovalRequested() as body:
                state.pending[body.approval_id] = _Pending(body, event.correlation_id)
                if body.kind == OF_THE_TRADER:
                    self._prompt(state, event, body)
            case ApprovalPressed() as body:
                self._pressed(state, event, body)
            case _:
                self._expire(state, event)
        return state

    def _prompt(self, state: ApprovalState, event: Recorded, body: ApprovalRequested) -> None:
        wanted = ApprovalPromptWanted(approval_id=body.approval_id, revision=body.revision)
        state.due.append(Emission("approval-prompts", wanted, event.correlation_id))

    def _pressed(self, state: ApprovalState, event: Recorded, press: ApprovalPressed) -> None:
        pending = state.pending.get(press.approval_id)
        if pending is None:
            told = state.decided.get(press.approval_id, "This approval is not known.")
            self._answer(state, press, told)
            return
        if press.revision != pending.request.revision:
            self._answer(state, press, "Superseded: see the newer message.")
            return
        if press.verb not in (APPROVE, REJECT):
            self._answer(state, press, f"Not understood: {press.verb}.")
            return
        approved = press.verb == APPROVE
        word = "Approved" if approved else "Rejected"
        del state.pending[press.approval_id]
        state.decided[press.approval_id] = f"Already {word.lower()} by {press.user_name}."
        decided = ApprovalDecided(
            approval_id=press.approval_id,
            revision=press.revision,
            approved=approved,
            who=press.user_name,
            callback_id=press.callback_id,
        )
        state.due.append(Emission(_stream(press.approval_id), decided, pending.correlation_id))
        self._answer(state, press, f"{word}.")

    def _answer(self, state: ApprovalState, press: ApprovalPressed, text: str) -> None:
        answered = ApprovalAnswered(
            approval_id=press.approval_id, callback_id=press.callback_id, text=text
        )
        # A stream of its own: presses for unknown ids must not write into an approval's stream.
        state.due.append(Emission("approval-answers", answered))

    def _expire(self, state: ApprovalState, event: Recorded) -> None:
        for approval_id, pending in list(state.pending.items()):
            if event.market_time < pending.request.expires_at:
                continue
            del state.pending[approval_id]
            state.decided[approval_id] = "Expired without a decision."
            expired = ApprovalExpired(approval_id=approval_id, revision=pending.request.revision)
            state.due.append(Emission(_stream(approval_id), expired, pending.correlation_id))


def _stream(approval_id: str) -> str:
    return f"approval/{approval_id}"
