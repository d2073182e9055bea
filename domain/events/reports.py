"""Commentary: facts, drafts of the model, the check of every number, and the final text."""

from __future__ import annotations

from datetime import date, datetime

from domain.event import DeskEvent
from domain.instruments import Value


class Fact(Value):
    """A figure the model may refer to by slot: the model itself writes no digit."""

    fact_id: str
    label: str
    value: str
    """As rendered in the text."""
    unit: str
    as_of: datetime
    source: str


class ReportDue(DeskEvent):
    """A report slot came up. One per kind and session. Stream `report/<report_id>`."""

    report_id: str
    kind: str
    """premarket, intraday, postmarket, trade."""
    session_date: date
    facts: tuple[Fact, ...]
    headlines: tuple[str, ...]
    prompt_version: int


class DraftRequested(DeskEvent):
    """The model is about to be asked; committed before the request leaves."""

    report_id: str
    attempt: int
    model: str


class DraftReceived(DeskEvent):
    """The model's answer, verbatim."""

    report_id: str
    attempt: int
    model: str
    request_id: str
    stop_reason: str
    text: str
    input_tokens: int
    output_tokens: int
    cost_usd: str


class DraftFailed(DeskEvent):
    report_id: str
    attempt: int
    reason: str


class DraftChecked(DeskEvent):
    """Verdict of the guard: clean, flagged or blocked, with what was found."""

    report_id: str
    attempt: int
    verdict: str
    findings: tuple[str, ...]
    final_text: str
    """Slots filled in by code; empty when blocked."""


class ReportSkipped(DeskEvent):
    report_id: str
    reason: str
