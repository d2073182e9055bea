import { expect, it } from "vitest";
import type { MetricRow } from "../../api/analytics-types";
import { doubt, isOld, matching, numbersText } from "./listing";

const GOOD = { value: "670.5", quality: "OK", reason: "", as_of: "2026-10-06T14:00:00Z" };
const OLD = { ...GOOD, value: null, quality: "STALE", reason: "QUOTE_OLD" };
const ROW: MetricRow = {
  metric: "vwap",
  unit: "$",
  module: "vwap",
  meaning: "volume-weighted average price",
  symbols: { SPY: GOOD, QQQ: OLD, IWM: null },
};

it("finds metrics by words of name, meaning and what is wrong with them", () => {
  const rows = [ROW, { ...ROW, metric: "rr25", meaning: "skew", symbols: { SPY: GOOD } }];
  expect(matching(rows, "")).toEqual(rows);
  expect(matching(rows, "average WEIGHTED").map((row) => row.metric)).toEqual(["vwap"]);
  expect(matching(rows, "stale quote_old")).toEqual([ROW]);
});

it("says nothing of a good value and why another is none", () => {
  expect(doubt(GOOD)).toBe("");
  expect(doubt(OLD)).toBe("STALE QUOTE_OLD");
  expect(doubt(null)).toBe("not reported yet");
});

it("calls a report old by the market's time, and one that never came", () => {
  const at = "2026-10-06T14:00:00Z";
  expect(isOld(at, "2026-10-06T14:01:30Z")).toBe(false);
  expect(isOld(at, "2026-10-06T14:01:31Z")).toBe(true);
  expect(isOld(null, at)).toBe(true);
});

it("tells a forecast by its numbers as they are recorded", () => {
  const about = { symbol: "SPY", model: "P2", kind: "prob", bucket: "0DTE" };
  const made = { made_at: "2026-10-06T14:00:00Z", horizon_end: null };
  expect(numbersText({ ...about, ...made, values: { p: "0.58", slot: null } })).toBe(
    "p 0.58, slot –",
  );
});
