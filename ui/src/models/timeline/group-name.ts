// What a group is called: by the event that says most about it, else by its first.
import type { EventRow } from "../../api/types";

const TELLING = ["PositionOpened", "SignalValidated", "SignalRaised", "ReportDue", "HaltRequested"];

export function groupName(events: readonly Pick<EventRow, "type" | "summary">[]): string {
  for (const type of TELLING) {
    const event = events.find((candidate) => candidate.type === type);
    if (event) return `${event.type}: ${event.summary}`;
  }
  const first = events[0];
  return first ? `${first.type}: ${first.summary}` : "nothing";
}
