// The feature table and the record of the model out of a signal's payload, as its event has them.

export interface FeatureLine {
  id: string;
  name: string;
  raw: string;
  x: string;
  weight: string;
  contribution: string;
  quality: string;
}

type Field = string | number | null | undefined;
type Fields = Record<string, Field>;

export type FeatureList = "features" | "directional";

export function featuresOf(payload: string, list: FeatureList): FeatureLine[] {
  const body = JSON.parse(payload) as Record<string, Fields[] | undefined>;
  return (body[list] ?? []).map((row) => ({
    id: shown(row["name"]),
    name: shown(row["name"]),
    raw: [shown(row["raw"]), row["unit"]].filter(Boolean).join(" "),
    x: shown(row["x"]),
    weight: shown(row["weight"]),
    contribution: shown(row["contribution"]),
    quality: shown(row["quality"]),
  }));
}

/** What the contributions add up with, and what became of the sum; empty where nothing is scored. */
export function totalsOf(payload: string): [string, string][] {
  const body = JSON.parse(payload) as Fields;
  if (body["score"] === undefined) return [];
  return [
    ["Bias", shown(body["bias"])],
    ["Taken off by the clip", shown(body["clip_adjust"])],
    ["Score", shown(body["score"])],
    ["Probability", shown(body["probability"])],
    ["Coverage", shown(body["coverage"])],
  ];
}

/** The reason in words; empty before a signal is valid. */
export function rationaleOf(payload: string): string {
  return (JSON.parse(payload) as { rationale?: string }).rationale ?? "";
}

/** Names and values as pairs; empty where the signal tells of no record. */
export function recordOf(payload: string): [string, string][] {
  const record = (JSON.parse(payload) as Record<string, Fields | null | undefined>)["record"];
  if (!record) return [];
  return [
    ["Model", shown(record["model"])],
    ["Effective outcomes", shown(record["n_eff"])],
    ["Recent skill", shown(record["skill"])],
    ["Tenth of probability", `${shown(record["bin_low"])} to ${shown(record["bin_high"])}`],
    ["Outcomes in it", shown(record["bin_count"])],
    ["Came true", shown(record["bin_hit_rate"])],
  ];
}

function shown(value: Field): string {
  return value === null || value === undefined ? "–" : String(value);
}
