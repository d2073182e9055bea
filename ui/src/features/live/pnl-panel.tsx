// Profit and loss of the session, by strategy, as the API adds it up.
import { usePnl } from "../../api/queries";
import type { PnlSum } from "../../api/types";
import { Money } from "../../components/ui/figures";
import { Panel } from "../../components/ui/panel";
import { Table, type Column } from "../../components/ui/table";

type Line = PnlSum & { strategy: string };

const COLUMNS: Column<Line>[] = [
  { title: "Strategy", cell: (row) => row.strategy },
  { title: "Open", numeric: true, cell: (row) => <Money value={row.unrealised} /> },
  { title: "Realised", numeric: true, cell: (row) => <Money value={row.realised} /> },
  { title: "Total", numeric: true, cell: (row) => <Money value={row.total} /> },
];

export function PnlPanel() {
  const { data, error, dataUpdatedAt } = usePnl();
  const lines: Line[] = [...(data?.strategies ?? [])];
  if (data && lines.length > 1) lines.push({ strategy: "all", ...data.total });
  return (
    <Panel title="Profit and loss" readAt={dataUpdatedAt} staleAfterSeconds={6} error={error}>
      <p className="big">
        <Money value={data?.total.total} /> <small>USD, after fees</small>
      </p>
      {data !== undefined && data.total.without_mark > 0 && (
        <p className="tone-warning">{data.total.without_mark} open without a mark: not counted</p>
      )}
      <Table
        caption="Profit and loss by strategy"
        columns={COLUMNS}
        rows={lines}
        id={(row) => row.strategy}
        empty="No trades yet."
      />
      {data?.account.net_liquidation && (
        <dl className="pairs sums">
          <div>
            <dt>Net liquidation</dt>
            <dd className="numeric">{data.account.net_liquidation}</dd>
          </div>
          <div>
            <dt>The broker's day</dt>
            <dd className="numeric">{data.account.daily_pnl ?? "–"}</dd>
          </div>
          <div>
            <dt>Fees</dt>
            <dd className="numeric">{data.total.fees}</dd>
          </div>
        </dl>
      )}
    </Panel>
  );
}
