// What a signal was scored on, and how good the model behind its confidence has been so far.
import { useEvent } from "../../api/queries";
import type { EventRow } from "../../api/types";
import { Panel } from "../../components/ui/panel";
import { Table, type Column } from "../../components/ui/table";
import {
  featuresOf,
  rationaleOf,
  recordOf,
  totalsOf,
  type FeatureLine,
  type FeatureList,
} from "../../models/timeline/features";
import { EventLink } from "../../routes/link";

const COLUMNS: Column<FeatureLine>[] = [
  { title: "Feature", cell: (row) => <span className="nowrap">{row.name}</span> },
  { title: "Was", cell: (row) => row.raw },
  { title: "Counts as", numeric: true, cell: (row) => row.x },
  { title: "Weight", numeric: true, cell: (row) => row.weight },
  { title: "Log-odds", numeric: true, cell: (row) => row.contribution },
  { title: "Quality", cell: (row) => row.quality },
];

const TITLES: Record<FeatureList, string> = {
  features: "Features of the score",
  directional: "Features behind its direction",
};

export function Features({ event }: { event: EventRow }) {
  const { data, error } = useEvent(event.event_id);
  const payload = data?.payload_text ?? "{}";
  const record = recordOf(payload);
  const directional = featuresOf(payload, "directional");
  return (
    <Panel title="What it was scored on" error={error}>
      <p>
        As recorded by <EventLink id={event.event_id}>{event.type}</EventLink>
      </p>
      {rationaleOf(payload) && <p>{rationaleOf(payload)}</p>}
      <FeatureTable list="features" rows={featuresOf(payload, "features")} />
      <Pairs rows={totalsOf(payload)} />
      <p className="faded">
        Contributions, bias and clip add up to the log-odds; of a price that rises, or of sold
        premium that reaches its target.
      </p>
      {directional.length > 0 && <FeatureTable list="directional" rows={directional} />}
      {record.length > 0 && (
        <>
          <h3>Record of the model behind its confidence</h3>
          <Pairs rows={record} />
        </>
      )}
    </Panel>
  );
}

function Pairs({ rows }: { rows: [string, string][] }) {
  return (
    <dl className="pairs columns">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function FeatureTable({ list, rows }: { list: FeatureList; rows: FeatureLine[] }) {
  return (
    <>
      <h3>{TITLES[list]}</h3>
      <Table
        caption={TITLES[list]}
        columns={COLUMNS}
        rows={rows}
        id={(row) => row.id}
        empty="It records none."
      />
    </>
  );
}
