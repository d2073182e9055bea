// The conditions that a signal or a decision had to meet, as its own event recorded them.
import { useEvent } from "../../api/queries";
import type { EventRow } from "../../api/types";
import { Panel } from "../../components/ui/panel";
import { Table, type Column } from "../../components/ui/table";
import { conditionsOf, type Condition } from "../../models/timeline/conditions";
import { EventLink } from "../../routes/link";

const SYMBOLS = { pass: "✓", fail: "✗", unevaluable: "?" } as const;
const TONES = { pass: "tone-good", fail: "tone-bad", unevaluable: "tone-warning" } as const;

const COLUMNS: Column<Condition>[] = [
  {
    title: "Condition",
    cell: (row) => (
      <span className={`nowrap ${TONES[row.result]}`} title={row.result}>
        {SYMBOLS[row.result]} {row.code}
      </span>
    ),
  },
  { title: "Was", cell: (row) => row.measured },
  { title: "Must be", cell: (row) => row.limit },
  { title: "Note", cell: (row) => row.note },
];

export function Conditions(props: { title: string; event: EventRow; list: "gates" | "checks" }) {
  const { data, error } = useEvent(props.event.event_id);
  const rows = data ? conditionsOf(data.payload_text, props.list) : [];
  return (
    <Panel title={props.title} error={error}>
      <p>
        As recorded by <EventLink id={props.event.event_id}>{props.event.type}</EventLink>
      </p>
      <Table
        caption={props.title}
        columns={COLUMNS}
        rows={rows}
        id={(row) => row.code}
        empty={data ? "It records none." : "Reading…"}
      />
    </Panel>
  );
}
