// The group of an event on the timeline: its story, which all events of a trade share.
import type { EventRow } from "../../api/types";

export function groupId(event: Pick<EventRow, "correlation_id">): string {
  return event.correlation_id;
}
