// Groups of neighbouring rows of one story, in the order of their newest row; and the stages of a
// story for the page that explains a trade.
import type { EventRow } from "../../api/types";
import { laneOf, type Lane } from "./classify-event";
import { groupId } from "./group-id";
import { groupName } from "./group-name";

interface EventGroup {
  id: string;
  name: string;
  events: EventRow[];
}

export function groupEvents(events: readonly EventRow[]): EventGroup[] {
  const groups = new Map<string, EventRow[]>();
  for (const event of events) {
    const known = groups.get(groupId(event));
    if (known) known.push(event);
    else groups.set(groupId(event), [event]);
  }
  return Array.from(groups, ([id, members]) => {
    const oldestFirst = members.toSorted((a, b) => a.position - b.position);
    return { id, name: groupName(oldestFirst), events: members };
  });
}

interface StoryStage {
  lane: Lane;
  title: string;
  events: EventRow[];
}

const STAGES: readonly [Lane, string][] = [
  ["market", "What the market showed"],
  ["signal", "The signal"],
  ["risk", "Risk checks"],
  ["order", "Orders and fills"],
  ["position", "The position"],
  ["message", "What was told to whom"],
  ["control", "What people did"],
  ["system", "The rest"],
];

/** The stages of a story that have events, in the order in which a trade runs through them. */
export function storyStages(events: readonly EventRow[]): StoryStage[] {
  return STAGES.map(([lane, title]) => ({
    lane,
    title,
    events: events.filter((event) => laneOf(event.type) === lane),
  })).filter((stage) => stage.events.length > 0);
}
