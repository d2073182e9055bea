"""Approvals on Telegram: one stream an approval, the first answer counts."""

from __future__ import annotations

from datetime import datetime

from domain.event import DeskEvent


class ApprovalRequested(DeskEvent):
    """Somebody must decide. Stream `approval/<approval_id>`."""

    approval_id: str
    kind: str
    """post, report, trade."""
    subject_id: str
    revision: int
    text: str
    """Exactly what the approver is shown and what will go out."""
    targets: tuple[str, ...]
    """Vendors and channels it is released to."""
    expires_at: datetime


class ApprovalPromptWanted(DeskEvent):
    """Another worker asked for an approval: the outbox shows it. Stream `approval-prompts`."""

    approval_id: str
    revision: int


class ApprovalPrompted(DeskEvent):
    approval_id: str
    revision: int
    chat_id: int
    message_id: int


class TelegramUpdateReceived(DeskEvent):
    """One update, verbatim JSON text; natural key: update_id. Stream `telegram/updates`."""

    update_id: int
    kind: str
    payload: str


class ApprovalPressed(DeskEvent):
    """A press, checked for signature and allow-list. Stream `telegram/presses`."""

    approval_id: str
    revision: int
    verb: str
    """approve, reject."""
    user_id: int
    user_name: str
    callback_id: str
    chat_id: int
    message_id: int


class TelegramCommandReceived(DeskEvent):
    command: str
    argument: str
    user_id: int
    user_name: str
    chat_id: int


class TelegramRefused(DeskEvent):
    """A press or command from somebody not on the list, or with a forged button."""

    update_id: int
    user_id: int
    reason: str


class ApprovalDecided(DeskEvent):
    """The one answer. Stream `approval/<approval_id>`."""

    approval_id: str
    revision: int
    approved: bool
    who: str
    callback_id: str


class ApprovalAnswered(DeskEvent):
    """What a press was told: decided now, or what had been decided before."""

    approval_id: str
    callback_id: str
    text: str


class ApprovalExpired(DeskEvent):
    approval_id: str
    revision: int
