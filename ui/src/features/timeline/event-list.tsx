// Events as rows, newest first, or grouped by story. A row opens the event in the drawer.
import type { EventRow } from "../../api/types";
import { clockText } from "../../models/format/times";
import { laneOf, toneOf } from "../../models/timeline/classify-event";
import { groupEvents } from "../../models/timeline/group-events";
import { Link } from "../../routes/link";
import { usePlace, withParameter } from "../../routes/location";
import { useDesk } from "../login/session";

const GROUP_SHOWN_MAX = 8;

/** The kind of an event: its lane as a mark, its tone as a colour, its name in words. */
export function EventName({ type }: { type: string }) {
  return (
    <span className={`event-name tone-${toneOf(type)}`}>
      <span className={`lane lane-${laneOf(type)}`} title={laneOf(type)} />
      {type}
    </span>
  );
}

function EventLine({ event }: { event: EventRow }) {
  const place = usePlace();
  const { timeMode } = useDesk();
  const isOpen = new URLSearchParams(place.search).get("event") === event.event_id;
  return (
    <Link
      to={withParameter(place, "event", event.event_id)}
      className={`event-row${isOpen ? " open" : ""}`}
      isRow
    >
      <time dateTime={event.market_time}>{clockText(event.market_time, timeMode)}</time>
      <EventName type={event.type} />
      <span className="event-summary">{event.summary}</span>
      <span className="event-stream">{event.stream}</span>
      <span className="event-position">{event.position}</span>
    </Link>
  );
}

export function EventList({ events, label }: { events: readonly EventRow[]; label: string }) {
  return (
    <ol className="event-list" aria-label={label}>
      {events.map((event) => (
        <li key={event.event_id}>
          <EventLine event={event} />
        </li>
      ))}
    </ol>
  );
}

export function StoryList({ events }: { events: readonly EventRow[] }) {
  return (
    <ol className="story-list" aria-label="Events by story">
      {groupEvents(events).map((group) =>
        group.events.length === 1 ? (
          <li key={group.id}>
            <EventList events={group.events} label={group.name} />
          </li>
        ) : (
          <li key={group.id} className="story">
            <h3>
              <Link to={`/explain/${group.id}`}>{group.name}</Link>{" "}
              <small>{group.events.length} events</small>
            </h3>
            <EventList events={group.events.slice(0, GROUP_SHOWN_MAX)} label={group.name} />
            {group.events.length > GROUP_SHOWN_MAX && (
              <Link to={`/timeline?correlation=${group.id}`}>
                {group.events.length - GROUP_SHOWN_MAX} more of this story
              </Link>
            )}
          </li>
        ),
      )}
    </ol>
  );
}
