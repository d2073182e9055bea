// Sets of types that people look for together, one press each on the timeline.

interface Preset {
  name: string;
  types: readonly string[];
}

export const PRESETS: readonly Preset[] = [
  {
    name: "Trades",
    types: [
      "SignalValidated",
      "OrderIntended",
      "FillRecorded",
      "PositionOpened",
      "PositionRolled",
      "StopMoved",
      "ExitDecided",
      "PositionClosed",
    ],
  },
  {
    name: "Decisions",
    types: [
      "SignalRaised",
      "SignalValidated",
      "SignalInvalidated",
      "RiskDecided",
      "EntryRefused",
      "RollProposed",
      "RollPassedOver",
      "RollDecided",
      "RollRefused",
    ],
  },
  {
    name: "Orders",
    types: [
      "OrderIntended",
      "IntentSent",
      "IntentLapsed",
      "OrderChanged",
      "OrderModifyIntended",
      "EntryWaited",
      "OrderCancelIntended",
      "FillRecorded",
      "ReconciliationCompleted",
    ],
  },
  {
    name: "Messages",
    types: [
      "DeliveryScheduled",
      "DeliveryConfirmed",
      "DeliveryRejected",
      "DeliveryUnknown",
      "ApprovalRequested",
      "ApprovalDecided",
      "ApprovalExpired",
      "ReportDue",
      "DraftChecked",
    ],
  },
  {
    name: "Controls",
    types: [
      "HaltRequested",
      "TradingHalted",
      "ReleaseRequested",
      "TradingReleased",
      "FlattenRequested",
      "FlattenStarted",
      "FeedPauseRequested",
      "FeedResumeRequested",
      "TradeCancelRequested",
      "ExitPlanChangeRequested",
      "ExitPlanChanged",
      "LimitsChangeRequested",
      "ParametersChangeRequested",
      "AdjustmentRequested",
      "PositionAdjusted",
      "CashFlowRequested",
      "CashFlowRecorded",
      "TradeApproved",
      "CacheFlushRequested",
      "ControlRefused",
      "AlertAcknowledged",
      "LoginSucceeded",
      "LoginFailed",
    ],
  },
  {
    name: "Faults",
    types: [
      "AlertRaised",
      "ProcessFault",
      "WorkerStopped",
      "WorkerRetryRequested",
      "FeedGapOpened",
      "BrokerDisconnected",
      "BrokerErrorSeen",
      "DeliveryRejected",
      "DeliveryEscalated",
      "InputSkipped",
    ],
  },
];
