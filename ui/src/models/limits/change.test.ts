import { expect, it } from "vitest";
import type { LimitRow } from "../../api/limit-types";
import { boundsText, changeBody, endings, groupOf } from "./change";

const LIMIT: LimitRow = {
  name: "risk.limit.position",
  value: 0.015,
  default: 0.015,
  unit: "share of E",
  low: 0,
  high: 0.05,
  choices: [],
  source: "prior",
  who: null,
  why: null,
  until: null,
  since: null,
  event_id: null,
  use: null,
};

function clock(iso: string): string {
  return iso.slice(11, 16);
}

function texts(at: string): string[] {
  return endings(at, "2026-10-06T20:00:00Z", clock).map(([, text]) => text);
}

it("sends a number as a number and a word as a word", () => {
  expect(changeBody(LIMIT, { value: "0.01" })).toEqual({
    values: { "risk.limit.position": 0.01 },
    until: null,
  });
  const mode = { ...LIMIT, name: "risk.approval.0DTE", default: "auto", choices: ["auto", "ask"] };
  expect(changeBody(mode, { value: "ask", until: "2026-10-06T20:00:00Z" })).toEqual({
    values: { "risk.approval.0DTE": "ask" },
    until: "2026-10-06T20:00:00Z",
  });
});

it("names the group and the bounds", () => {
  expect(groupOf("risk.limit.bucket.0DTE")).toBe("limit");
  expect(groupOf("risk.account_kind")).toBe("other");
  expect(boundsText(LIMIT)).toBe("0 to 0.05");
  expect(boundsText({ ...LIMIT, low: null, high: null, choices: ["auto", "ask"] })).toBe("auto, ask");
});

it("offers an hour first, and the close only before it", () => {
  expect(texts("2026-10-06T18:30:00Z")).toEqual([
    "for an hour, until 19:30",
    "until the close, 20:00",
    "for good",
  ]);
  expect(texts("2026-10-06T20:10:00Z")).toEqual(["for an hour, until 21:10", "for good"]);
  expect(endings(undefined, undefined, String)).toEqual([["", "for good"]]);
});
