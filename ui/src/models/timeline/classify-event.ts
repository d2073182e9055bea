// Which lane an event belongs to and how loud it is: computed once, used for filters and colours.

export type Lane =
  | "market"
  | "signal"
  | "risk"
  | "order"
  | "position"
  | "message"
  | "control"
  | "system";
type Tone = "normal" | "good" | "warning" | "bad";

// Order matters: the first pattern that fits decides.
const LANE_OF: readonly [RegExp, Lane][] = [
  [/^(Uw|Ib|Metric|Prediction|Line|Chain|Underlying|History|Feed)/, "market"],
  [/^(Signal|ExpiryPassedOver|RollProposed|RollPassedOver)/, "signal"],
  [/^(Risk|Margin|WhatIf|CashFlow|EntryRefused|RollDecided|RollRefused)/, "risk"],
  [/^(Halt|Trading|Release|Flatten|Control|CacheFlush|TradeCancel|Adjustment|LimitsChange|Alert|Login)/, "control"],
  [/^(Position|Stop|Exit|Pnl|FillInferred)/, "position"],
  [/^(Order|Intent|Broker|Fill|Commission|Reconciliation|Emergency|EntryWaited)/, "order"],
  [/^(Delivery|Publication|Approval|Telegram|Report|Draft)/, "message"],
];
const BAD = /(Rejected|Fault|Refused|Escalated|Withheld|Inferred|Error|Emergency|Failed|Disconnected)/;
const WARNING = /(Halted|Unknown|Gap|Lapsed|Expired|Invalidated|AlertRaised|Skipped|Stepped)/;
const GOOD = /(Confirmed|Filled|FillRecorded|PositionClosed|Released|Ready|GapClosed)/;

export function laneOf(type: string): Lane {
  if (/^Feed(Pause|Resume)Requested$/.test(type)) return "control";
  return LANE_OF.find(([pattern]) => pattern.test(type))?.[1] ?? "system";
}

export function toneOf(type: string): Tone {
  if (type === "FeedGapClosed") return "good";
  // The broker reports connections that are well as errors too.
  if (type === "BrokerErrorSeen") return "warning";
  if (BAD.test(type)) return "bad";
  if (WARNING.test(type)) return "warning";
  return GOOD.test(type) ? "good" : "normal";
}
