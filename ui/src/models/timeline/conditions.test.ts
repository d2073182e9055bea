import { expect, it } from "vitest";
import { conditionsOf } from "./conditions";

it("shows what did not pass first, with the words of the event", () => {
  const payload = JSON.stringify({
    gates: [
      { code: "WINDOW", result: "pass", measured: "10:05", threshold: "10:00", reason: "" },
      { code: "LIQUIDITY", result: "unevaluable", measured: "-", threshold: "500", reason: "r" },
    ],
    checks: [
      { code: "EQUITY", result: "pass", limit: "1", value: "2", input: "i" },
      { code: "MARGIN", result: "fail", limit: "3", value: "4", input: "" },
    ],
  });
  expect(conditionsOf(payload, "gates")).toEqual([
    { code: "LIQUIDITY", result: "unevaluable", measured: "-", limit: "500", note: "r" },
    { code: "WINDOW", result: "pass", measured: "10:05", limit: "10:00", note: "" },
  ]);
  expect(conditionsOf(payload, "checks").map((row) => [row.code, row.measured])).toEqual([
    ["MARGIN", "4"],
    ["EQUITY", "2"],
  ]);
  expect(conditionsOf("{}", "gates")).toEqual([]);
});
