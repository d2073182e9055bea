// What the pages of limits and of parameters have in common: columns of a row, and its change.
import type { ParameterRow } from "../../api/limit-types";
import type { Column } from "../../components/ui/table";
import { boundsText, changeBody, choicesOf, isChanged } from "../../models/limits/change";
import { momentText, type TimeMode } from "../../models/format/times";
import { EventLink } from "../../routes/link";
import type { ControlSpec } from "../controls/control-dialog";

function Origin({ row, timeMode }: { row: ParameterRow; timeMode: TimeMode }) {
  if (row.event_id === null) return <span className="tone-bad">not on the log</span>;
  return (
    <span className="wide">
      <EventLink id={row.event_id}>{row.who}</EventLink>
      {row.since && <small className="faded"> {momentText(row.since, timeMode)}</small>}: {row.why}
      {row.until && <strong> until {momentText(row.until, timeMode)}</strong>}
    </span>
  );
}

/** What is in force, what is shipped, what it may be. */
export const VALUES: readonly Column<ParameterRow>[] = [
  {
    title: "In force",
    numeric: true,
    cell: (row) =>
      isChanged(row) ? (
        <strong className="tone-warning">{String(row.value)}</strong>
      ) : (
        String(row.value ?? "–")
      ),
  },
  { title: "Shipped", numeric: true, cell: (row) => String(row.default) || "–" },
  { title: "Bounds", cell: (row) => boundsText(row) },
];

export function originColumn(timeMode: TimeMode): Column<ParameterRow> {
  return {
    title: "By whom and why",
    cell: (row) => <Origin row={row} timeMode={timeMode} />,
  };
}

export function changeColumn<T extends ParameterRow>(
  isLocked: boolean,
  onChange: (row: T) => void,
): Column<T> {
  return {
    title: "",
    cell: (row) => (
      <button
        type="button"
        className="quiet"
        disabled={isLocked}
        onClick={() => onChange(row)}
        aria-label={`Change ${row.name}`}
      >
        Change…
      </button>
    ),
  };
}

/** `ends` are the times at which it may come back; `button` says what is changed. */
export function changeSpec(
  row: ParameterRow,
  ends: [string, string][],
  path: string,
  button: string,
): ControlSpec {
  const isNumber = typeof row.default === "number";
  const value = { name: "value", label: `Value (${row.unit || "text"})`, isRequired: isNumber };
  const now = String(row.value ?? row.default);
  const choices = choicesOf(row).map((choice) => [choice, choice] as const);
  return {
    title: `Change ${row.name}`,
    consequence: `In force: ${now}; shipped: ${String(row.default)}; may be ${boundsText(row) || "any text"}. The rules read the new value at once.`,
    path,
    button,
    fields: [
      choices.length > 0
        ? { ...value, choices, value: now }
        : { ...value, pattern: isNumber ? "-?[0-9]*[.]?[0-9]+" : ".*", value: now },
      { name: "until", label: "For how long", choices: ends },
    ],
    toBody: (given) => changeBody(row, given),
    needsPassword: true,
    isDanger: true,
  };
}
