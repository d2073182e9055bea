import { expect, it } from "vitest";
import { legsText } from "./legs";

it.each([
  [["+1 QQQ 2026-10-06 744C", "-1 QQQ 2026-10-06 750C"], "+744C −750C 10-06"],
  [["+2 SPY 2026-10-06 671.5P"], "+2×671.5P 10-06"],
  [["+1 SPY 2026-10-06 670C", "-1 SPY 2026-11-20 670C"], "+1 SPY 2026-10-06 670C / -1 SPY 2026-11-20 670C"],
  [["something else"], "something else"],
  [[], ""],
])("shows %j as %s", (legs, text) => expect(legsText(legs)).toBe(text));
