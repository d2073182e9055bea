// Parameters as the page lists them: by the part of the rules that reads them, and by words.
import type { ParameterRow } from "../../api/limit-types";

const TITLES: Record<string, string> = {
  analytics: "Analytics",
  forecasts: "Forecasts",
  signals: "Signals",
  "signals.0dte": "Signals, 0DTE",
  "signals.1dte": "Signals, 1DTE",
  "signals.14d": "Signals, 14D+",
  "signals.moc": "Signals, MOC",
  risk: "Limits of risk",
  execution: "Execution",
  stop: "Stops",
  publication: "Publication",
  approval: "Approval",
  report: "Reports",
};

export function isLimit(name: string): boolean {
  return name.startsWith("risk.");
}

/** The parameters of analytics are the ones whose names have no first word before a dot. */
export function partOf(name: string): string {
  const [first = "", second = ""] = name.split(".");
  if (!name.includes(".")) return "analytics";
  return `${first}.${second}` in TITLES ? `${first}.${second}` : first;
}

/** Title and rows of each part that has any, in the order of TITLES; unknown parts last. */
export function listing<T extends ParameterRow>(rows: readonly T[]): [string, T[]][] {
  const parts = new Map<string, T[]>(Object.keys(TITLES).map((part) => [part, []]));
  for (const row of rows) {
    const part = partOf(row.name);
    parts.set(part, [...(parts.get(part) ?? []), row]);
  }
  return [...parts]
    .filter(([, part]) => part.length > 0)
    .map(([part, of]) => [TITLES[part] ?? part, of]);
}

/** Rows that have every word in their name, unit, origin or reason. */
export function matching<T extends ParameterRow>(rows: readonly T[], text: string): T[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return rows.filter((row) => {
    const all = [row.name, row.unit, row.source, row.who, row.why].join(" ").toLowerCase();
    return words.every((word) => all.includes(word));
  });
}
