// What a group is called: by the event that says most about it, else by its first.
import type { EventRow } from "../../api/types";

const TELLING = ["PositionOpened", "SignalValidated", "SignalRaised", "ReportDue", "HaltRequested"];

export function groupName(events: readonly Pick<EventRow, "type" | "summary">[]): string {
  for (const type of TELLING) {
    const event = events.find((candidate) => candidate.type === type);
    if (event) return named(event);
  }
  const first = events[0];
  return first ? named(first) : "nothing";
}

function named(event: Pick<EventRow, "type" | "summary">): string {
  return event.summary ? `${event.type}: ${event.summary}` : event.type;
}
