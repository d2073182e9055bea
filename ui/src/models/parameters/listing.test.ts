import { expect, it } from "vitest";
import type { ParameterRow } from "../../api/limit-types";
import { listing, matching, partOf } from "./listing";

const NAMES = [
  "bar_age_max",
  "execution.dwell_normal_s",
  "new_part.size",
  "risk.limit.symbol",
  "signals.0dte.enabled",
  "signals.bias",
];

function row(name: string, why: string | null = null): ParameterRow {
  return {
    name,
    value: 1,
    default: 1,
    unit: "s",
    low: 0,
    high: 2,
    choices: [],
    source: "prior",
    who: "ann",
    why,
    until: null,
    since: null,
    event_id: null,
  };
}

it("lists every parameter once, under the part of the rules that reads it", () => {
  const titles = listing(NAMES.map((name) => row(name))).map(([title, rows]) => [title, rows.length]);
  expect(titles).toEqual([
    ["Analytics", 1],
    ["Signals", 1],
    ["Signals, 0DTE", 1],
    ["Limits of risk", 1],
    ["Execution", 1],
    ["new_part", 1],
  ]);
  expect(partOf("signals.14d.weight.tide")).toBe("signals.14d");
});

it("finds by words of the name or the reason, all of them, in any case", () => {
  const rows = [row("signals.bias", "Holiday week"), row("signals.0dte.enabled"), row("stop.atr")];
  const names = (text: string) => matching(rows, text).map(({ name }) => name);
  expect(names("signals")).toEqual(["signals.bias", "signals.0dte.enabled"]);
  expect(names(" week  signals ")).toEqual(["signals.bias"]);
  expect(names("SIGNALS atr")).toEqual([]);
  expect(names("")).toHaveLength(3);
});
