import { describe, expect, it } from "vitest";
import { chainRows, DEPTH_SHOWN_MAX } from "./chain-rows";
import { durationText } from "./durations";
import { exampleEvent } from "./example-events";

const child = (position: number, parent: number) =>
  exampleEvent(position, { causation_id: `event-${parent}` });

describe("chainRows", () => {
  it("indents effects below the event and says how long each took", () => {
    const rows = chainRows({
      causes: [exampleEvent(1), child(2, 1)],
      event: child(4, 2),
      effects: [
        { ...child(5, 4), depth: 1 },
        { ...child(9, 5), depth: 2 },
        { ...child(6, 4), depth: 1 },
      ],
    });
    expect(rows.map((row) => [row.event.position, row.role, row.depth, row.after])).toEqual([
      [1, "cause", 0, ""],
      [2, "cause", 1, "1.0 s"],
      [4, "self", 2, "2.0 s"],
      [5, "effect", 3, "1.0 s"],
      [9, "effect", 4, "4.0 s"],
      [6, "effect", 3, "2.0 s"],
    ]);
  });

  it("places events in time from the root to the last, never before their cause", () => {
    const rows = chainRows({
      causes: [exampleEvent(1)],
      event: child(2, 1),
      effects: [
        { ...child(60, 2), depth: 1 },
        { ...child(3, 2), depth: 1 },
      ],
    });
    expect(rows.map((row) => row.to).toSorted((a, b) => a - b)).toEqual(
      rows.toSorted((a, b) => a.event.position - b.event.position).map((row) => row.to),
    );
    expect([rows[0]?.to, rows[2]?.to]).toEqual([0, 1]);
    for (const row of rows) expect(row.from).toBeLessThanOrEqual(row.to);
    expect(rows[3]?.from).toBe(rows[1]?.to);
  });

  it("stops indenting somewhere", () => {
    const causes = Array.from({ length: 40 }, (_, n) => exampleEvent(n));
    const event = exampleEvent(50);
    const rows = chainRows({ causes, event, effects: [] });
    expect(Math.max(...rows.map((row) => row.depth))).toBe(DEPTH_SHOWN_MAX);
  });
});

describe("durationText", () => {
  it.each([
    [0, "0 ms"],
    [999, "999 ms"],
    [1_500, "1.5 s"],
    [61_000, "1 min 1 s"],
    [3_660_000, "1 h 1 min"],
    [-20, "-20 ms"],
    [Number.NaN, ""],
  ])("shows %s ms as %s", (length, text) => expect(durationText(length)).toBe(text));
});
