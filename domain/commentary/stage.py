"""The report stage: pre-market, intraday and post-market reports, one accepted draft a slot.

Slots come from the session; facts are folded from metrics, trades and headlines. The model is
asked by the outbox (DraftRequested is emitted here first), its answer is judged by the guard, and
nothing is published without approval. When the model fails, a template of the same facts goes the
same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from domain.commentary import guard
from domain.commentary.prompt import PROMPT_VERSION
from domain.distribution.publication import delivery_id
from domain.event import Recorded, derived_id
from domain.events.analytics import MetricComputed, Quality
from domain.events.approvals import ApprovalDecided, ApprovalRequested
from domain.events.feeds import UwNewsReceived
from domain.events.positions import PositionClosed, PositionOpened, PositionReopened
from domain.events.publication import DeliveryScheduled, Tier, Vendor
from domain.events.reports import (
    DraftChecked,
    DraftFailed,
    DraftReceived,
    DraftRequested,
    Fact,
    ReportDue,
    ReportSkipped,
)
from domain.events.system import ParametersChanged, SessionPlanned, WorkerStarted
from domain.instruments import SYMBOLS
from domain.parameter import ParameterState
from domain.session import Session, new_york
from domain.stage import Emission

KINDS = ("premarket", "intraday", "postmarket")
AI_NOTE = "Drafted with AI, reviewed by the desk. Educational information, not investment advice."
_TITLES = {
    "premarket": "Before the open",
    "intraday": "Midday note",
    "postmarket": "After the close",
}
_METRICS = (
    ("last_close", "last price", "{:.2f}"),
    ("vwap", "session VWAP", "{:.2f}"),
    ("prev_close", "previous close", "{:.2f}"),
)


@dataclass(slots=True)
class _Draft:
    due: ReportDue
    attempts: int = 0
    asked_for: int = 0
    """Position of the input for which the last draft was asked."""
    final_text: str = ""


@dataclass(slots=True)
class ReportState:
    parameters: ParameterState = field(default_factory=ParameterState)
    session: Session | None = None
    metrics: dict[tuple[str, str], tuple[float, datetime]] = field(default_factory=dict)
    regimes: dict[str, str] = field(default_factory=dict)
    headlines: list[str] = field(default_factory=list)
    opened: int = 0
    closed: set[str] = field(default_factory=set)
    """Positions closed today; one that a late fill opens again is open."""
    slots: dict[str, datetime] = field(default_factory=dict)
    """Slots of this session still to come, by kind."""
    drafts: dict[str, _Draft] = field(default_factory=dict)
    due: list[Emission] = field(default_factory=list)


class ReportStage:
    """Stage `reports` of the outbox."""

    name = "reports"
    types = frozenset(
        {
            "ParametersChanged",
            "SessionPlanned",
            "WorkerStarted",
            "ClockTicked",
            "MetricComputed",
            "UwNewsReceived",
            "PositionOpened",
            "PositionReopened",
            "PositionClosed",
            "ReportDue",
            "DraftRequested",
            "DraftReceived",
            "DraftFailed",
            "DraftChecked",
            "ApprovalDecided",
            "ReportSkipped",
        }
    )

    def __init__(self, model: str) -> None:
        self._model = model

    def initial(self) -> ReportState:
        return ReportState()

    def react(self, state: ReportState, event: Recorded) -> Sequence[Emission]:
        return state.due

    def evolve(self, state: ReportState, event: Recorded) -> ReportState:
        state.due = []
        match event.body:
            case ParametersChanged() as body:
                state.parameters.apply(body)
            case SessionPlanned() as body:
                self._plan(state, Session(body))
            case MetricComputed() as body:
                self._measure(state, body)
            case UwNewsReceived() as body:
                self._headline(state, bytes(body.payload))
            case PositionOpened():
                state.opened += 1
            case PositionReopened() as body:
                state.closed.discard(body.position_id)
            case PositionClosed() as body:
                state.closed.add(body.position_id)
            case _:
                self._work(state, event)
        return state

    def _work(self, state: ReportState, event: Recorded) -> None:
        match event.body:
            case ReportDue() as body:
                state.slots.pop(body.kind, None)
                state.drafts[body.report_id] = _Draft(body)
                self._ask(state, body.report_id)
            case DraftRequested() as body:
                draft = state.drafts[body.report_id]
                draft.attempts, draft.asked_for = body.attempt, event.input_position or 0
            case DraftReceived() as body:
                self._judge(state, body)
            case DraftFailed() as body:
                self._fall_back(state, body.report_id, body.attempt, body.reason)
            case DraftChecked() as body:
                self._checked(state, event, body)
            case ApprovalDecided() as body:
                self._decided(state, event, body)
            case ReportSkipped() as body:
                state.slots.pop(body.report_id.rpartition("-")[2], None)
            case WorkerStarted() as body:
                self._resume(state, body.resumed_after)
            case _:
                self._clock(state, event)

    def _plan(self, state: ReportState, session: Session) -> None:
        before, state.session = state.session, session
        number = state.parameters.number
        slots = {
            "premarket": session.after_open(-number("report.premarket_before_open_minutes")),
            "intraday": session.after_open(number("report.intraday_after_open_minutes")),
            "postmarket": session.before_close(-number("report.postmarket_after_close_minutes")),
        }
        if before is not None and before.session_date == session.session_date:
            # New hours of the same day: what is still to come moves with them.
            state.slots = {kind: slots[kind] for kind in state.slots}
            return
        state.opened, state.closed = 0, set()
        state.headlines = []
        state.slots = slots

    def _measure(self, state: ReportState, body: MetricComputed) -> None:
        for metric in body.metrics:
            if metric.quality is not Quality.OK or metric.value is None:
                continue
            if metric.name == "gex_regime":
                state.regimes[body.symbol] = str(metric.value)
            elif isinstance(metric.value, float):
                state.metrics[body.symbol, metric.name] = (metric.value, metric.as_of)

    def _headline(self, state: ReportState, payload: bytes) -> None:
        try:
            text = msgspec.json.decode(payload)["headline"]
        except (msgspec.DecodeError, KeyError, TypeError):
            return
        cleaned = guard.clean_headline(str(text))
        if cleaned and cleaned not in state.headlines:
            state.headlines = [*state.headlines, cleaned][-guard.HEADLINES_MAX :]

    def _clock(self, state: ReportState, event: Recorded) -> None:
        if state.session is None or not state.slots:
            return
        late = timedelta(minutes=state.parameters.number("report.late_minutes_max"))
        for kind in KINDS:
            at = state.slots.get(kind)
            if at is None or event.market_time < at:
                continue
            day = state.session.session_date
            report_id = f"{day:%Y%m%d}-{kind}"
            stream = f"report/{report_id}"
            if event.market_time > at + late:
                skipped = ReportSkipped(report_id=report_id, reason="the slot passed unattended")
                state.due.append(Emission(stream, skipped))
                continue
            due = ReportDue(
                report_id=report_id,
                kind=kind,
                session_date=day,
                facts=self._facts(state, event.market_time),
                headlines=tuple(state.headlines),
                prompt_version=PROMPT_VERSION,
            )
            state.due.append(Emission(stream, due, derived_id("report", report_id)))

    def _facts(self, state: ReportState, at: datetime) -> tuple[Fact, ...]:
        rows: list[tuple[str, str, str, datetime, str]] = []
        for symbol in SYMBOLS:
            for name, label, form in _METRICS:
                if (symbol, name) in state.metrics:
                    value, as_of = state.metrics[symbol, name]
                    rows.append((f"{symbol} {label}", form.format(value), "USD", as_of, name))
            last = state.metrics.get((symbol, "last_close"))
            previous = state.metrics.get((symbol, "prev_close"))
            if last is not None and previous is not None and previous[0] > 0:
                change = 100 * (last[0] / previous[0] - 1)
                rows.append((f"{symbol} change today", f"{change:+.2f} %", "%", last[1], "bars"))
        rows.append(("trades opened today", str(state.opened), "trades", at, "log"))
        rows.append(("trades closed today", str(len(state.closed)), "trades", at, "log"))
        rows.append(("time of this note", f"{new_york(at):%H:%M} New York", "time", at, "clock"))
        return tuple(
            Fact(fact_id=f"f{k}", label=label, value=value, unit=unit, as_of=as_of, source=source)
            for k, (label, value, unit, as_of, source) in enumerate(rows, start=1)
        )

    def _ask(self, state: ReportState, report_id: str) -> None:
        draft = state.drafts[report_id]
        requested = DraftRequested(
            report_id=report_id, attempt=draft.attempts + 1, model=self._model
        )
        state.due.append(Emission(f"report/{report_id}", requested, _story(report_id)))

    def _judge(self, state: ReportState, body: DraftReceived) -> None:
        draft = state.drafts.get(body.report_id)
        if draft is None or draft.final_text:
            return
        if body.stop_reason != "end_turn":
            reason = f"stop reason must be end_turn, was {body.stop_reason}"
            self._fall_back(state, body.report_id, body.attempt, reason)
            return
        verdict = guard.check(_text_of(body.text), draft.due.facts)
        self._emit_check(state, body.report_id, body.attempt, verdict)

    def _emit_check(
        self, state: ReportState, report_id: str, attempt: int, verdict: guard.Verdict
    ) -> None:
        checked = DraftChecked(
            report_id=report_id,
            attempt=attempt,
            verdict=verdict.verdict,
            findings=verdict.findings,
            final_text=verdict.text,
        )
        state.due.append(Emission(f"report/{report_id}", checked, _story(report_id)))

    def _fall_back(self, state: ReportState, report_id: str, attempt: int, reason: str) -> None:
        draft = state.drafts.get(report_id)
        if draft is None or draft.final_text:
            return
        if draft.attempts < state.parameters.number("report.attempts_max"):
            self._ask(state, report_id)
            return
        text = guard.template(draft.due.kind, draft.due.facts)
        findings = (f"automatic summary: {reason}"[:300],)
        self._emit_check(state, report_id, attempt, guard.Verdict(guard.CLEAN, findings, text))

    def _checked(self, state: ReportState, event: Recorded, body: DraftChecked) -> None:
        draft = state.drafts[body.report_id]
        if body.verdict == guard.BLOCKED:
            self._fall_back(state, body.report_id, body.attempt, "; ".join(body.findings))
            return
        draft.final_text = body.final_text
        note = "" if body.verdict == guard.CLEAN else f"\n\nFLAGGED: {'; '.join(body.findings)}"
        approval_id = _approval_id(body.report_id)
        expiry = timedelta(seconds=state.parameters.number("report.expiry_seconds"))
        request = ApprovalRequested(
            approval_id=approval_id,
            kind="report",
            subject_id=body.report_id,
            revision=1,
            text=f"{_TITLES[draft.due.kind]}\n\n{draft.final_text}{note}",
            targets=(Vendor.DISCORD.value,),
            expires_at=event.market_time + expiry,
        )
        state.due.append(Emission(f"approval/{approval_id}", request, _story(body.report_id)))

    def _decided(self, state: ReportState, event: Recorded, body: ApprovalDecided) -> None:
        for report_id, draft in state.drafts.items():
            if _approval_id(report_id) != body.approval_id or not body.approved:
                continue
            made = delivery_id(event.event_id, Vendor.DISCORD, "report")
            scheduled = DeliveryScheduled(
                delivery_id=made,
                source_event_id=str(event.event_id),
                kind="report",
                vendor=Vendor.DISCORD,
                channel=Tier.PREMIUM.value,
                tier=Tier.PREMIUM,
                public_id="",
                trade_id="",
                title=_TITLES[draft.due.kind],
                body=f"{draft.final_text}\n\n{AI_NOTE}",
                fields={},
                due_at=event.market_time,
                event_at=event.market_time,
                reply_to="",
                policy_version=PROMPT_VERSION,
                approval_id=body.approval_id,
            )
            state.due.append(Emission(f"delivery/{made}", scheduled))

    def _resume(self, state: ReportState, resumed_after: int) -> None:
        """A new run: a draft that an earlier one asked for and never got is asked for again."""
        for report_id, draft in state.drafts.items():
            if draft.attempts and not draft.final_text and draft.asked_for <= resumed_after:
                reason = "the run ended before the draft was recorded"
                self._fall_back(state, report_id, draft.attempts, reason)


def _approval_id(report_id: str) -> str:
    return derived_id("report-approval", report_id).hex[:26]


def _story(report_id: str) -> UUID:
    return derived_id("report", report_id)


def _text_of(answer: str) -> str:
    """The `text` field of the model's JSON answer; empty when it is not that."""
    try:
        text = msgspec.json.decode(answer)["text"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return ""
    return str(text)
