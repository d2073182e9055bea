// What was said against what came: a point for each tenth, with its interval. Points on the line
// are right. The table below says the same in figures.
import type { Bin } from "../../api/calibration-types";
import { Table, type Column } from "../../components/ui/table";
import { place, share } from "../../models/calibration/describe";

const SIZE = 240;
const EDGE = 28;
const COLUMNS: Column<Bin>[] = [
  { title: "Said", numeric: true, cell: (bin) => share(bin.p) },
  { title: "Came", numeric: true, cell: (bin) => share(bin.rate) },
  { title: "95 % interval", numeric: true, cell: (bin) => `${share(bin.low)} to ${share(bin.high)}` },
  { title: "Outcomes", numeric: true, cell: (bin) => bin.count },
];

export function Reliability({ bins }: { bins: readonly Bin[] }) {
  return (
    <>
      {bins.length > 0 && <Diagram bins={bins} />}
      <Table
        caption="Outcomes by what was said"
        columns={COLUMNS}
        rows={bins}
        id={(bin) => String(bin.p)}
        empty="No outcome yet."
      />
    </>
  );
}

function Diagram({ bins }: { bins: readonly Bin[] }) {
  const whole = SIZE + 2 * EDGE;
  const most = Math.max(...bins.map((bin) => bin.count));
  return (
    <svg
      className="reliability"
      viewBox={`${-EDGE} ${-EDGE} ${whole} ${whole}`}
      role="img"
      aria-label="Reliability diagram: said against came; the table after it has the figures"
    >
      <rect className="frame" width={SIZE} height={SIZE} />
      <line className="right" x1={0} y1={SIZE} x2={SIZE} y2={0} />
      {bins.map((bin) => {
        const { x, y, low, high } = place(bin, SIZE);
        return (
          <g key={bin.p}>
            <line className="interval" x1={x} x2={x} y1={low} y2={high} />
            <circle className="seen" cx={x} cy={y} r={3 + 4 * Math.sqrt(bin.count / most)} />
          </g>
        );
      })}
      <text x={0} y={SIZE + 18}>
        said 0
      </text>
      <text x={SIZE} y={SIZE + 18} textAnchor="end">
        1
      </text>
      <text x={-6} y={10} textAnchor="end">
        1
      </text>
      <text x={0} y={-8}>
        came
      </text>
    </svg>
  );
}
