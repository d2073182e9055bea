// The filters of the timeline: as they stand in the address, in the search box, and as the API
// takes them.
import { HOUSEKEEPING } from "./housekeeping";

export interface TimelineFilters {
  text: string;
  type: string;
  symbol: string;
  stream: string;
  worker: string;
  correlation: string;
  retention: "desk" | "market" | "all";
  from: string;
  to: string;
  /** "shown" to see types that say only how the desk keeps itself going. */
  housekeeping: string;
  /** "story" to see rows of one story together. */
  group: string;
}

export const NO_FILTERS: TimelineFilters = {
  text: "",
  type: "",
  symbol: "",
  stream: "",
  worker: "",
  correlation: "",
  retention: "desk",
  from: "",
  to: "",
  housekeeping: "",
  group: "",
};

const NAMES = Object.keys(NO_FILTERS) as (keyof TimelineFilters)[];
// What the page does by itself with the rows it has.
const OF_THE_PAGE: readonly (keyof TimelineFilters)[] = ["housekeeping", "group"];
const TOKENS: Record<string, keyof TimelineFilters> = {
  type: "type",
  sym: "symbol",
  symbol: "symbol",
  stream: "stream",
  worker: "worker",
};

export function filtersFromSearch(search: string): TimelineFilters {
  const given = new URLSearchParams(search);
  const filters: TimelineFilters = { ...NO_FILTERS };
  for (const name of NAMES) {
    const value = given.get(name);
    if (value === null) continue;
    if (name !== "retention") filters[name] = value;
    else if (value === "market" || value === "all") filters.retention = value;
  }
  return filters;
}

function written(filters: TimelineFilters, names: readonly (keyof TimelineFilters)[]): string {
  const found = new URLSearchParams();
  for (const name of names) {
    if (filters[name] && filters[name] !== NO_FILTERS[name]) found.set(name, filters[name]);
  }
  return found.toString();
}

/** The shortest search text that gives these filters again. */
export function searchFromFilters(filters: TimelineFilters): string {
  return written(filters, NAMES);
}

/** The same for the API. Who names types or a story wants all of them, dull or not. */
export function queryFromFilters(filters: TimelineFilters): string {
  const query = new URLSearchParams(
    written(
      filters,
      NAMES.filter((name) => !OF_THE_PAGE.includes(name)),
    ),
  );
  if (hidesHousekeeping(filters)) query.set("without", HOUSEKEEPING.join(","));
  return query.toString();
}

export function hidesHousekeeping(filters: TimelineFilters): boolean {
  return filters.housekeeping !== "shown" && !filters.type && !filters.correlation;
}

/** Split one search box into filters: `type:OrderIntended sym:SPY rejected`. */
export function filtersFromBox(box: string, base: TimelineFilters): TimelineFilters {
  const filters: TimelineFilters = {
    ...base,
    text: "",
    type: "",
    symbol: "",
    stream: "",
    worker: "",
  };
  const words: string[] = [];
  for (const part of box.split(/\s+/).filter(Boolean)) {
    const [token = "", ...rest] = part.split(":");
    const name = TOKENS[token.toLowerCase()];
    const value = rest.join(":");
    if (name && name !== "retention" && value) filters[name] = value;
    else words.push(part);
  }
  filters.text = words.join(" ");
  return filters;
}

export function boxFromFilters(filters: TimelineFilters): string {
  return [
    filters.type && `type:${filters.type}`,
    filters.symbol && `sym:${filters.symbol}`,
    filters.stream && `stream:${filters.stream}`,
    filters.worker && `worker:${filters.worker}`,
    filters.text,
  ]
    .filter(Boolean)
    .join(" ");
}
