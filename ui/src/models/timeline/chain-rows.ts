// A causation chain as rows of a waterfall: causes from the root down, the event, its effects,
// each with its depth and its place in time.
import type { Chain, EventRow } from "../../api/types";
import { laneOf, type Lane } from "./classify-event";
import { durationText } from "./durations";

export const DEPTH_SHOWN_MAX = 12;

export interface ChainRow {
  event: EventRow;
  role: "cause" | "self" | "effect";
  depth: number;
  lane: Lane;
  /** Real time from the cause's record to this one's; empty at the root. */
  after: string;
  /** Where the cause and the event itself stand between the root (0) and the last event (1). */
  from: number;
  to: number;
}

export function chainRows(chain: Omit<Chain, "missing_cause" | "is_cut">): ChainRow[] {
  const own = chain.causes.length;
  const members: [EventRow, ChainRow["role"], number][] = [
    ...chain.causes.map((cause, depth): [EventRow, "cause", number] => [cause, "cause", depth]),
    [chain.event, "self", own],
    ...chain.effects.map((effect): [EventRow, "effect", number] => [
      effect,
      "effect",
      own + effect.depth,
    ]),
  ];
  const times = members.map(([event]) => Date.parse(event.recorded_at));
  const start = Math.min(...times);
  const place = placeBetween(start, Math.max(...times));
  const recordedAt = new Map(members.map(([event], index) => [event.event_id, times[index]]));
  return members.map(([event, role, depth], index) => {
    const at = times[index] ?? start;
    const causeAt = event.causation_id ? recordedAt.get(event.causation_id) : undefined;
    return {
      event,
      role,
      depth: Math.min(depth, DEPTH_SHOWN_MAX),
      lane: laneOf(event.type),
      after: causeAt === undefined ? "" : durationText(at - causeAt),
      from: place(causeAt ?? at),
      to: place(at),
    };
  });
}

/** Logarithmic: the milliseconds of a decision stay visible beside the minutes of a trade. */
function placeBetween(start: number, end: number): (at: number) => number {
  const whole = Math.log1p(Math.max(1, end - start));
  return (at) => Math.log1p(Math.max(0, at - start)) / whole;
}
