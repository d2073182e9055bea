// The filters of the timeline as they stand in the address, and as the API takes them.

export interface TimelineFilters {
  text: string;
  type: string;
  symbol: string;
  stream: string;
  correlation: string;
  retention: "desk" | "market" | "all";
  from: string;
  to: string;
}

export const NO_FILTERS: TimelineFilters = {
  text: "",
  type: "",
  symbol: "",
  stream: "",
  correlation: "",
  retention: "desk",
  from: "",
  to: "",
};

const NAMES = Object.keys(NO_FILTERS) as (keyof TimelineFilters)[];
const TOKENS: Record<string, keyof TimelineFilters> = {
  type: "type",
  sym: "symbol",
  symbol: "symbol",
  stream: "stream",
  story: "correlation",
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

/** The shortest search text that gives these filters again. */
export function searchFromFilters(filters: TimelineFilters): string {
  const found = new URLSearchParams();
  for (const name of NAMES) {
    if (filters[name] && filters[name] !== NO_FILTERS[name]) found.set(name, filters[name]);
  }
  return found.toString();
}

/** Split one search box into filters: `type:OrderIntended sym:SPY rejected`. */
export function filtersFromBox(box: string, base: TimelineFilters): TimelineFilters {
  const filters: TimelineFilters = { ...base, text: "", type: "", symbol: "", stream: "" };
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
    filters.text,
  ]
    .filter(Boolean)
    .join(" ");
}
