// Rows of the timeline for a set of filters: pages backwards, the live tail forwards, with pause.
import { useCallback, useEffect, useRef, useState } from "react";
import { get } from "../../api/client";
import { useLive } from "../../api/live";
import type { EventRow, TimelinePage } from "../../api/types";
import { searchFromFilters, type TimelineFilters } from "../../models/timeline/filters";

const PAGE = 100;
const ROWS_KEPT_MAX = 2_000;
const TAIL_MS = 400;

interface State {
  rows: EventRow[];
  next: number | null;
  head: number;
  isLoading: boolean;
  error: Error | null;
}

const NOTHING: State = { rows: [], next: null, head: 0, isLoading: true, error: null };

export interface TimelineRows extends State {
  isPaused: boolean;
  setPaused: (paused: boolean) => void;
  /** Events seen on the stream since the tail was paused. */
  waiting: number;
  loadOlder: () => void;
}

export function useTimeline(filters: TimelineFilters): TimelineRows {
  const query = searchFromFilters(filters);
  const [state, setState] = useState<State>(NOTHING);
  const [isPaused, setPaused] = useState(false);
  const { seen } = useLive();
  const [pausedAt, setPausedAt] = useState(0);
  const running = useRef<AbortController | null>(null);

  const ask = useCallback(
    (extra: string, signal: AbortSignal) =>
      get<TimelinePage>(`/timeline?limit=${PAGE}&${query}${extra}`, signal),
    [query],
  );
  const failed = (error: unknown) => {
    if (error instanceof Error && error.name !== "AbortError")
      setState((old) => ({ ...old, isLoading: false, error }));
  };

  useEffect(() => {
    const controller = new AbortController();
    running.current = controller;
    setState(NOTHING);
    ask("", controller.signal)
      .then((page) =>
        setState({
          rows: page.events,
          next: page.next,
          head: page.head,
          isLoading: false,
          error: null,
        }),
      )
      .catch(failed);
    return () => controller.abort();
  }, [ask]);

  const loadOlder = useCallback(() => {
    const signal = running.current?.signal;
    if (state.next === null || state.isLoading || !signal) return;
    setState((old) => ({ ...old, isLoading: true }));
    ask(`&after=${state.next}`, signal)
      .then((page) =>
        setState((old) => ({
          ...old,
          rows: [...old.rows, ...page.events].slice(-ROWS_KEPT_MAX),
          next: page.next,
          isLoading: false,
        })),
      )
      .catch(failed);
  }, [ask, state.next, state.isLoading]);

  const hasUntil = filters.to !== "";
  useEffect(() => {
    const signal = running.current?.signal;
    if (isPaused || hasUntil || state.head === 0 || !signal) return;
    const timer = window.setTimeout(() => {
      ask(`&order=oldest&after=${state.head}`, signal)
        .then((page) =>
          setState((old) => ({
            ...old,
            rows: [...page.events.toReversed(), ...old.rows].slice(0, ROWS_KEPT_MAX),
            head: page.next ?? Math.max(page.head, old.head),
            error: null,
          })),
        )
        .catch(failed);
    }, TAIL_MS);
    return () => window.clearTimeout(timer);
  }, [ask, seen, isPaused, hasUntil, state.head]);

  return {
    ...state,
    isPaused,
    setPaused: (paused) => {
      setPausedAt(seen);
      setPaused(paused);
    },
    waiting: isPaused ? seen - pausedAt : 0,
    loadOlder,
  };
}
