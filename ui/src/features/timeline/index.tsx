// The audit timeline: every event of the log under the filters of the address, with a live tail.
import { Panel } from "../../components/ui/panel";
import {
  filtersFromSearch,
  searchFromFilters,
  type TimelineFilters,
} from "../../models/timeline/filters";
import { navigate, usePlace, withParameter } from "../../routes/location";
import { EventList, StoryList } from "./event-list";
import { FilterBar } from "./filter-bar";
import { useTimeline } from "./use-timeline";

const STALE_SECONDS = 8;

export function Timeline() {
  const { search } = usePlace();
  const filters = filtersFromSearch(search);
  const address = searchFromFilters(filters);
  const event = new URLSearchParams(search).get("event") ?? "";
  const show = (changed: TimelineFilters) => {
    const place = { path: "/timeline", search: searchFromFilters(changed) };
    navigate(withParameter(place, "event", event));
  };
  return (
    <>
      <h1 className="hidden">Timeline</h1>
      <FilterBar
        filters={filters}
        isFocused={new URLSearchParams(search).has("focus")}
        onChange={show}
      />
      <Rows key={address} address={address} />
    </>
  );
}

function Rows({ address }: { address: string }) {
  const filters = filtersFromSearch(address);
  const timeline = useTimeline(filters);
  const { rows, isPaused, waiting } = timeline;
  const isLive = !isPaused && filters.to === "";
  return (
    <Panel
      title="Events"
      error={timeline.error}
      {...(isLive ? { readAt: timeline.readAt, staleAfterSeconds: STALE_SECONDS } : {})}
    >
      <p className="tail">
        {filters.to === "" && (
          <button
            type="button"
            aria-pressed={isPaused}
            onClick={() => timeline.setPaused(!isPaused)}
          >
            {isPaused ? "▶ Go on" : "❚❚ Pause"}
          </button>
        )}
        <output>{tailText(isPaused, waiting, filters.to !== "", rows.length)}</output>
      </p>
      {rows.length === 0 && !timeline.isLoading && !timeline.error && (
        <p className="empty">
          {timeline.hasOlder ? "Nothing found so far." : "Nothing on the log fits these filters."}
        </p>
      )}
      {filters.group === "story" ? (
        <StoryList events={rows} />
      ) : (
        <EventList events={rows} label="Events" />
      )}
      {timeline.isLoading && <p className="empty">Reading the log…</p>}
      {timeline.hasOlder && !timeline.isLoading && (
        <button type="button" onClick={timeline.loadOlder}>
          Older events
        </button>
      )}
    </Panel>
  );
}

function tailText(isPaused: boolean, waiting: number, hasEnd: boolean, count: number): string {
  if (hasEnd) return `${count} events, a closed stretch`;
  if (isPaused) return `paused at ${count} events; ${waiting} newer on the log`;
  return `${count} events, newest first`;
}
