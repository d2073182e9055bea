"""Publication: what goes to which tier when, and what became of each delivery."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from domain.event import DeskEvent


class Tier(StrEnum):
    PREMIUM = "premium"
    BASIC = "basic"
    FREE = "free"


class Vendor(StrEnum):
    DISCORD = "discord"
    TELEGRAM = "telegram"
    X = "x"
    REDDIT = "reddit"


class DeliveryScheduled(DeskEvent):
    """One content for one vendor and channel, due at a market time. Stream `delivery/<id>`.

    `body` is exactly what will be sent: redaction has happened. `reply_to` is the delivery whose
    message this one answers; it waits for that one.
    """

    delivery_id: str
    source_event_id: str
    kind: str
    """entry, adjustment, pnl, exit, correction, report, post, page."""
    vendor: Vendor
    channel: str
    tier: Tier | None
    public_id: str
    trade_id: str
    """Position id of the trade this tells of; empty for reports."""
    title: str
    body: str
    fields: dict[str, str]
    due_at: datetime
    event_at: datetime
    reply_to: str
    policy_version: int
    approval_id: str = ""


class DeliveryAttempted(DeskEvent):
    """Committed before the first byte goes out."""

    delivery_id: str
    attempt: int
    idempotency_key: str
    body_sha256: str


class DeliveryConfirmed(DeskEvent):
    delivery_id: str
    remote_id: str
    remote_at: datetime | None
    via: str
    """response or reconcile."""


class DeliveryReconciling(DeskEvent):
    """The outcome of the last attempt is unknown: the vendor is asked what it has."""

    delivery_id: str
    attempt: int


class DeliveryRejected(DeskEvent):
    delivery_id: str
    permanent: bool
    vendor_code: str
    text: str


class DeliveryUnknown(DeskEvent):
    """The request may have reached the vendor: read back before anything else."""

    delivery_id: str
    reason: str


class DeliveryNotFound(DeskEvent):
    """Reading back proved that it was not delivered: another attempt is allowed."""

    delivery_id: str
    evidence: str


class DeliveryExpired(DeskEvent):
    delivery_id: str
    reason: str


class DeliveryEscalated(DeskEvent):
    """Outcome unknown and not to be found: it waits for the operator and is not sent again."""

    delivery_id: str
    reason: str


class PublicationWithheld(DeskEvent):
    """The policy could not decide: nothing is sent and the operator is told."""

    source_event_id: str
    reason: str
