// Reads of the API by react-query. The live stream says what changed; polls stand behind it.
import { QueryCache, QueryClient, useQuery } from "@tanstack/react-query";
import { HOUSEKEEPING } from "../models/timeline/housekeeping";
import { PRESETS } from "../models/timeline/presets";
import { ApiError, get } from "./client";
import type { Analytics } from "./analytics-types";
import type { CalibrationRow } from "./calibration-types";
import type { LimitRow, ParameterRow } from "./limit-types";
import { end, snapshot, subscribe } from "./live";
import type {
  AlertRow,
  ApprovalRow,
  Chain,
  EventWithPayload,
  OrderRow,
  Pnl,
  PositionRow,
  PublicationRow,
  ReportRow,
  Rows,
  SignalRow,
  TimelinePage,
} from "./types";

export const queryClient = new QueryClient({
  // Whichever read is the first to hear that the session is over: the page asks to log in.
  queryCache: new QueryCache({
    onError: (error) => {
      if (error instanceof ApiError && error.status === 401) end();
    },
  }),
  defaultOptions: {
    queries: {
      retry: (failures, error) => failures < 1 && !(error instanceof ApiError),
      staleTime: 500,
      refetchOnWindowFocus: true,
      networkMode: "always",
    },
  },
});

const TABLES_OF: [RegExp, string[]][] = [
  [/^(Position|Stop|Exit|Pnl|FillInferred)/, ["positions", "pnl"]],
  [/^(Order|Intent|Fill|Entry|Commission)/, ["orders"]],
  [/^(Signal|RiskDecided|EntryRefused)/, ["signals"]],
  [/^Approval/, ["approvals"]],
  [/^(Delivery|Publication)/, ["publications"]],
  [/^(Report|Draft)/, ["reports"]],
  [/^Alert/, ["alerts"]],
  [/^(Parameters|RiskDecided)/, ["limits"]],
  [/^ParametersChanged$/, ["parameters"]],
  [/^CalibrationUpdated$/, ["calibration"]],
  [/(Requested|Halted|Released|Refused|Started|Acknowledged)$/, ["requests"]],
];
const REQUESTS = PRESETS.find((preset) => preset.name === "Controls")?.types.join(",") ?? "";
const STORY_PAGE = 500;
const STORY_EVENTS_MAX = 1_000;
const REFRESH_MS = 250;

export function tablesOf(type: string): string[] {
  return TABLES_OF.flatMap(([pattern, tables]) => (pattern.test(type) ? tables : []));
}

/** Refresh the tables that the newest events concern; returns how to stop. */
export function followLive(): () => void {
  let seen = snapshot().seen;
  let gaps = snapshot().gaps;
  let connection = snapshot().connection;
  const wanted = new Set<string>();
  let timer: number | undefined;
  const refresh = () => {
    timer = undefined;
    for (const table of wanted) void queryClient.invalidateQueries({ queryKey: [table] });
    wanted.clear();
  };
  return subscribe(() => {
    const live = snapshot();
    if (live.gaps !== gaps) {
      gaps = live.gaps;
      void queryClient.invalidateQueries();
    }
    // What came between the first read and the first frame is on neither.
    if (live.connection !== connection && live.connection === "live") wanted.add("latest");
    connection = live.connection;
    for (const event of live.events.slice(0, Math.max(0, live.seen - seen))) {
      for (const table of tablesOf(event.type)) wanted.add(table);
    }
    seen = live.seen;
    if (wanted.size > 0) timer ??= window.setTimeout(refresh, REFRESH_MS);
  });
}

function useTable<T>(name: string, pollMs: number, limit = 200) {
  return useQuery({
    queryKey: [name],
    queryFn: ({ signal }) => get<Rows<T>>(`/${name}?limit=${limit}`, signal),
    refetchInterval: pollMs,
  });
}

export const usePositions = () => useTable<PositionRow>("positions", 1_000);
export const useOrders = () => useTable<OrderRow>("orders", 5_000, 50);
export const useSignals = () => useTable<SignalRow>("signals", 5_000, 20);
export const useApprovals = () => useTable<ApprovalRow>("approvals", 5_000);
export const usePublications = () => useTable<PublicationRow>("publications", 5_000);
export const useReports = () => useTable<ReportRow>("reports", 5_000);
export const useAlerts = () => useTable<AlertRow>("alerts", 5_000);

/** Every metric and the newest forecasts; a report comes with each bar of five seconds. */
export function useAnalytics() {
  return useQuery({
    queryKey: ["analytics"],
    queryFn: ({ signal }) => get<Analytics>("/analytics", signal),
    refetchInterval: 5_000,
  });
}

/** A few dozen rows in all: more than the longest page would be a defect. */
export function useCalibration() {
  return useQuery({
    queryKey: ["calibration"],
    queryFn: ({ signal }) => get<Rows<CalibrationRow>>("/calibration?limit=500", signal),
    refetchInterval: 15_000,
  });
}

export function useLimits() {
  return useQuery({
    queryKey: ["limits"],
    queryFn: ({ signal }) => get<Rows<LimitRow>>("/limits", signal),
    refetchInterval: 5_000,
  });
}

/** They change only by an event, which the live stream tells. */
export function useParameters() {
  return useQuery({
    queryKey: ["parameters"],
    queryFn: ({ signal }) =>
      get<Rows<ParameterRow> & { version: number }>("/parameters", signal),
    refetchInterval: 15_000,
  });
}

export function usePnl() {
  return useQuery({
    queryKey: ["pnl"],
    queryFn: ({ signal }) => get<Pnl>("/pnl", signal),
    refetchInterval: 1_000,
  });
}

/** One event with its payload: facts, so never asked for again. */
export function useEvent(id: string) {
  return useQuery({
    queryKey: ["event", id],
    queryFn: ({ signal }) => get<EventWithPayload>(`/events/${id}`, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export function useChain(id: string) {
  return useQuery({
    queryKey: ["chain", id],
    queryFn: ({ signal }) => get<Chain>(`/chain/${id}`, signal),
  });
}

/** What people asked of the desk and what became of it, newest first. */
export function useRequests() {
  return useQuery({
    queryKey: ["requests"],
    queryFn: ({ signal }) => get<TimelinePage>(`/timeline?limit=30&type=${REQUESTS}`, signal),
    refetchInterval: 5_000,
  });
}

/** The newest events when the page was opened; the live stream goes on from there. */
export function useLatest() {
  const without = HOUSEKEEPING.join(",");
  return useQuery({
    queryKey: ["latest"],
    queryFn: ({ signal }) => get<TimelinePage>(`/timeline?limit=10&without=${without}`, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** All of a story but the figures of its position that run on each second or minute. */
export function useStory(correlation: string) {
  return useQuery({
    queryKey: ["story", correlation],
    queryFn: ({ signal }) => readStory(correlation, signal),
    refetchInterval: 5_000,
  });
}

/** Page by page, as a page ends early when the log is long. */
async function readStory(correlation: string, signal: AbortSignal): Promise<TimelinePage> {
  const query = new URLSearchParams({
    correlation,
    retention: "all",
    without: "PositionMarked,PositionWatermark,PnlExplained",
    order: "oldest",
    limit: `${STORY_PAGE}`,
  });
  let story: TimelinePage = { events: [], next: 0, head: 0 };
  while (story.next !== null && story.events.length < STORY_EVENTS_MAX) {
    if (story.next > 0) query.set("after", `${story.next}`);
    const page = await get<TimelinePage>(`/timeline?${query.toString()}`, signal);
    story = { ...page, events: [...story.events, ...page.events] };
  }
  return story;
}
