// Every limit of risk: what is in force, what is shipped, how far it is used, who changed it and
// until when; and the change of one.
import { useState } from "react";
import { useLive } from "../../api/live";
import { useLimits } from "../../api/queries";
import type { LimitRow } from "../../api/limit-types";
import { Panel } from "../../components/ui/panel";
import { Table, type Column } from "../../components/ui/table";
import { endings, groupOf, GROUPS, isChanged } from "../../models/limits/change";
import { clockText, zoneText, type TimeMode } from "../../models/format/times";
import { EventLink } from "../../routes/link";
import { ControlDialog, type ControlSpec } from "../controls/control-dialog";
import { useLock } from "../controls/use-lock";
import { useDesk } from "../login/session";
import { changeColumn, changeSpec, originColumn, VALUES } from "./parts";

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
    ...VALUES,
    { title: "Last use", cell: (row) => <Use row={row} timeMode={timeMode} /> },
    originColumn(timeMode),
    changeColumn(isLocked, onChange),
  ];
}

export function Limits() {
  const { data, error, dataUpdatedAt } = useLimits();
  const { desk } = useLive().health;
  const { timeMode } = useDesk();
  const isLocked = useLock();
  const [spec, setSpec] = useState<ControlSpec | null>(null);
  const clock = (iso: string) => `${clockText(iso, timeMode, false)} ${zoneText(timeMode)}`;
  const onChange = (row: LimitRow) =>
    setSpec(
      changeSpec(
        row,
        endings(desk?.market_time, desk?.session.close_at, clock),
        "/limits/change",
        "Change the limit",
      ),
    );
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
