// On every page: mode, market time, how fresh the page is, health at a glance, and Halt.
import { useRef, useState } from "react";
import { logout, newKey } from "../../api/client";
import { useLive } from "../../api/live";
import { StatusMark } from "../../components/ui/figures";
import { useNow } from "../../components/ui/now";
import { clockText, zoneText } from "../../models/format/times";
import { Link } from "../../routes/link";
import { ControlDialog } from "../controls/control-dialog";
import { useDesk } from "../login/session";

export const VIEWS: readonly (readonly [string, string, string])[] = [
  ["/", "Live", "l"],
  ["/timeline", "Timeline", "t"],
  ["/messages", "Messages", "m"],
  ["/controls", "Controls", "c"],
];
export const HALT_REASON = "halted by the operator";
const STALE_SECONDS = 6;

export function Header({ path, onLogout }: { path: string; onLogout: () => void }) {
  const { timeMode, nextTimeMode } = useDesk();
  const { health } = useLive();
  const desk = health.desk;
  return (
    <header className="top">
      <nav aria-label="Views">
        <strong className="brand">Striketape</strong>
        {VIEWS.map(([to, name]) => (
          <Link key={to} to={to} current={path === to}>
            {name}
          </Link>
        ))}
      </nav>
      <span className={`mode mode-${desk?.mode ?? "unknown"}`}>
        {(desk?.mode ?? "…").toUpperCase()}
      </span>
      <button type="button" className="quiet time" onClick={nextTimeMode} title="Change time zone">
        {desk ? `${clockText(desk.market_time, timeMode, false)} ${zoneText(timeMode)}` : "…"}
        {desk && desk.speed !== 1 && ` ×${desk.speed}`}
      </button>
      <Freshness />
      {health.overall && (
        <span title={health.overall.not_up.join(", ")}>
          <StatusMark status={health.overall.status} />
          <span className="not-up"> {health.overall.not_up.slice(0, 3).join(", ")}</span>
        </span>
      )}
      <HaltState />
      <HaltButton />
      <button type="button" className="quiet" onClick={() => void logout().finally(onLogout)}>
        Log out
      </button>
    </header>
  );
}

function Freshness() {
  const { connection, lastFrameAt } = useLive();
  const now = useNow();
  const age = Math.max(0, Math.floor((now - lastFrameAt) / 1_000));
  const isFresh = connection === "live" && age <= STALE_SECONDS;
  const text = isFresh ? "live" : lastFrameAt ? `${connection}, ${age} s old` : connection;
  return (
    <span role="status" className={isFresh ? "tone-good" : "tone-bad stale-note"}>
      {text}
    </span>
  );
}

function HaltState() {
  const { halt } = useLive().health;
  if (!halt) return null;
  return (
    <span role="status" className={halt.is_halted ? "halted" : "tone-good"}>
      {halt.is_halted ? `HALTED by ${halt.who}: ${halt.reason}` : "entries open"}
    </span>
  );
}

/** A plain form that works when the script around it has failed; with it, a dialog. */
function HaltButton() {
  const { session } = useDesk();
  const [isOpen, setIsOpen] = useState(false);
  const key = useRef(newKey());
  return (
    <>
      <form
        method="post"
        action="/api/v1/halt"
        onSubmit={(event) => {
          event.preventDefault();
          setIsOpen(true);
        }}
      >
        <input type="hidden" name="csrf" value={session.csrf_token} />
        <input type="hidden" name="key" value={key.current} />
        <input type="hidden" name="reason" value={HALT_REASON} />
        <button type="submit" className="danger halt">
          HALT
        </button>
      </form>
      {isOpen && (
        <ControlDialog
          onClose={() => setIsOpen(false)}
          spec={{
            title: "Halt trading",
            consequence:
              "Entries stop and working entries are cancelled. Exits and protective stops go on.",
            path: "/halt",
            button: "Halt now",
            defaultReason: HALT_REASON,
            isDanger: true,
          }}
        />
      )}
    </>
  );
}
