// Words and figures of a forecast's score. Nothing is computed here but places on the diagram.
import type { Bin, CalibrationRow, Scores } from "../../api/calibration-types";

const MODELS: Record<string, string> = {
  P1_10S: "P1 drift of the mid, 10 s",
  P1_60S: "P1 drift of the mid, 60 s",
  P2: "P2 direction",
  P3_DAY: "P3 variance of the next session",
  P3_REST: "P3 variance of the rest of the session",
  P4_TOUCH: "P4 strike touched",
  P4_FINISH: "P4 finished beyond the strike",
  P5: "P5 structure reaches its target",
  P5_INSIDE: "P5 price ends where the structure gains",
  P5_NEUTRAL: "P5 of sold premium",
};

export function modelText(model: string): string {
  return MODELS[model] ?? model;
}

export function symbolText(symbol: string): string {
  return symbol === "ALL" ? "all symbols" : symbol;
}

export function bucketText(bucket: string): string {
  return bucket === "ANY" ? "every bucket" : bucket;
}

export function figure(value: number | null, digits = 3): string {
  return value === null ? "–" : value.toFixed(digits);
}

export function small(value: number | null): string {
  return value === null ? "–" : value.toPrecision(4);
}

export function share(value: number | null): string {
  return value === null ? "–" : `${(value * 100).toFixed(1)} %`;
}

type Line = [title: string, of: (scores: Scores) => string];

const LINES: Record<CalibrationRow["kind"], readonly Line[]> = {
  prob: [
    ["Base rate", (s) => share(s.base)],
    ["Brier", (s) => figure(s.brier, 4)],
    ["Skill against the base rate", (s) => figure(s.skill)],
    ["Skill against one half", (s) => figure(s.skill_half)],
    ["Log loss", (s) => figure(s.log_loss, 4)],
    ["Reliability", (s) => figure(s.reliability, 4)],
    ["Resolution", (s) => figure(s.resolution, 4)],
    ["Uncertainty", (s) => figure(s.uncertainty, 4)],
    ["Calibration error", (s) => figure(s.calibration_error, 4)],
  ],
  point: [
    ["Mean error", (s) => small(s.mean_error)],
    ["RMSE", (s) => small(s.rmse)],
    ["Skill against no change", (s) => figure(s.skill)],
    ["Sign right", (s) => share(s.sign_hits)],
  ],
  variance: [
    ["QLIKE", (s) => figure(s.qlike, 4)],
    ["QLIKE of the 22-day mean", (s) => figure(s.qlike_reference, 4)],
    ["Skill against the 22-day mean", (s) => figure(s.skill)],
  ],
};

/** Title, for ever, recently. */
export function scoreLines(row: CalibrationRow): [string, string, string][] {
  return LINES[row.kind].map(([title, of]) => [title, of(row.ever), of(row.recent)]);
}

/** What the desk does because of this record. */
export function gateText(row: CalibrationRow): string {
  if (row.gate === "") return "judges no entry";
  if (row.gate === "fail") return "MODEL_TRUST fails: no entries";
  return `MODEL_TRUST passes, size × ${figure(row.trust, 2)}`;
}

export interface Filters {
  model: string;
  symbol: string;
  bucket: string;
}

export function filtersOf(search: string): Filters {
  const asked = new URLSearchParams(search);
  const of = (name: string) => asked.get(name) ?? "";
  return { model: of("model"), symbol: of("symbol"), bucket: of("bucket") };
}

export function matching(rows: readonly CalibrationRow[], asked: Filters): CalibrationRow[] {
  return rows.filter(
    (row) =>
      (asked.model === "" || row.model === asked.model) &&
      (asked.symbol === "" || row.symbol === asked.symbol) &&
      (asked.bucket === "" || row.bucket === asked.bucket),
  );
}

export function choices(rows: readonly CalibrationRow[], of: keyof Filters): string[] {
  return [...new Set(rows.map((row) => row[of]))].toSorted();
}

/** Places on a square of this size whose origin is at its top left. */
export function place(bin: Bin, size: number) {
  const down = (value: number) => (1 - value) * size;
  return { x: bin.p * size, y: down(bin.rate), low: down(bin.low), high: down(bin.high) };
}
