// Parameters of the rules and limits of risk as GET /api/v1/parameters and /limits tell them.

export type ParameterValue = number | string | boolean;

export interface ParameterRow {
  name: string;
  /** Null when the log has none. */
  value: ParameterValue | null;
  default: ParameterValue;
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
}

export interface LimitRow extends ParameterRow {
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
