// Sections of GET /api/v1/health; the live stream sends the ones that changed.
import type { LimitValue } from "./limit-types";
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
      value: LimitValue;
      default: LimitValue;
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
  }[];
  channels?: { stream: string; age_seconds: number }[];
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
