// Rows of the timeline for a set of filters: pages backwards, the live tail forwards, with pause.
import { useInfiniteQuery, useQuery, type InfiniteData } from "@tanstack/react-query";
import { useState } from "react";
import { get } from "../../api/client";
import { useLive } from "../../api/live";
import { queryClient } from "../../api/queries";
import type { EventRow, TimelinePage } from "../../api/types";
import { queryFromFilters, type TimelineFilters } from "../../models/timeline/filters";

const PAGE = 100;
const ROWS_KEPT_MAX = 2_000;
const TAIL_MS = 700;

type Pages = InfiniteData<TimelinePage, number | null>;

interface TimelineRows {
  rows: EventRow[];
  readAt: number;
  error: Error | null;
  isLoading: boolean;
  hasOlder: boolean;
  loadOlder: () => void;
  isPaused: boolean;
  setPaused: (paused: boolean) => void;
  /** Desk events that came on the stream since the tail was paused. */
  waiting: number;
}

export function useTimeline(filters: TimelineFilters): TimelineRows {
  const query = queryFromFilters(filters);
  const [pausedAt, setPausedAt] = useState<number | null>(null);
  const { seen } = useLive();
  const older = useInfiniteQuery({
    queryKey: ["timeline", query],
    initialPageParam: null as number | null,
    queryFn: ({ pageParam, signal }) => page(query, pageParam, signal),
    getNextPageParam: (last: TimelinePage) => last.next,
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
  });
  const tail = useQuery({
    queryKey: ["timeline-tail", query],
    queryFn: ({ signal }) => readTail(query, signal),
    enabled: pausedAt === null && filters.to === "" && older.data !== undefined,
    refetchInterval: TAIL_MS,
    gcTime: 0,
  });
  return {
    rows: older.data?.pages.flatMap((each) => each.events) ?? [],
    readAt: Math.max(older.dataUpdatedAt, tail.dataUpdatedAt),
    error: older.error ?? tail.error,
    isLoading: older.isFetching,
    hasOlder: older.hasNextPage,
    loadOlder: () => {
      if (older.hasNextPage && !older.isFetching) void older.fetchNextPage();
    },
    isPaused: pausedAt !== null,
    setPaused: (paused) => setPausedAt(paused ? seen : null),
    waiting: pausedAt === null ? 0 : seen - pausedAt,
  };
}

function page(query: string, after: number | null, signal: AbortSignal): Promise<TimelinePage> {
  const cursor = after === null ? "" : `&after=${after}`;
  return get<TimelinePage>(`/timeline?limit=${PAGE}&${query}${cursor}`, signal);
}

/** Put what came after the newest page in front of it; returns how many events that were. */
async function readTail(query: string, signal: AbortSignal): Promise<number> {
  const key = ["timeline", query];
  const head = queryClient.getQueryData<Pages>(key)?.pages[0]?.head ?? 0;
  const newer = await get<TimelinePage>(
    `/timeline?limit=${PAGE}&${query}&order=oldest&after=${head}`,
    signal,
  );
  queryClient.setQueryData<Pages>(key, (known) => known && joined(known, head, newer));
  return newer.events.length;
}

function joined(known: Pages, head: number, newer: TimelinePage): Pages {
  const [first, ...rest] = known.pages;
  // A page that was read anew in the meantime has these events already.
  if (!first || first.head !== head) return known;
  const events = [...newer.events.toReversed(), ...first.events];
  const reached = newer.next ?? Math.max(newer.head, head);
  const front = { events, next: first.next, head: reached };
  if (events.length <= ROWS_KEPT_MAX) return { ...known, pages: [front, ...rest] };
  const kept = events.slice(0, ROWS_KEPT_MAX);
  const next = kept.at(-1)?.position ?? null;
  return { pages: [{ ...front, events: kept, next }], pageParams: [null] };
}
