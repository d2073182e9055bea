"""What a demo run came to: counts from the log, held against the sandboxes' own ledgers.

The ledgers are the oracle: what reached the broker and the people vendors, whatever our log says.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from domain.event import Recorded
from domain.events.approvals import ApprovalDecided
from domain.events.orders import FillRecorded, IntentSent, OrderIntended, Purpose
from domain.events.positions import PositionChanged, PositionClosed, PositionReopened
from domain.events.publication import (
    DeliveryConfirmed,
    DeliveryEscalated,
    DeliveryExpired,
    DeliveryRejected,
    DeliveryScheduled,
    Vendor,
)
from domain.events.risk import RiskDecided
from domain.events.signals import SignalValidated
from domain.events.system import ProcessFault, ProcessHeartbeat, WorkerStopped

TYPES = frozenset(
    {
        "SignalRaised",
        "SignalValidated",
        "RiskDecided",
        "OrderIntended",
        "IntentSent",
        "FillRecorded",
        "PositionChanged",
        "PositionClosed",
        "PositionReopened",
        "DeliveryScheduled",
        "DeliveryConfirmed",
        "DeliveryRejected",
        "DeliveryExpired",
        "DeliveryEscalated",
        "DraftChecked",
        "ApprovalDecided",
        "ProcessFault",
        "WorkerStopped",
        "ProcessHeartbeat",
    }
)

CREATED = frozenset({("discord", "message"), ("x", "tweet"), ("reddit", "submission")})
"""Kinds of ledger lines that make something the public sees."""
PAGED = ("telegram", "message")
"""Pages are among these, beside prompts and answers, which are no deliveries."""


@dataclass(slots=True)
class Tally:
    """What the log says. Lags and faults count from `since` on, everything else from the start."""

    since: int = 0
    signals: int = 0
    decisions: int = 0
    refused: int = 0
    fills: dict[str, tuple[int, Decimal]] = field(default_factory=dict)
    intents: dict[str, OrderIntended] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    closed: dict[str, Decimal] = field(default_factory=dict)
    """Results of what is closed, with late commissions; of a second close that of both."""
    scheduled: dict[str, DeliveryScheduled] = field(default_factory=dict)
    confirmed: dict[str, DeliveryConfirmed] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    """Deliveries given up: rejected for good, expired, escalated."""
    approvals: int = 0
    lags: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def apply(self, event: Recorded) -> None:
        match event.body:
            case SignalValidated():
                self.signals += 1
            case RiskDecided() as body:
                self.decisions += 1
                self.refused += not body.approved
            case OrderIntended() as body:
                self.intents[body.order_ref] = body
            case IntentSent() as body if body.request == "place":
                self._placed(body)
            case FillRecorded() as body:
                self.fills[body.fill_id] = (body.quantity, body.price)
            case PositionClosed() as body:
                self.closed[body.position_id] = body.realised_pnl
            case PositionChanged() as body if body.position_id in self.closed:
                self.closed[body.position_id] = body.realised_pnl
            case PositionReopened() as body:
                self.closed.pop(body.position_id, None)
            case DeliveryScheduled() as body:
                self.scheduled[body.delivery_id] = body
            case DeliveryConfirmed() as body:
                self.confirmed[body.delivery_id] = body
            case DeliveryRejected() as body if body.permanent:
                self.ended.add(body.delivery_id)
            case DeliveryExpired() | DeliveryEscalated() as body:
                self.ended.add(body.delivery_id)
            case ApprovalDecided():
                self.approvals += 1
            case ProcessHeartbeat() | ProcessFault() | WorkerStopped() if (
                event.position <= self.since
            ):
                pass
            case ProcessHeartbeat() as body if body.process.startswith("projector"):
                self.lags += [v for k, v in body.figures.items() if k.startswith("lag")]
            case ProcessFault() as body:
                self.faults.append(f"{body.process}: {body.error}: {body.detail[:200]}")
            case WorkerStopped() as body:
                self.faults.append(f"{body.worker} stopped: {body.error}: {body.detail[:200]}")
            case _:
                pass

    def _placed(self, body: IntentSent) -> None:
        intent = self.intents.get(body.order_ref)
        if intent is None or intent.purpose is Purpose.WHAT_IF:
            return
        self.sent[body.order_ref] += 1
        if intent.is_entry:
            self.latencies.append(body.latency_seconds)

    @property
    def reports(self) -> int:
        """Reports that reached their readers."""
        return sum(self.scheduled[made].kind == "report" for made in self.confirmed)

    def messages(self, vendor: Vendor) -> dict[str, int]:
        """Confirmed deliveries of a vendor by channel."""
        counts: Counter[str] = Counter()
        for made in self.confirmed:
            scheduled = self.scheduled[made]
            if scheduled.vendor is vendor:
                counts[scheduled.channel] += 1
        return dict(sorted(counts.items()))


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value below which `share` of the values lie, null without values."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def milliseconds(value: float | None) -> float | None:
    return None if value is None else round(1000 * value, 3)


def read_ledger(path: Path) -> Iterable[dict[str, Any]]:
    """Lines of a sandbox's ledger; none when it never wrote one."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def compare_broker(tally: Tally, lines: Iterable[dict[str, Any]]) -> tuple[list[str], int]:
    """Differences between our orders and fills and the broker's, and duplicated orders."""
    orders: dict[str, set[int]] = defaultdict(set)
    executions: dict[str, tuple[int, Decimal]] = {}
    for line in lines:
        if line["kind"] == "order" and line["order_ref"]:
            orders[line["order_ref"]].add(line["order_id"])
        elif line["kind"] == "execution":
            family = line["exec_id"].rpartition(".")[0]
            executions[family] = (line["quantity"], Decimal(line["price"]))
    differences = [f"order {ref} is not at the broker" for ref in tally.sent if ref not in orders]
    differences += [f"order {ref} is not on the log" for ref in orders if ref not in tally.intents]
    for family in sorted(executions.keys() | tally.fills.keys()):
        theirs, ours = executions.get(family), tally.fills.get(family)
        if theirs != ours:
            differences.append(f"fill {family}: broker {theirs}, log {ours}")
    return differences, sum(len(ids) - 1 for ids in orders.values())


def compare_people(tally: Tally, lines: Iterable[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Differences between our deliveries and the vendors', and posts that came too early."""
    differences: list[str] = []
    early: list[str] = []
    accepted: dict[tuple[str, str], dict[str, Any]] = {}
    known = {}
    for made, confirmed in tally.confirmed.items():
        known[tally.scheduled[made].vendor.value, confirmed.remote_id] = tally.scheduled[made]
    for line in lines:
        kind, key = (line["vendor"], line["kind"]), (line["vendor"], line["remote_id"])
        if line["is_effect"] and (kind in CREATED or (kind == PAGED and key in known)):
            accepted[key] = line
    for key in sorted(accepted.keys() - known.keys()):
        differences.append(f"{key[0]} has {key[1]}, which the log does not confirm")
    for key in sorted(known.keys() - accepted.keys()):
        differences.append(f"{key[0]} does not have {key[1]}")
    for key in sorted(known.keys() & accepted.keys()):
        at = datetime.fromisoformat(accepted[key]["market_at"])
        if at < known[key].due_at:
            early.append(f"{key[0]} {key[1]}: {at} is before {known[key].due_at}")
        if known[key].kind == "post" and not known[key].approval_id:
            early.append(f"{key[0]} {key[1]}: posted without approval")
    return differences, early
