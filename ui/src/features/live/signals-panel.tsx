// What strategies want, and which gates stand in the way.
import { useSignals } from "../../api/queries";
import type { SignalRow } from "../../api/types";
import { Panel } from "../../components/ui/panel";
import { Table, type Column } from "../../components/ui/table";
import { Link } from "../../routes/link";

const SHOWN_MAX = 10;

function Gates({ row }: { row: SignalRow }) {
  const closed = row.gates.filter((gate) => gate.result !== "pass");
  if (closed.length === 0) return <span className="tone-good">all pass</span>;
  const told = closed.map((gate) => `${gate.code}: ${gate.measured}, needs ${gate.threshold}`);
  return (
    <span className="tone-warning" title={told.join("\n")}>
      {closed
        .slice(0, 3)
        .map((gate) => gate.code)
        .join(", ")}
      {closed.length > 3 && ` and ${closed.length - 3} more`}
    </span>
  );
}

const COLUMNS: Column<SignalRow>[] = [
  {
    title: "Signal",
    cell: (row) => (
      <Link to={`/explain/${row.correlation_id}`} className="nowrap">
        {row.symbol} {row.strategy} {row.direction}
      </Link>
    ),
  },
  { title: "Variant", cell: (row) => row.variant },
  { title: "P", numeric: true, cell: (row) => row.probability },
  { title: "Gates", cell: (row) => <Gates row={row} /> },
  {
    title: "State",
    cell: (row) => (
      <span className="clip short" title={row.detail}>
        {[row.state, row.detail].filter(Boolean).join(": ")}
      </span>
    ),
  },
];

export function SignalsPanel() {
  const { data, error, dataUpdatedAt } = useSignals();
  return (
    <Panel title="Signals" readAt={dataUpdatedAt} error={error}>
      <Table
        caption="Signals"
        columns={COLUMNS}
        rows={(data?.rows ?? []).slice(0, SHOWN_MAX)}
        id={(row) => row.signal_id}
        empty="No candidates."
        faded={(row) => row.is_over}
      />
    </Panel>
  );
}
