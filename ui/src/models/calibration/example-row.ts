// A row for tests: direction in the 0DTE bucket, distrusted.
import type { CalibrationRow, Scores } from "../../api/calibration-types";

const SCORES: Scores = {
  count: 60,
  base: 0.5,
  brier: 0.24,
  skill: 0.04,
  skill_half: 0.04,
  log_loss: null,
  reliability: 0.01,
  resolution: 0.02,
  uncertainty: 0.25,
  calibration_error: 0.05,
  mean_error: null,
  rmse: null,
  sign_hits: null,
  qlike: null,
  qlike_reference: null,
};

export const EXAMPLE: CalibrationRow = {
  calibration_id: "P2/SPY/0DTE/scheduled",
  model: "P2",
  symbol: "SPY",
  bucket: "0DTE",
  scheduled: true,
  kind: "prob",
  as_of: "2026-10-06T14:00:00Z",
  count: 60,
  voided: 1,
  n_eff: 12.5,
  ever: SCORES,
  recent: { ...SCORES, count: 40, brier: 0.26, skill: -0.06 },
  bins: [{ p: 0.55, rate: 0.6, count: 40, low: 0.4, high: 0.75 }],
  coverage: [],
  rank_correlation: null,
  a: 0.01,
  b: 0.52,
  gate: "fail",
  trust: 0.5,
  event_id: "e-1",
};
