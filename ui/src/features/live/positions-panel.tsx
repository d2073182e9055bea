// Open positions and the newest closed ones. A mark older than its limit is greyed, not hidden.
import { useState } from "react";
import { usePositions } from "../../api/queries";
import type { PositionRow } from "../../api/types";
import { Money } from "../../components/ui/figures";
import { Panel } from "../../components/ui/panel";
import { Table, type Column } from "../../components/ui/table";
import { legsText } from "../../models/format/legs";
import { Link } from "../../routes/link";
import { ControlDialog } from "../controls/control-dialog";
import { useLock } from "../controls/use-lock";

const MARK_STALE_SECONDS = 10;
const SHOWN_MAX = 30;

function Mark({ row }: { row: PositionRow }) {
  if (row.mark === null) return <span className="faded">–</span>;
  const age = row.mark_age_seconds ?? 0;
  if (row.is_over || age <= MARK_STALE_SECONDS) return <>{row.mark}</>;
  return (
    <span className="stale-figure">
      {row.mark} <small>{Math.round(age)} s old</small>
    </span>
  );
}

const FIGURES: Column<PositionRow>[] = [
  {
    title: "Trade",
    cell: (row) => (
      <Link to={`/explain/${row.correlation_id}`} className="nowrap">
        {row.symbol} {row.strategy}
      </Link>
    ),
  },
  { title: "Legs", cell: (row) => <span className="nowrap">{legsText(row.structure)}</span> },
  { title: "Units", numeric: true, cell: (row) => `${row.units} of ${row.planned_units}` },
  { title: "Entry", numeric: true, cell: (row) => row.entry_price ?? "–" },
  { title: "Mark", numeric: true, cell: (row) => <Mark row={row} /> },
  { title: "Exit", numeric: true, cell: (row) => row.exit_price ?? "–" },
  { title: "Stop", numeric: true, cell: (row) => row.stop_price },
  { title: "Target", numeric: true, cell: (row) => row.target_price },
  { title: "Open P&L", numeric: true, cell: (row) => <Money value={row.unrealised_pnl} /> },
  { title: "Realised", numeric: true, cell: (row) => <Money value={row.realised_pnl} /> },
  {
    title: "State",
    cell: (row) => (row.exit_reason ? `${row.state}: ${row.exit_reason}` : row.state),
  },
];

function closeColumn(isLocked: boolean, onClose: (row: PositionRow) => void): Column<PositionRow> {
  return {
    title: "",
    cell: (row) =>
      !row.is_over && (
        <button
          type="button"
          className="quiet"
          disabled={isLocked}
          onClick={() => onClose(row)}
          aria-label={`Close ${row.symbol} ${row.strategy}`}
        >
          Close…
        </button>
      ),
  };
}

export function PositionsPanel() {
  const { data, error, dataUpdatedAt } = usePositions();
  const [closing, setClosing] = useState<PositionRow | null>(null);
  const isLocked = useLock();
  return (
    <Panel title="Positions" readAt={dataUpdatedAt} staleAfterSeconds={6} error={error}>
      <Table
        caption="Positions"
        columns={[...FIGURES, closeColumn(isLocked, setClosing)]}
        rows={(data?.rows ?? []).slice(0, SHOWN_MAX)}
        id={(row) => row.position_id}
        empty="Nothing is held."
        faded={(row) => row.is_over}
      />
      {closing && (
        <ControlDialog
          onClose={() => setClosing(null)}
          spec={{
            title: `Close ${closing.symbol} ${closing.strategy}`,
            consequence: `Asks the desk to leave ${closing.units} units of ${closing.structure.join(" / ")}.`,
            path: `/trades/${encodeURIComponent(closing.position_id)}/cancel`,
            button: "Close the position",
            isDanger: true,
          }}
        />
      )}
    </Panel>
  );
}
