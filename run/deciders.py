"""Which worker alone decides events of a type: whoever else writes one has forged it.

Read by verify-decisions. What a stage emits and a shell writes down as well (alerts, refused
requests, parameters, blocks of order ids, deliveries that expired) has no place here: of such an
event its writer says nothing. A test holds the list against the code.
"""

from __future__ import annotations

from domain.event import Recorded

_SIGNALS = """
AuctionSessionClosed BarIgnored CalibrationUpdated ChainEvaluated ClosingVolatility DriftPredicted
DriftResolved ExpiryPassedOver FlowModeContradicted HaltEnded HaltStarted MetricComputed
MicroPriceEstimated PredictionMade PredictionResolved PredictionVoided RollPassedOver RollProposed
SignalExpired
SignalGatesChanged SignalInvalidated SignalRaised SignalValidated VarianceRefitted
"""
_TRADER = """
BrokerReady BrokerSnapshotWanted CashFlowRecorded CommissionRecorded EntryRefused EntryWaited
ExitDecided ExitPlanChanged FillInferred FillRecorded FlattenStarted MarginChecked
OrderCancelIntended OrderChanged OrderIntended OrderModifyIntended PnlExplained PositionAdjusted
PositionChanged PositionClosed PositionMarked PositionOpened PositionReopened PositionRolled
PositionWatermark ReconciliationCompleted RiskDecided RollDecided RollRefused StopMoved
TradeApproved TradingHalted TradingReleased TradingStateChanged WhatIfWanted
"""
_OUTBOX = """
ApprovalAnswered ApprovalDecided ApprovalExpired ApprovalPromptWanted DeliveryAttempted
DeliveryEscalated DeliveryReconciling DeliveryScheduled DraftChecked DraftRequested
PublicationWithheld ReportDue ReportSkipped
"""

DECIDED_BY: dict[str, frozenset[str]] = {
    **{name: frozenset({"signals"}) for name in _SIGNALS.split()},
    **{name: frozenset({"trader"}) for name in _TRADER.split()},
    **{name: frozenset({"outbox"}) for name in _OUTBOX.split()},
    "ApprovalRequested": frozenset({"trader", "outbox"}),
    "LinesWanted": frozenset({"signals", "trader"}),
}
"""Type: the workers of run/workers.py whose stages emit it."""


def forgery(event: Recorded) -> str | None:
    """What is wrong about who wrote an event of a type that stages decide; None when nothing is.

    Whether that worker would decide it is for its stages to say.
    """
    deciders = DECIDED_BY.get(event.type)
    if deciders is None or (event.worker in deciders and event.is_emission):
        return None
    by = " or ".join(sorted(deciders))
    how = "as a decision" if event.is_emission else "not as a decision"
    return f"{event.type} is decided by {by} alone, was written by {event.worker} {how}"
