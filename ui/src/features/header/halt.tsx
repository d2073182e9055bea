// The halt on every page: the red button, and the band that says that trading is halted.
import { useState } from "react";
import { newKey } from "../../api/client";
import { useLive } from "../../api/live";
import { clockText, zoneText } from "../../models/format/times";
import { EventLink, Link } from "../../routes/link";
import { ControlDialog } from "../controls/control-dialog";
import { HALT, HALT_REASON, RELEASE } from "../controls/specs";
import { useLock } from "../controls/use-lock";
import { useDesk } from "../login/session";

/** A plain form that works when the script around it has failed; with it, a dialog. */
export function HaltButton() {
  const { session } = useDesk();
  const [isOpen, setIsOpen] = useState(false);
  const [key] = useState(newKey);
  return (
    <>
      <form
        className="halt-form"
        method="post"
        action="/api/v1/halt"
        onSubmit={(event) => {
          event.preventDefault();
          setIsOpen(true);
        }}
      >
        <input type="hidden" name="csrf" value={session.csrf_token} />
        <input type="hidden" name="key" value={key} />
        <input type="hidden" name="reason" value={HALT_REASON} />
        <button type="submit" className="danger halt">
          HALT
        </button>
      </form>
      {isOpen && <ControlDialog spec={HALT} onClose={() => setIsOpen(false)} />}
    </>
  );
}

const MEANS = {
  active: "Entries may leave.",
  reducing: "Only orders that reduce risk may leave.",
  halted: "No entry leaves. Exits and protective stops go on.",
};

/** What orders may do now, with the limits that are breached, and limits that are not as shipped. */
export function TradingState() {
  const { halt, limits } = useLive().health;
  if (!halt) return null;
  const state = halt.state ?? (halt.is_halted ? "halted" : "active");
  const codes = halt.codes ?? [];
  const changed = limits?.not_as_shipped ?? [];
  return (
    <span className="trading">
      <output className={`trading-${state}`} title={MEANS[state]}>
        {state.toUpperCase()}
        {codes.length > 0 && `: ${codes.join(", ")}`}
      </output>
      {changed.length > 0 && (
        <Link to="/limits">
          {changed.length} {changed.length === 1 ? "limit" : "limits"} changed
        </Link>
      )}
    </span>
  );
}

export function HaltBand() {
  const { halt } = useLive().health;
  const { timeMode } = useDesk();
  const isLocked = useLock();
  const [isOpen, setIsOpen] = useState(false);
  // The dialog stays to tell what became of the release, when the band is gone.
  if (!halt?.is_halted && !isOpen) return null;
  const since = halt?.since ? ` at ${clockText(halt.since, timeMode, false)} ${zoneText(timeMode)}` : "";
  return (
    <>
      {halt?.is_halted && (
        <div className="band">
          <output>
            <strong>HALTED</strong> by {halt.who}
            {since}: {halt.reason}
          </output>
          {halt.event_id && <EventLink id={halt.event_id}>Why</EventLink>}
          <button type="button" disabled={isLocked} onClick={() => setIsOpen(true)}>
            Release…
          </button>
        </div>
      )}
      {isOpen && <ControlDialog spec={RELEASE} onClose={() => setIsOpen(false)} />}
    </>
  );
}
