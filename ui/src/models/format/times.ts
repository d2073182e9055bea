// Moments as text, always with their zone; the exchange's zone unless the reader chose another.

export type TimeMode = "exchange" | "utc" | "local";
export const TIME_MODES: readonly TimeMode[] = ["exchange", "utc", "local"];

const ZONES: Record<TimeMode, string | undefined> = {
  exchange: "America/New_York",
  utc: "UTC",
  local: undefined,
};
const SHORT: Record<TimeMode, string> = { exchange: "ET", utc: "UTC", local: "local" };

function parts(iso: string, mode: TimeMode): Record<string, string> {
  const zone = ZONES[mode];
  const format = new Intl.DateTimeFormat("en-CA", {
    ...(zone ? { timeZone: zone } : {}),
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  });
  return Object.fromEntries(
    format.formatToParts(new Date(iso)).map((part) => [part.type, part.value]),
  );
}

/** 14:30:05.123 with the milliseconds of the text itself, which may have six digits. */
export function clockText(iso: string, mode: TimeMode, milliseconds = true): string {
  if (Number.isNaN(Date.parse(iso))) return iso;
  const { hour, minute, second } = parts(iso, mode);
  const fraction = /\.(\d+)/.exec(iso)?.[1] ?? "";
  const shown = milliseconds ? `.${fraction.padEnd(3, "0").slice(0, 3)}` : "";
  return `${hour}:${minute}:${second}${shown}`;
}

export function momentText(iso: string, mode: TimeMode): string {
  if (Number.isNaN(Date.parse(iso))) return iso;
  const { year, month, day } = parts(iso, mode);
  return `${year}-${month}-${day} ${clockText(iso, mode)} ${SHORT[mode]}`;
}

export function zoneText(mode: TimeMode): string {
  return SHORT[mode];
}
