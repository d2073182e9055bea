// How good a forecast is, as GET /api/v1/calibration tells it.

export interface Scores {
  count: number;
  base: number | null;
  brier: number | null;
  skill: number | null;
  skill_half: number | null;
  log_loss: number | null;
  reliability: number | null;
  resolution: number | null;
  uncertainty: number | null;
  calibration_error: number | null;
  mean_error: number | null;
  rmse: number | null;
  sign_hits: number | null;
  qlike: number | null;
  qlike_reference: number | null;
}

/** Outcomes whose probability fell into one tenth; low and high are Wilson's 95 %. */
export interface Bin {
  p: number;
  rate: number;
  count: number;
  low: number;
  high: number;
}

export interface Coverage {
  level: number;
  coverage: number;
  low: number;
  high: number;
  kupiec: number;
  kupiec_p: number;
  width: number;
  alpha: number;
}

export interface CalibrationRow {
  calibration_id: string;
  model: string;
  /** ALL is pooled. */
  symbol: string;
  /** ANY serves every bucket. */
  bucket: string;
  /** False: made at decisions, pooled apart. */
  scheduled: boolean;
  kind: "prob" | "point" | "variance";
  as_of: string;
  count: number;
  voided: number;
  n_eff: number;
  ever: Scores;
  recent: Scores;
  bins: Bin[];
  coverage: Coverage[];
  rank_correlation: number | null;
  a: number | null;
  b: number | null;
  /** MODEL_TRUST by this record; empty where it does not judge. */
  gate: "pass" | "fail" | "";
  trust: number | null;
  event_id: string;
}
