// Sections of GET /api/v1/health; the live stream sends the ones that changed.
import type { ParameterValue } from "./limit-types";
import type { Status } from "./types";

export interface Health {
  overall?: { status: Status; not_up: string[] };
  desk?: {
    mode: string;
    build: string;
    now: string;
    market_time: string;
    speed: number;
    is_thinned: boolean;
    entries_open: boolean;
    session: { session_date?: string; open_at?: string; close_at?: string };
    phase?: string | null;
  };
  halt?: {
    is_halted: boolean;
    who?: string;
    reason?: string;
    since?: string;
    event_id?: string;
    state?: "active" | "reducing" | "halted";
    /** Limits breached, or rules that halted. */
    codes?: string[];
    state_since?: string;
  };
  limits?: {
    not_as_shipped: {
      name: string;
      value: ParameterValue;
      default: ParameterValue;
      who: string;
      why: string;
      until: string | null;
    }[];
  };
  processes?: {
    name: string;
    state: string;
    status: Status;
    age_seconds: number;
    figures: Record<string, string>;
  }[];
  feeds?: {
    name: string;
    state: string;
    status: Status;
    reason: string;
    since: string;
    gap: { since: string; cause: string } | null;
    gaps: { channel: string; since: string; cause: string }[];
    gaps_open: number;
    refused: { channel: string; reason: string }[];
    stale: { channel: string; phase: string; last_at: string | null; limit_seconds: number }[];
    /** Lines of the broker that should speak and do not. */
    silent: { channel: string; seconds: number; since: string }[];
    drift: { channel: string; kind: string; field: string; detail: string; since: string }[];
    drifts: number;
    rates: {
      channel: string;
      messages_per_minute: number;
      usual_min: number;
      usual_max: number;
      since: string;
    }[];
    disabled: { path: string; status: number; reason: string; since: string }[];
    budget: {
      calls_planned: number;
      calls_left: number;
      /** Part of the vendor's calls of the day that is used by now. */
      quota_used: string | null;
      calls_a_minute_max: number;
      dropped: string[];
    } | null;
  }[];
  channels?: {
    stream: string;
    age_seconds: number;
    /** Silence that the phase of the session allows; null where silence is normal. */
    limit_seconds: number | null;
    status: Status;
    reason: string;
  }[];
  /** Those of the keeper. */
  jobs?: {
    name: string;
    state: string;
    next_at: string | null;
    last_at: string | null;
    last_outcome?: string;
    detail?: string;
  }[];
  /** The newest report of a session's ingestion. */
  ingestion?: {
    session_date?: string;
    messages?: number;
    rejected?: number;
    repeated?: number;
    lost?: number;
    gaps?: number;
    gap_seconds?: number;
    drifts?: number;
  };
  projections?: {
    name: string;
    position: number;
    lag_events: number;
    lag_seconds: number;
    status: Status;
  }[];
  queues?: {
    approvals_waiting?: number;
    deliveries_waiting?: number;
    deliveries_unknown?: number;
    alerts_open?: number;
    of_processes?: Record<string, string>;
  };
  broker?: {
    state?: string;
    since?: string;
    reconciled?: { is_clean: boolean; differences: string[]; at: string };
  };
  redis?: {
    status: Status;
    reason?: string;
    latency_ms?: number;
    used_memory_bytes?: number;
    max_memory_bytes?: number;
  };
  postgres?: {
    status: Status;
    reason?: string;
    latency_ms?: number;
    size_bytes?: number;
    head?: number;
  };
}
