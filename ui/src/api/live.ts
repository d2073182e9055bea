// The live stream as an external store: connection, health sections, the newest events.
// Frames are collected and flushed at most every 100 ms, so that a burst is one render.
import { useSyncExternalStore } from "react";
import type { Health } from "./health-types";
import type { EventRow } from "./types";

const KEPT_EVENTS_MAX = 500;
const FLUSH_MS = 100;
const SILENT_MS = 12_000;
const RECONNECT_MS_MAX = 15_000;

export interface Live {
  connection: "connecting" | "live" | "lost" | "ended";
  lastFrameAt: number;
  health: Health;
  /** Newest first. */
  events: EventRow[];
  /** Events seen since the page was loaded. */
  seen: number;
  gaps: number;
}

const EMPTY: Live = {
  connection: "connecting",
  lastFrameAt: 0,
  health: {},
  events: [],
  seen: 0,
  gaps: 0,
};

let current = EMPTY;
let next: Live | null = null;
let timer: number | undefined;
let source: EventSource | null = null;
let lastId = "";
let attempts = 0;
const listeners = new Set<() => void>();

function change(values: Partial<Live>): void {
  next = { ...(next ?? current), ...values };
  timer ??= window.setTimeout(flush, FLUSH_MS);
}

function flush(): void {
  timer = undefined;
  if (next) current = next;
  next = null;
  for (const listener of listeners) listener();
}

function open(): void {
  source?.close();
  const query = lastId ? `?after=${lastId}` : "";
  const opened = new EventSource(`/api/v1/stream${query}`);
  source = opened;
  const on = (name: string, take: (data: string) => void) =>
    opened.addEventListener(name, (frame) => {
      if (source !== opened) return;
      const message = frame as MessageEvent<string>;
      if (message.lastEventId) lastId = message.lastEventId;
      attempts = 0;
      change({ connection: "live", lastFrameAt: Date.now() });
      take(message.data);
    });
  on("hello", () => undefined);
  on("heartbeat", () => undefined);
  on("gap", () => change({ gaps: (next ?? current).gaps + 1 }));
  on("health", (data) => {
    const sections = JSON.parse(data) as Health;
    change({ health: { ...(next ?? current).health, ...sections } });
  });
  on("event", (data) => {
    const now = next ?? current;
    const events = [JSON.parse(data) as EventRow, ...now.events].slice(0, KEPT_EVENTS_MAX);
    change({ events, seen: now.seen + 1 });
  });
  on("session_ended", end);
  opened.addEventListener("error", () => {
    if (source !== opened) return;
    opened.close();
    retry();
  });
}

function retry(): void {
  source = null;
  change({ connection: "lost" });
  attempts += 1;
  const wait = Math.min(500 * 2 ** attempts, RECONNECT_MS_MAX) * (0.5 + Math.random() / 2);
  window.setTimeout(() => source ?? (running && open()), wait);
}

let running = false;
let watch: number | undefined;

export function start(): void {
  if (running) return;
  running = true;
  open();
  // A dead socket can be silent: heartbeats come every 5 s.
  watch = window.setInterval(() => {
    if (source && current.lastFrameAt && Date.now() - current.lastFrameAt > SILENT_MS) {
      source.close();
      retry();
    }
  }, 1_000);
}

export function stop(): void {
  running = false;
  window.clearInterval(watch);
  source?.close();
  source = null;
}

/** The session is over, as an answer of the API told. */
export function end(): void {
  if (!running) return;
  stop();
  change({ connection: "ended" });
}

/** Forget what belonged to the last session. */
export function reset(): void {
  stop();
  next = null;
  lastId = "";
  current = EMPTY;
}

export function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function snapshot(): Live {
  return current;
}

export function useLive(): Live {
  return useSyncExternalStore(subscribe, snapshot);
}
