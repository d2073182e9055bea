import { describe, expect, it } from "vitest";
import { laneOf, toneOf } from "./classify-event";

describe("laneOf", () => {
  it.each([
    ["UwPriceReceived", "market"],
    ["FeedStateChanged", "market"],
    ["FeedPauseRequested", "control"],
    ["SignalValidated", "signal"],
    ["ExpiryPassedOver", "signal"],
    ["RollProposed", "signal"],
    ["RollPassedOver", "signal"],
    ["RiskDecided", "risk"],
    ["RollDecided", "risk"],
    ["RollRefused", "risk"],
    ["PositionRolled", "position"],
    ["EntryRefused", "risk"],
    ["OrderIntended", "order"],
    ["EntryWaited", "order"],
    ["FillRecorded", "order"],
    ["FillInferred", "position"],
    ["PositionClosed", "position"],
    ["DeliveryConfirmed", "message"],
    ["TradingHalted", "control"],
    ["WorkerStarted", "system"],
    ["SomethingNew", "system"],
  ])("puts %s into the lane %s", (type, lane) => expect(laneOf(type)).toBe(lane));
});

describe("toneOf", () => {
  it.each([
    ["DeliveryRejected", "bad"],
    ["BrokerErrorSeen", "warning"],
    ["TradingHalted", "warning"],
    ["AlertRaised", "warning"],
    ["AlertAcknowledged", "normal"],
    ["FeedGapOpened", "warning"],
    ["FeedGapClosed", "good"],
    ["DeliveryConfirmed", "good"],
    ["OrderIntended", "normal"],
  ])("gives %s the tone %s", (type, tone) => expect(toneOf(type)).toBe(tone));
});
