import { describe, expect, it } from "vitest";
import { exampleEvent } from "./example-events";
import { groupEvents, storyStages } from "./group-events";
import { groupId } from "./group-id";
import { groupName } from "./group-name";

const rows = [
  exampleEvent(4, { type: "DeliveryConfirmed" }),
  exampleEvent(3, { correlation_id: "story-2", type: "TradingHalted" }),
  exampleEvent(2, { type: "PositionOpened", summary: "SPY" }),
  exampleEvent(1, { type: "SignalRaised" }),
];

describe("groupEvents", () => {
  it("keeps every event once, in the group of its story", () => {
    const groups = groupEvents(rows);
    expect(groups.map((group) => group.id)).toEqual(["story-1", "story-2"]);
    expect(groups.flatMap((group) => group.events)).toHaveLength(rows.length);
    expect(groups[0]?.events.every((event) => groupId(event) === "story-1")).toBe(true);
  });

  it("names a group by the event that says most", () => {
    expect(groupEvents(rows).map((group) => group.name)).toEqual([
      "PositionOpened: SPY",
      "TradingHalted: event 3",
    ]);
    expect(groupName([])).toBe("nothing");
    expect(groupName([exampleEvent(1, { type: "BrokerReady", summary: "" })])).toBe("BrokerReady");
  });
});

describe("storyStages", () => {
  it("orders stages as a trade runs and leaves empty ones out", () => {
    const stages = storyStages(rows);
    expect(stages.map((stage) => stage.lane)).toEqual(["signal", "position", "message", "control"]);
    expect(stages.flatMap((stage) => stage.events)).toHaveLength(rows.length);
  });
});
