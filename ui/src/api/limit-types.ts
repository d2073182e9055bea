// A limit of risk as GET /api/v1/limits tells it.

export type LimitValue = number | string | boolean;

export interface LimitRow {
  name: string;
  /** Null when the log has none. */
  value: LimitValue | null;
  default: LimitValue;
  unit: string;
  low: number | null;
  high: number | null;
  choices: string[];
  source: string;
  who: string | null;
  why: string | null;
  until: string | null;
  since: string | null;
  event_id: string | null;
  /** What the newest decision measured against it. */
  use: {
    value: string;
    limit: string;
    result: "pass" | "fail" | "unevaluable";
    input: string;
    as_of: string;
    event_id: string;
  } | null;
}
