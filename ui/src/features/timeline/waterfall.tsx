// A causation chain as a waterfall: indented by cause, coloured by lane, with the time between an
// event and its cause. The bars run on a logarithmic scale; the figures beside them are exact.
import { useState } from "react";
import type { ChainRow } from "../../models/timeline/chain-rows";
import { Link } from "../../routes/link";
import { usePlace, withParameter } from "../../routes/location";
import { EventName } from "./event-list";

const SHOWN_FIRST = 120;
const INDENT = 10;
const WIDTH = 100;

export function Waterfall({ rows }: { rows: readonly ChainRow[] }) {
  const [isWhole, setWhole] = useState(false);
  const place = usePlace();
  const shown = isWhole ? rows : rows.slice(0, SHOWN_FIRST);
  return (
    <>
      <ol className="waterfall" aria-label="Cause and effect">
        {shown.map((row) => (
          <li key={row.event.event_id} className={`chain-${row.role}`}>
            <Link
              to={withParameter(place, "event", row.event.event_id)}
              current={row.role === "self"}
              isRow
            >
              <span className="chain-name">
                <svg width={row.depth * INDENT} height="1" aria-hidden="true" />
                {row.depth > 0 && <span aria-hidden="true">└ </span>}
                <EventName type={row.event.type} />
              </span>
              <span className="chain-summary">{row.event.summary}</span>
              <Bar row={row} />
              <span className="chain-after">{row.after && `+${row.after}`}</span>
            </Link>
          </li>
        ))}
      </ol>
      {shown.length < rows.length && (
        <button type="button" onClick={() => setWhole(true)}>
          {rows.length - shown.length} more events
        </button>
      )}
    </>
  );
}

function Bar({ row }: { row: ChainRow }) {
  const from = row.from * WIDTH;
  return (
    <svg className="bar" viewBox={`0 0 ${WIDTH} 8`} preserveAspectRatio="none" aria-hidden="true">
      <rect
        className={`fill-${row.lane}`}
        x={Math.min(from, WIDTH - 1)}
        width={Math.max(1, (row.to - row.from) * WIDTH)}
        y="1"
        height="6"
      />
    </svg>
  );
}
