// On every page: mode, market time, how fresh the page is, health at a glance, and Halt.
import { useEffect, useRef } from "react";
import { logout } from "../../api/client";
import { useLive } from "../../api/live";
import { StatusMark } from "../../components/ui/figures";
import { useNow } from "../../components/ui/now";
import { clockText, zoneText } from "../../models/format/times";
import { Link } from "../../routes/link";
import { useDesk } from "../login/session";
import { HaltBand, HaltButton, TradingState } from "./halt";

export const VIEWS: readonly (readonly [string, string, string])[] = [
  ["/", "Live", "l"],
  ["/timeline", "Timeline", "t"],
  ["/messages", "Messages", "m"],
  ["/limits", "Limits", "i"],
  ["/parameters", "Parameters", "p"],
  ["/analytics", "Analytics", "a"],
  ["/calibration", "Calibration", "b"],
  ["/controls", "Controls", "c"],
];
const STALE_SECONDS = 6;

export function Header({ path, onLogout }: { path: string; onLogout: () => void }) {
  const { session, timeMode, nextTimeMode } = useDesk();
  const { health } = useLive();
  const { desk, halt, overall } = health;
  const mode = desk?.mode ?? session.mode;
  const isHalted = halt?.is_halted ?? false;
  useEffect(() => {
    document.title = `${isHalted ? "HALTED · " : ""}${mode.toUpperCase()} · Striketape`;
  }, [isHalted, mode]);
  const top = useRef<HTMLDivElement>(null);
  useEffect(() => followHeight(top.current), []);
  return (
    <div className="top" ref={top}>
      <header className="bar-top">
        <strong className="brand">Striketape</strong>
        <span className={`mode mode-${mode}`}>{mode.toUpperCase()}</span>
        <nav aria-label="Views">
          {VIEWS.map(([to, name]) => (
            <Link key={to} to={to} current={path === to}>
              {name}
            </Link>
          ))}
        </nav>
        <span className="facts">
          <button
            type="button"
            className="quiet time"
            onClick={nextTimeMode}
            title="Change the time zone"
          >
            {desk ? `${clockText(desk.market_time, timeMode, false)} ${zoneText(timeMode)}` : "…"}
            {desk && desk.speed !== 1 && <small> ×{desk.speed}</small>}
          </button>
          <Freshness />
          {overall && (
            <output>
              <StatusMark status={overall.status} text={`health ${overall.status}`} />
              {overall.not_up.length > 0 && <small> {overall.not_up.slice(0, 3).join(", ")}</small>}
            </output>
          )}
        </span>
        <button
          type="button"
          className="quiet logout"
          onClick={() => void logout().finally(onLogout)}
        >
          Log out
        </button>
        <TradingState />
        <HaltButton />
      </header>
      <HaltBand />
    </div>
  );
}

/** The drawer starts below the bar, however high that is, so that Halt is never covered. */
function followHeight(top: HTMLElement | null): () => void {
  const observer = new ResizeObserver(() => {
    const height = top?.getBoundingClientRect().height ?? 0;
    document.documentElement.style.setProperty("--top", `${height}px`);
  });
  if (top) observer.observe(top);
  return () => observer.disconnect();
}

/** The age changes every second, so it stands beside the part that is read out. */
function Freshness() {
  const { connection, lastFrameAt } = useLive();
  const now = useNow();
  const age = Math.max(0, Math.floor((now - lastFrameAt) / 1_000));
  const isFresh = connection === "live" && age <= STALE_SECONDS;
  const state = isFresh ? "live" : connection === "live" ? "stale" : connection;
  return (
    <span className={isFresh ? "fresh" : "fresh not-fresh"}>
      <output>{state}</output>
      {!isFresh && lastFrameAt > 0 && <span> {age} s old</span>}
    </span>
  );
}
