// Every limit of risk: what is in force, what is shipped, how far it is used, who changed it and
// until when; and the change of one.
import { useState } from "react";
import { useLive } from "../../api/live";
import { useLimits } from "../../api/queries";
import type { LimitRow } from "../../api/limit-types";
import { Panel } from "../../components/ui/panel";
import { Table, type Column } from "../../components/ui/table";
import { boundsText, changeBody, endings, groupOf, GROUPS } from "../../models/limits/change";
import { clockText, momentText, zoneText, type TimeMode } from "../../models/format/times";
import { EventLink } from "../../routes/link";
import { ControlDialog, type ControlSpec } from "../controls/control-dialog";
import { useLock } from "../controls/use-lock";
import { useDesk } from "../login/session";

const isChanged = (row: LimitRow) => row.value !== null && row.value !== row.default;

function Origin({ row, timeMode }: { row: LimitRow; timeMode: TimeMode }) {
  if (row.event_id === null) return <span className="tone-bad">not on the log</span>;
  return (
    <span className="wide">
      <EventLink id={row.event_id}>{row.who}</EventLink>: {row.why}
      {row.until && <strong> until {momentText(row.until, timeMode)}</strong>}
    </span>
  );
}

function Use({ row, timeMode }: { row: LimitRow; timeMode: TimeMode }) {
  const { use } = row;
  if (!use) return <span className="faded">–</span>;
  return (
    <span className={use.result === "pass" ? "wide" : "wide tone-bad"} title={use.input}>
      {use.value} of {use.limit}{" "}
      <EventLink id={use.event_id}>
        {clockText(use.as_of, timeMode, false)} {zoneText(timeMode)}
      </EventLink>
    </span>
  );
}

function columns(
  timeMode: TimeMode,
  isLocked: boolean,
  onChange: (row: LimitRow) => void,
): Column<LimitRow>[] {
  return [
    {
      title: "Limit",
      cell: (row) => (
        <span title={row.source}>
          {row.name.replace(/^risk\./, "")} <small className="faded">{row.unit}</small>
        </span>
      ),
    },
    {
      title: "In force",
      numeric: true,
      cell: (row) =>
        isChanged(row) ? (
          <strong className="tone-warning">{String(row.value)}</strong>
        ) : (
          String(row.value ?? "–")
        ),
    },
    { title: "Shipped", numeric: true, cell: (row) => String(row.default) || "–" },
    { title: "Bounds", cell: (row) => boundsText(row) },
    { title: "Last use", cell: (row) => <Use row={row} timeMode={timeMode} /> },
    { title: "By whom and why", cell: (row) => <Origin row={row} timeMode={timeMode} /> },
    {
      title: "",
      cell: (row) => (
        <button
          type="button"
          className="quiet"
          disabled={isLocked}
          onClick={() => onChange(row)}
          aria-label={`Change ${row.name}`}
        >
          Change…
        </button>
      ),
    },
  ];
}

function specOf(row: LimitRow, ends: [string, string][]): ControlSpec {
  const isNumber = typeof row.default === "number";
  const value = { name: "value", label: `Value (${row.unit || "text"})`, isRequired: isNumber };
  const now = String(row.value ?? row.default);
  const choices = row.choices.map((choice) => [choice, choice] as const);
  return {
    title: `Change ${row.name}`,
    consequence: `In force: ${now}; shipped: ${String(row.default)}; may be ${boundsText(row) || "any text"}. Entries are decided by the new value at once.`,
    path: "/limits/change",
    button: "Change the limit",
    fields: [
      choices.length > 0
        ? { ...value, choices, value: now }
        : { ...value, pattern: isNumber ? "-?[0-9]*[.]?[0-9]+" : ".*", value: now },
      { name: "until", label: "For how long", choices: ends },
    ],
    toBody: (given) => changeBody(row, given),
    needsPassword: true,
    isDanger: true,
  };
}

export function Limits() {
  const { data, error, dataUpdatedAt } = useLimits();
  const { desk } = useLive().health;
  const { timeMode } = useDesk();
  const isLocked = useLock();
  const [spec, setSpec] = useState<ControlSpec | null>(null);
  const clock = (iso: string) => `${clockText(iso, timeMode, false)} ${zoneText(timeMode)}`;
  const onChange = (row: LimitRow) =>
    setSpec(specOf(row, endings(desk?.market_time, desk?.session.close_at, clock)));
  const rows = data?.rows ?? [];
  const shown = columns(timeMode, isLocked, onChange);
  const panel = (title: string, limits: LimitRow[], empty: string) => (
    <Panel key={title} title={title} readAt={dataUpdatedAt} error={error}>
      <Table caption={title} columns={shown} rows={limits} id={(row) => row.name} empty={empty} />
    </Panel>
  );
  return (
    <>
      <h1>Limits</h1>
      {panel("Not as shipped", rows.filter(isChanged), "Every limit is as this build ships it.")}
      {GROUPS.map(([group, title]) =>
        panel(title, rows.filter((row) => groupOf(row.name) === group), "None."),
      )}
      {spec && <ControlDialog key={spec.title} spec={spec} onClose={() => setSpec(null)} />}
    </>
  );
}
