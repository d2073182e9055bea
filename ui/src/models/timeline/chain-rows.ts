// A causation chain as rows of an indented list: causes from the root down, the event, its effects.
import type { Chain, EventRow } from "../../api/types";
import { laneOf, type Lane } from "./classify-event";
import { durationBetween } from "./durations";

export const DEPTH_SHOWN_MAX = 12;

export interface ChainRow {
  event: EventRow;
  role: "cause" | "self" | "effect";
  depth: number;
  lane: Lane;
  /** Real time from the cause's record to this one's; empty at the root. */
  after: string;
}

export function chainRows(chain: Chain): ChainRow[] {
  const rows: ChainRow[] = [];
  const byId = new Map<string, EventRow>();
  const add = (event: EventRow, role: ChainRow["role"], depth: number) => {
    const cause = event.causation_id ? byId.get(event.causation_id) : undefined;
    byId.set(event.event_id, event);
    rows.push({
      event,
      role,
      depth: Math.min(depth, DEPTH_SHOWN_MAX),
      lane: laneOf(event.type),
      after: cause ? durationBetween(cause.recorded_at, event.recorded_at) : "",
    });
  };
  chain.causes.forEach((cause, index) => add(cause, "cause", index));
  const own = chain.causes.length;
  add(chain.event, "self", own);
  for (const effect of chain.effects) add(effect, "effect", own + effect.depth);
  return rows;
}
