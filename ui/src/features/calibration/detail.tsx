// One forecast's record: every score for ever and of late, the diagram, the intervals.
import type { CalibrationRow, Coverage } from "../../api/calibration-types";
import { Panel } from "../../components/ui/panel";
import { Table, type Column } from "../../components/ui/table";
import {
  bucketText,
  figure,
  gateText,
  modelText,
  scoreLines,
  share,
  small,
  symbolText,
} from "../../models/calibration/describe";
import { EventLink } from "../../routes/link";
import { Reliability } from "./reliability";

const SCORES: Column<[string, string, string]>[] = [
  { title: "Score", cell: ([title]) => title },
  { title: "Ever", numeric: true, cell: ([, ever]) => ever },
  { title: "Recent", numeric: true, cell: ([, , recent]) => recent },
];
const COVERAGE: Column<Coverage>[] = [
  { title: "Level", numeric: true, cell: (row) => share(row.level) },
  { title: "Held", numeric: true, cell: (row) => share(row.coverage) },
  { title: "95 % interval", numeric: true, cell: (row) => `${share(row.low)} to ${share(row.high)}` },
  {
    title: "Kupiec",
    numeric: true,
    cell: (row) => `${figure(row.kupiec, 2)} (p ${figure(row.kupiec_p)})`,
  },
  { title: "Mean width", numeric: true, cell: (row) => small(row.width) },
  { title: "Adapted to miss", numeric: true, cell: (row) => share(row.alpha) },
];

export function Detail({ row, readAt }: { row: CalibrationRow; readAt: number }) {
  const title = `${modelText(row.model)}, ${symbolText(row.symbol)}, ${bucketText(row.bucket)}`;
  return (
    <Panel title={title} readAt={readAt} staleAfterSeconds={60}>
      <p>
        {gateText(row)}. {row.count} outcomes worth {figure(row.n_eff, 1)}, {row.voided} void
        {row.scheduled ? "" : "; made at decisions"}. <EventLink id={row.event_id}>Event</EventLink>
      </p>
      <div className="grid">
        <Table
          caption="Scores"
          columns={SCORES}
          rows={scoreLines(row)}
          id={([name]) => name}
          empty="None."
        />
        {row.kind === "prob" ? (
          <div>
            <Reliability bins={row.bins} />
          </div>
        ) : (
          <Table
            caption="Intervals"
            columns={COVERAGE}
            rows={row.coverage}
            id={(one) => String(one.level)}
            empty="No interval yet."
          />
        )}
      </div>
      <p className="faded">
        {row.kind !== "prob" && `Rank correlation of the last 500: ${figure(row.rank_correlation)}. `}
        {row.b !== null && `Recalibration: a ${figure(row.a)}, b ${figure(row.b)}.`}
      </p>
    </Panel>
  );
}
