// Which metrics are listed, and how one is told.
import type { ForecastRow, MetricRow, MetricValue } from "../../api/analytics-types";

/** Rows in which every word of the text is somewhere, qualities and reasons among them. */
export function matching(rows: readonly MetricRow[], text: string): MetricRow[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return rows.filter((row) => {
    const values = Object.values(row.symbols).map((one) => `${one?.quality} ${one?.reason}`);
    const all = [row.metric, row.module, row.unit, row.meaning, ...values].join(" ").toLowerCase();
    return words.every((word) => all.includes(word));
  });
}

/** Why a value is to be looked at twice; empty when it is as good as it can be. */
export function doubt(value: MetricValue | null | undefined): string {
  if (!value) return "not reported yet";
  return value.quality === "OK" ? "" : [value.quality, value.reason].filter(Boolean).join(" ");
}

const OLD_MS = 90_000;

/** Whether a report is older than the thinnest stretch makes one, by the desk's own clock. */
export function isOld(evaluatedAt: string | null, marketTime: string | undefined): boolean {
  if (!evaluatedAt || !marketTime) return true;
  return Date.parse(marketTime) - Date.parse(evaluatedAt) > OLD_MS;
}

/** The numbers of a forecast, those that say most first as they came. */
export function numbersText(row: ForecastRow): string {
  return Object.entries(row.values)
    .map(([name, value]) => `${name} ${value ?? "–"}`)
    .join(", ");
}
