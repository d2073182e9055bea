// Alerts that nobody has acknowledged, and the newest that somebody has.
import { useState } from "react";
import { useAlerts } from "../../api/queries";
import type { AlertRow } from "../../api/types";
import { Panel } from "../../components/ui/panel";
import { EventLink } from "../../routes/link";
import { ControlDialog } from "../controls/control-dialog";
import { useLock } from "../controls/use-lock";

const SHOWN_MAX = 8;
const OVER_SHOWN_MAX = 2;
const TONES = { critical: "tone-bad", warning: "tone-warning", info: "" } as const;

export function AlertsPanel() {
  const { data, error, dataUpdatedAt } = useAlerts();
  const isLocked = useLock();
  const [chosen, setChosen] = useState<AlertRow | null>(null);
  const all = data?.rows ?? [];
  const rows = [
    ...all.filter((row) => !row.is_over).slice(0, SHOWN_MAX),
    ...all.filter((row) => row.is_over).slice(0, OVER_SHOWN_MAX),
  ];
  return (
    <Panel title="Alerts" readAt={dataUpdatedAt} error={error}>
      {rows.length === 0 && <p className="empty">No alerts.</p>}
      <ul className="alerts" aria-live="polite">
        {rows.map((row) => (
          <li key={row.alert_id} className={row.is_over ? "faded" : TONES[row.severity]}>
            <EventLink id={row.event_id}>
              {row.severity}: {row.code}
            </EventLink>{" "}
            {row.text}
            {row.count > 1 && ` (${row.count} times)`}
            {row.acknowledged_by ? (
              <small>
                {" "}
                {row.acknowledged_by}: {row.comment}
              </small>
            ) : (
              <button
                type="button"
                className="quiet"
                disabled={isLocked}
                onClick={() => setChosen(row)}
              >
                Acknowledge…
              </button>
            )}
          </li>
        ))}
      </ul>
      {chosen && (
        <ControlDialog
          onClose={() => setChosen(null)}
          spec={{
            title: `Acknowledge ${chosen.code}`,
            consequence: chosen.text,
            path: `/alerts/${encodeURIComponent(chosen.alert_id)}/acknowledge`,
            button: "Acknowledge",
            reasonName: "comment",
          }}
        />
      )}
    </Panel>
  );
}
