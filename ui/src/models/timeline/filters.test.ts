import { describe, expect, it } from "vitest";
import {
  boxFromFilters,
  filtersFromBox,
  filtersFromSearch,
  NO_FILTERS,
  queryFromFilters,
  searchFromFilters,
  type TimelineFilters,
} from "./filters";

const WORDS = ["", "SPY", "a b", "x&y=z", "100%", "order/1"];

describe("filters in the address", () => {
  it("come back as they were, for every combination of values", () => {
    for (const text of WORDS) {
      for (const type of ["", "OrderIntended,FillRecorded"]) {
        for (const retention of ["desk", "market", "all"] as const) {
          const filters: TimelineFilters = { ...NO_FILTERS, text, type, retention, stream: text };
          expect(filtersFromSearch(searchFromFilters(filters))).toEqual(filters);
        }
      }
    }
  });

  it("leave out what is not set", () => {
    expect(searchFromFilters(NO_FILTERS)).toBe("");
    expect(filtersFromSearch("?retention=nonsense&other=1")).toEqual(NO_FILTERS);
  });
});

const queried = (values: Partial<TimelineFilters>) =>
  new URLSearchParams(queryFromFilters({ ...NO_FILTERS, ...values }));

describe("filters for the API", () => {
  it("leave housekeeping out until it is asked for", () => {
    expect(queried({}).get("without")).toContain("LineOpened");
    expect(queried({ housekeeping: "shown" }).toString()).toBe("");
  });

  it("hide nothing of a story, and nothing that is named", () => {
    expect(queried({ type: "LineOpened" }).toString()).toBe("type=LineOpened");
    expect(queried({ correlation: "c-1", group: "story" }).toString()).toBe("correlation=c-1");
  });
});

describe("filters in the search box", () => {
  it("are taken out of the words", () => {
    const filters = filtersFromBox("type:OrderIntended sym:SPY stream:order/ bad price", NO_FILTERS);
    expect(filters).toMatchObject({
      type: "OrderIntended",
      symbol: "SPY",
      stream: "order/",
      text: "bad price",
    });
    expect(filtersFromBox(boxFromFilters(filters), NO_FILTERS)).toEqual(filters);
  });

  it("keep a word with a colon that is no filter", () => {
    expect(filtersFromBox("http://x type:", NO_FILTERS).text).toBe("http://x type:");
  });
});
