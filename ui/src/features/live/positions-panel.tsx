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

function verbColumn(
  isLocked: boolean,
  verbs: Record<string, (row: PositionRow) => void>,
): Column<PositionRow> {
  return {
    title: "",
    cell: (row) =>
      !row.is_over && (
        <span className="buttons">
          {Object.entries(verbs).map(([verb, onPress]) => (
            <button
              key={verb}
              type="button"
              className="quiet"
              disabled={isLocked}
              onClick={() => onPress(row)}
              aria-label={`${verb} ${row.symbol} ${row.strategy}`}
            >
              {verb}…
            </button>
          ))}
        </span>
      ),
  };
}

export function PositionsPanel() {
  const { data, error, dataUpdatedAt } = usePositions();
  const [closing, setClosing] = useState<PositionRow | null>(null);
  const [changing, setChanging] = useState<PositionRow | null>(null);
  const isLocked = useLock();
  const verbs = verbColumn(isLocked, { Change: setChanging, Close: setClosing });
  return (
    <Panel title="Positions" readAt={dataUpdatedAt} staleAfterSeconds={6} error={error}>
      <Table
        caption="Positions"
        columns={[...FIGURES, verbs]}
        rows={(data?.rows ?? []).slice(0, SHOWN_MAX)}
        id={(row) => row.position_id}
        empty="Nothing is held."
        faded={(row) => row.is_over}
      />
      {changing && (
        <ControlDialog
          onClose={() => setChanging(null)}
          spec={{
            title: `Change ${changing.symbol} ${changing.strategy}`,
            consequence: `The stop, ${changing.stop_price}, may only rise; the target is ${changing.target_price}. What is left empty stays.`,
            path: `/trades/${encodeURIComponent(changing.position_id)}/exit-plan`,
            button: "Change where it is left",
            fields: [
              { name: "stop_price", label: "Stop" },
              { name: "target_price", label: "Target" },
            ],
            isDanger: true,
          }}
        />
      )}
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
