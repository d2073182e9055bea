// What analytics and forecasts say now, as GET /api/v1/analytics tells it.

export interface MetricValue {
  value: string | null;
  quality: string;
  reason: string;
  as_of: string | null;
}

export interface MetricRow {
  metric: string;
  unit: string;
  module: string;
  meaning: string;
  /** Null where no report has carried it yet. */
  symbols: Record<string, MetricValue | null>;
}

export interface ForecastRow {
  symbol: string;
  model: string;
  kind: string;
  bucket: string;
  made_at: string;
  horizon_end: string | null;
  values: Record<string, string | null>;
}

export interface Analytics {
  symbols: string[];
  metrics: MetricRow[];
  forecasts: ForecastRow[];
  evaluated_at: Record<string, string | null>;
}
