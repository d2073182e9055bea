// A change of one limit or parameter as the API takes it, from what was filled in as text.
import type { ParameterRow, ParameterValue } from "../../api/limit-types";

function valueFromText(row: ParameterRow, text: string): ParameterValue {
  if (typeof row.default === "boolean") return text === "true";
  return typeof row.default === "number" ? Number(text) : text;
}

export function changeBody(
  row: ParameterRow,
  given: Record<string, string>,
): { values: Record<string, ParameterValue>; until: string | null } {
  return {
    values: { [row.name]: valueFromText(row, given["value"] ?? "") },
    until: given["until"] ?? null,
  };
}

export function isChanged(row: ParameterRow): boolean {
  return row.value !== null && row.value !== row.default;
}

/** Values to choose from; none when it is typed. */
export function choicesOf(row: ParameterRow): readonly string[] {
  return typeof row.default === "boolean" ? ["true", "false"] : row.choices;
}

/** Words behind `risk.`, the ones that are looked for most first, with their titles. */
export const GROUPS: readonly (readonly [string, string])[] = [
  ["limit", "Exposure"],
  ["loss", "Losses"],
  ["greek", "Greeks"],
  ["scenario", "Scenarios"],
  ["size", "Size"],
  ["margin", "Margin"],
  ["order", "Orders"],
  ["halt", "Halts by rule"],
  ["approval", "Trade approval"],
  ["other", "Other"],
];

export function groupOf(name: string): string {
  const word = name.split(".")[1] ?? "";
  return GROUPS.some(([group]) => group === word) ? word : "other";
}

export function boundsText(row: ParameterRow): string {
  const choices = choicesOf(row);
  if (choices.length > 0) return choices.join(", ");
  if (row.low === null && row.high === null) return "";
  return `${row.low ?? "–"} to ${row.high ?? "–"}`;
}

/** Times at which a passing change may end, with their texts. */
export function endings(
  marketTime: string | undefined,
  closeAt: string | undefined,
  clock: (iso: string) => string,
): [string, string][] {
  const choices: [string, string][] = [["", "for good"]];
  if (!marketTime) return choices;
  const hour = new Date(Date.parse(marketTime) + 3_600_000).toISOString();
  choices.unshift([hour, `for an hour, until ${clock(hour)}`]);
  if (closeAt && closeAt > marketTime) choices.splice(1, 0, [closeAt, `until the close, ${clock(closeAt)}`]);
  return choices;
}
