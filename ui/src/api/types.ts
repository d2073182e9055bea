// Shapes of the API's answers. Figures are text: shown as they come, never computed with.

export type Status = "up" | "degraded" | "down";

export interface SessionInfo {
  who: string;
  csrf_token: string;
  seconds_left: number;
  mode: string;
}

export interface EventRow {
  position: number;
  event_id: string;
  type: string;
  stream: string;
  version: number;
  schema: number;
  retention: "desk" | "market";
  occurred_at: string;
  recorded_at: string;
  market_time: string;
  causation_id: string | null;
  correlation_id: string;
  worker: string;
  build: string;
  input_position: number | null;
  ordinal: number;
  summary: string;
}

export interface EventWithPayload extends EventRow {
  payload_text: string;
  payload_characters: number;
  payload_is_cut: boolean;
}

export interface TimelinePage {
  events: EventRow[];
  next: number | null;
  head: number;
}

export interface Chain {
  event: EventRow;
  causes: EventRow[];
  effects: (EventRow & { depth: number })[];
  missing_cause: string | null;
  is_cut: boolean;
}

interface Row {
  event_id: string;
  correlation_id: string;
  position: number;
  since: string;
  as_of: string;
  is_over: boolean;
}

/** Where a profit comes from; with the fees the parts add up to it. */
export interface Explained {
  delta_pnl: string;
  gamma_pnl: string;
  vega_pnl: string;
  theta_pnl: string;
  slippage: string;
  residual: string;
}

export interface PositionRow extends Row {
  position_id: string;
  signal_id: string;
  strategy: string;
  symbol: string;
  direction: string;
  structure: string[];
  units: number;
  planned_units: number;
  entry_price: string | null;
  exit_price: string | null;
  stop_price: string;
  target_price: string;
  max_loss_usd: string;
  mark: string | null;
  mark_age_seconds: number | null;
  mark_quality?: string;
  unrealised_pnl: string | null;
  realised_pnl: string;
  fees: string;
  state: string;
  exit_reason: string | null;
  /** Null before the first minute. */
  explained: Explained | null;
  opened_at: string;
  closed_at: string | null;
}

export interface OrderRow extends Row {
  order_ref: string;
  purpose: string;
  position_id: string;
  symbol: string;
  structure: string[];
  action: string;
  quantity: number;
  filled: number;
  order_type: string;
  limit_price: string;
  stop_price: string | null;
  state: string;
  reason: string;
}

interface GateRow {
  code: string;
  result: "pass" | "fail" | "unevaluable";
  measured: string;
  threshold: string;
  reason: string;
}

export interface SignalRow extends Row {
  signal_id: string;
  strategy: string;
  variant: string;
  symbol: string;
  direction: string;
  score: string;
  probability: string;
  gates: GateRow[];
  state: string;
  detail: string;
}

export interface ApprovalRow extends Row {
  approval_id: string;
  kind: string;
  text: string;
  targets: string[];
  expires_at: string;
  state: string;
  who: string;
}

export interface PublicationRow extends Row {
  delivery_id: string;
  kind: string;
  vendor: string;
  channel: string;
  tier: string | null;
  title: string;
  body: string;
  due_at: string;
  attempts: number;
  remote_id: string | null;
  state: string;
  detail: string;
}

export interface ReportRow extends Row {
  report_id: string;
  kind: string;
  session_date: string;
  verdict: string;
  findings: string[];
  text: string;
  cost_usd: string | null;
  state: string;
}

export interface AlertRow extends Row {
  alert_id: string;
  severity: "info" | "warning" | "critical";
  code: string;
  text: string;
  count: number;
  acknowledged_by: string | null;
  comment: string | null;
}

export interface Rows<T> {
  rows: T[];
  count: number;
}

export interface PnlSum {
  realised: string;
  unrealised: string;
  total: string;
  fees: string;
  explained: Explained & { positions: number };
  open: number;
  without_mark: number;
}

export interface Pnl {
  session_date: string | null;
  total: PnlSum;
  strategies: (PnlSum & { strategy: string })[];
  account: { net_liquidation?: string | null; daily_pnl?: string | null };
  as_of: string | null;
}

export interface ControlResult {
  state: "requested" | "accepted" | "refused";
  request_event_id: string;
  position: number;
  decided_by: { event_id: string; type: string } | null;
  reason: string;
}
