// Types that say how the desk keeps itself going. Many and dull, so the timeline leaves them out
// until it is asked for them.

export const HOUSEKEEPING: readonly string[] = [
  "BrokerAccountSeen",
  "BrokerCommissionSeen",
  "BrokerSnapshotReceived",
  "BrokerSnapshotWanted",
  "BrokerTimeSeen",
  "CalibrationUpdated",
  "ChainListed",
  "ClockTicked",
  "DriftPredicted",
  "DriftResolved",
  "HistoryImported",
  "LineClosed",
  "LineOpened",
  "LinesWanted",
  "PredictionMade",
  "PredictionResolved",
  "PredictionVoided",
  "ProcessHeartbeat",
  "UnderlyingListed",
];
