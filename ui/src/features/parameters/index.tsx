// Every parameter of the rules: what is in force, what is shipped, who changed it and until when;
// and the change of one. Limits of risk are listed too, so that a search finds whatever can be set.
import { memo, useCallback, useState } from "react";
import { useLive } from "../../api/live";
import { useLimits, useParameters } from "../../api/queries";
import type { ParameterRow } from "../../api/limit-types";
import { Panel } from "../../components/ui/panel";
import { Table, type Column } from "../../components/ui/table";
import { endings, isChanged } from "../../models/limits/change";
import { clockText, zoneText, type TimeMode } from "../../models/format/times";
import { isLimit, listing, matching } from "../../models/parameters/listing";
import { Link } from "../../routes/link";
import { navigate, usePlace, withParameter } from "../../routes/location";
import { ControlDialog, type ControlSpec } from "../controls/control-dialog";
import { useLock } from "../controls/use-lock";
import { changeColumn, changeSpec, originColumn, VALUES } from "../limits/parts";
import { useDesk } from "../login/session";

const STALE_SECONDS = 60;
const NO_ROWS: ParameterRow[] = [];

function columns(
  timeMode: TimeMode,
  isLocked: boolean,
  onChange: (row: ParameterRow) => void,
): Column<ParameterRow>[] {
  return [
    {
      title: "Parameter",
      cell: (row) => (
        <span title={row.source}>
          {row.name} <small className="faded">{row.unit}</small>
        </span>
      ),
    },
    ...VALUES,
    originColumn(timeMode),
    changeColumn(isLocked, onChange),
  ];
}

interface RowsProps {
  title: string;
  rows: ParameterRow[];
  readAt: number;
  isLocked: boolean;
  timeMode: TimeMode;
  empty: string;
  onChange: (row: ParameterRow) => void;
}

function RowsOf({ title, rows, readAt, isLocked, timeMode, empty, onChange }: RowsProps) {
  return (
    <Panel title={title} readAt={readAt} staleAfterSeconds={STALE_SECONDS}>
      <Table
        caption={title}
        columns={columns(timeMode, isLocked, onChange)}
        rows={rows}
        id={(row) => row.name}
        empty={empty}
      />
    </Panel>
  );
}

interface ListProps extends Omit<RowsProps, "title" | "rows" | "empty"> {
  rows: ParameterRow[];
  limits: ParameterRow[];
  text: string;
}

/** Hundreds of rows: drawn again when something of them changed, not with every second. */
const List = memo(function List({ rows, limits, text, ...shown }: ListProps) {
  const all = [...rows, ...limits];
  const parts = listing(matching(all, text));
  return (
    <>
      {text === "" && (
        <RowsOf
          title="Not as shipped"
          rows={all.filter(isChanged)}
          empty="Every parameter is as this build ships it."
          {...shown}
        />
      )}
      {parts.map(([title, part]) => (
        <RowsOf key={title} title={title} rows={part} empty="None." {...shown} />
      ))}
      {all.length > 0 && parts.length === 0 && <p className="empty">No parameter has that.</p>}
    </>
  );
});

interface ChangeProps {
  row: ParameterRow;
  version: number;
  ends: [string, string][];
  onClose: () => void;
}

/** With the version that was looked at when it was opened: on top of another one nothing changes. */
function Change({ row, version, ends, onClose }: ChangeProps) {
  const [spec] = useState((): ControlSpec => {
    if (isLimit(row.name)) return changeSpec(row, ends, "/limits/change", "Change the limit");
    const made = changeSpec(row, ends, "/parameters/change", "Change the parameter");
    return { ...made, extra: { expected_version: version } };
  });
  return <ControlDialog spec={spec} onClose={onClose} />;
}

export function Parameters() {
  const { data, error, dataUpdatedAt } = useParameters();
  const limits = useLimits();
  const { desk } = useLive().health;
  const { timeMode } = useDesk();
  const isLocked = useLock();
  const place = usePlace();
  const [asked, setAsked] = useState<ParameterRow | null>(null);
  const onChange = useCallback((row: ParameterRow) => setAsked(row), []);
  const clock = (iso: string) => `${clockText(iso, timeMode, false)} ${zoneText(timeMode)}`;
  const text = new URLSearchParams(place.search).get("find") ?? "";
  return (
    <>
      <h1>Parameters</h1>
      <search className="filters">
        <label htmlFor="search">Find</label>
        <input
          id="search"
          type="search"
          value={text}
          onChange={(event) =>
            navigate(withParameter(place, "find", event.target.value), { replace: true })
          }
          placeholder="words of a name, unit or reason"
          autoComplete="off"
          spellCheck={false}
        />
        <span className="faded">
          version {data?.version ?? "–"}; how far limits are used: <Link to="/limits">Limits</Link>
        </span>
      </search>
      {(error ?? limits.error) && (
        <p role="alert" className="tone-bad">
          {(error ?? limits.error)?.message}
        </p>
      )}
      <List
        rows={data?.rows ?? NO_ROWS}
        limits={limits.data?.rows ?? NO_ROWS}
        text={text}
        readAt={dataUpdatedAt}
        isLocked={isLocked}
        timeMode={timeMode}
        onChange={onChange}
      />
      {asked && (
        <Change
          key={asked.name}
          row={asked}
          version={data?.version ?? 0}
          ends={endings(desk?.market_time, desk?.session.close_at, clock)}
          onClose={() => setAsked(null)}
        />
      )}
    </>
  );
}
