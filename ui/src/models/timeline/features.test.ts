import { expect, it } from "vitest";
import { featuresOf, rationaleOf, recordOf, totalsOf } from "./features";

const FEATURE = {
  name: "vwap",
  raw: 1.5,
  unit: "sd",
  x: 0.63,
  weight: 0.15,
  contribution: 0.04,
  quality: "OK",
};

it("shows features in the order and with the figures of the event", () => {
  const missing = { ...FEATURE, name: "flow", raw: null, unit: "", x: 0, quality: "STALE" };
  const payload = JSON.stringify({ features: [FEATURE, missing], directional: [FEATURE] });
  expect(featuresOf(payload, "features").map((row) => [row.name, row.raw, row.quality])).toEqual([
    ["vwap", "1.5 sd", "OK"],
    ["flow", "–", "STALE"],
  ]);
  expect(featuresOf(payload, "directional")).toHaveLength(1);
  expect(featuresOf("{}", "directional")).toEqual([]);
});

it("tells what the contributions add up with, and the reason in words", () => {
  const scored = { score: 0.76, probability: 0.594, coverage: 0.84, bias: 0.1, clip_adjust: 0 };
  const payload = JSON.stringify({ ...scored, rationale: "Bullish TREND on SPY." });
  const told = Object.fromEntries(totalsOf(payload));
  expect([told["Bias"], told["Taken off by the clip"], told["Probability"]]).toEqual([
    "0.1",
    "0",
    "0.594",
  ]);
  expect(rationaleOf(payload)).toBe("Bullish TREND on SPY.");
  expect(totalsOf("{}")).toEqual([]);
  expect(rationaleOf("{}")).toBe("");
});

it("tells how the model behind the confidence has done, where the signal says it", () => {
  const record = {
    model: "P5",
    n_eff: 12,
    skill: null,
    bin_low: 0.6,
    bin_high: 0.7,
    bin_count: 3,
    bin_hit_rate: 0.5,
  };
  const told = Object.fromEntries(recordOf(JSON.stringify({ record })));
  expect(told["Model"]).toBe("P5");
  expect(told["Recent skill"]).toBe("–");
  expect(told["Tenth of probability"]).toBe("0.6 to 0.7");
  expect(recordOf("{}")).toEqual([]);
  expect(recordOf('{"record":null}')).toEqual([]);
});
