"""The analytics stage: from market events to MetricComputed and ChainEvaluated.

Runs in run/signals before the signal stage. `evolve` folds and computes, in place; `react` only
reads, so that folding recorded events alone gives the same state. Emissions of one bar, in
order: what a session left, LinesWanted, ChainEvaluated, MetricComputed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from domain.analytics import ingest
from domain.analytics.bars import on_bar
from domain.analytics.ingest_books import on_depth
from domain.analytics.ingest_gex import on_gex
from domain.analytics.ingest_rest import on_rest
from domain.analytics.report import metrics_of
from domain.analytics.state import AnalyticsState
from domain.analytics.ticks import on_tick
from domain.event import Recorded
from domain.events.signals import ExpiryPassedOver
from domain.payloads.unusual_whales import PayloadError
from domain.stage import Emission

Handler = Callable[[AnalyticsState, Recorded], None]


def _on_history_ready(state: AnalyticsState, event: Recorded) -> None:
    ingest.read_history(state)


def _on_expiry_passed_over(state: AnalyticsState, event: Recorded) -> None:
    """A strategy found it too thin: the next refresh takes another one."""
    body = event.body
    assert isinstance(body, ExpiryPassedOver)
    if body.symbol in state.symbols:
        state.symbols[body.symbol].chain.passed_over.add(body.expiry)


_HANDLERS: Mapping[str, Handler] = {
    "ClockStarted": ingest.on_clock_started,
    "ClockTicked": on_tick,
    "ParametersChanged": ingest.on_parameters,
    "RateUpdated": ingest.on_rates,
    "SessionPlanned": ingest.on_session,
    "HistoryImported": ingest.on_history,
    "HistoryReady": _on_history_ready,
    "ChainListed": ingest.on_chain_listed,
    "ExpiryPassedOver": _on_expiry_passed_over,
    "VarianceRefitted": ingest.on_variance_refitted,
    "UnderlyingListed": ingest.on_underlying_listed,
    "SizeUnitChecked": ingest.on_size_unit,
    "LineOpened": ingest.on_line,
    "LineClosed": ingest.on_line,
    "IbTicksReceived": ingest.on_ticks,
    "IbDepthReceived": on_depth,
    "IbBarReceived": on_bar,
}
_VENDOR_HANDLERS: Mapping[str, Handler] = {
    "UwOptionTradeReceived": ingest.on_option_trade,
    "UwFlowAlertReceived": ingest.on_flow_alert,
    "UwMarketTideReceived": ingest.on_tide,
    "UwGexReceived": on_gex,
    "UwNewsReceived": ingest.on_news,
    "UwTradingHaltReceived": ingest.on_halt,
    "UwRestReceived": on_rest,
}


class AnalyticsStage:
    """Stage protocol of domain/stage.py."""

    name = "analytics"
    types: frozenset[str] = frozenset(_HANDLERS) | frozenset(_VENDOR_HANDLERS)

    def initial(self) -> AnalyticsState:
        return AnalyticsState()

    def evolve(self, state: AnalyticsState, event: Recorded) -> AnalyticsState:
        """Fold one event in place. A vendor payload that cannot be read is counted."""
        if state.told:
            state.told.clear()
        if state.due:
            state.due.clear()
        handler = _HANDLERS.get(event.type)
        if handler is not None:
            handler(state, event)
            return state
        vendor = _VENDOR_HANDLERS.get(event.type)
        if vendor is not None:
            try:
                vendor(state, event)
            except (PayloadError, msgspec.DecodeError, ValueError, OverflowError, RecursionError):
                state.unreadable += 1
        return state

    def react(self, state: AnalyticsState, event: Recorded) -> Sequence[Emission]:
        """What the last event gave rise to; changes nothing."""
        if not state.due:
            return state.told
        reports = (
            Emission(f"metrics/{name}", metrics_of(state, name, event.market_time))
            for name in state.due
        )
        return [*state.told, *reports]
