// Profit and loss by greek: of the positions on the page, and of the session in all.
import { usePnl, usePositions } from "../../api/queries";
import type { Explained } from "../../api/types";
import { Money } from "../../components/ui/figures";
import { Panel } from "../../components/ui/panel";
import { Table, type Column } from "../../components/ui/table";

const SHOWN_MAX = 15;

interface Line {
  id: string;
  name: string;
  explained: Explained;
  fees: string;
}

const PARTS: readonly (readonly [string, keyof Explained])[] = [
  ["Delta", "delta_pnl"],
  ["Gamma", "gamma_pnl"],
  ["Vega", "vega_pnl"],
  ["Theta", "theta_pnl"],
  ["Slippage", "slippage"],
  ["Residual", "residual"],
];

const COLUMNS: Column<Line>[] = [
  { title: "Trade", cell: (line) => <span className="nowrap">{line.name}</span> },
  ...PARTS.map(([title, part]) => ({
    title,
    numeric: true,
    cell: (line: Line) => <Money value={line.explained[part]} />,
  })),
  { title: "Fees paid", numeric: true, cell: (line) => line.fees },
];

export function ExplainedPanel() {
  const { data, error, dataUpdatedAt } = usePositions();
  const { total } = usePnl().data ?? {};
  const lines: Line[] = [];
  for (const row of data?.rows ?? []) {
    if (row.explained === null || lines.length >= SHOWN_MAX) continue;
    const name = `${row.symbol} ${row.strategy}${row.is_over ? ", closed" : ""}`;
    lines.push({ id: row.position_id, name, explained: row.explained, fees: row.fees });
  }
  if (total && total.explained.positions > 0) {
    lines.push({ id: "all", name: "all today", explained: total.explained, fees: total.fees });
  }
  return (
    <Panel title="Where it comes from" readAt={dataUpdatedAt} error={error}>
      <Table
        caption="Profit and loss by greek, dollars before fees"
        columns={COLUMNS}
        rows={lines}
        id={(line) => line.id}
        empty="Nothing is explained yet: the first minute of a position is."
        faded={(line) => line.name.endsWith(", closed")}
      />
    </Panel>
  );
}
