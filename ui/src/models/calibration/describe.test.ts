import { expect, it } from "vitest";
import { EXAMPLE } from "./example-row";
import { choices, figure, filtersOf, gateText, matching, place, scoreLines } from "./describe";

it("says what the gate does, and nothing where none judges", () => {
  expect(gateText(EXAMPLE)).toBe("MODEL_TRUST fails: no entries");
  expect(gateText({ ...EXAMPLE, gate: "pass" })).toBe("MODEL_TRUST passes, size × 0.50");
  expect(gateText({ ...EXAMPLE, gate: "" })).toBe("judges no entry");
});

it("puts scores for ever and of late side by side, a dash for what is not known", () => {
  const lines = scoreLines(EXAMPLE);
  expect(lines).toContainEqual(["Skill against the base rate", "0.040", "-0.060"]);
  expect(lines).toContainEqual(["Log loss", "–", "–"]);
  const variance = scoreLines({ ...EXAMPLE, kind: "variance" });
  expect(variance.map(([title]) => title)).toContain("QLIKE of the 22-day mean");
  expect(figure(0)).toBe("0.000");
});

it("keeps the rows that the address asks for", () => {
  const rows = [EXAMPLE, { ...EXAMPLE, symbol: "QQQ" }, { ...EXAMPLE, model: "P5" }];
  expect(matching(rows, filtersOf("?model=P2&symbol=QQQ"))).toEqual([rows[1]]);
  expect(matching(rows, filtersOf(""))).toEqual(rows);
  expect(choices(rows, "symbol")).toEqual(["QQQ", "SPY"]);
});

it("places a bin with certainty at the top right", () => {
  const bin = { p: 1, rate: 1, count: 3, low: 0.5, high: 1 };
  expect(place(bin, 200)).toEqual({ x: 200, y: 0, low: 100, high: 0 });
});
