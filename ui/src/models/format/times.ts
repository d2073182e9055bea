// Moments as text, always with their zone; the exchange's zone unless the reader chose another.

export type TimeMode = "exchange" | "utc" | "local";
export const TIME_MODES: readonly TimeMode[] = ["exchange", "utc", "local"];

const ZONES: Record<TimeMode, string | undefined> = {
  exchange: "America/New_York",
  utc: "UTC",
  local: undefined,
};
const SHORT: Record<TimeMode, string> = { exchange: "ET", utc: "UTC", local: "local" };

const formats = new Map<TimeMode, Intl.DateTimeFormat>();

function formatOf(mode: TimeMode): Intl.DateTimeFormat {
  const zone = ZONES[mode];
  const known = formats.get(mode);
  if (known) return known;
  const made = new Intl.DateTimeFormat("en-CA", {
    ...(zone ? { timeZone: zone } : {}),
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  });
  formats.set(mode, made);
  return made;
}

function parts(iso: string, mode: TimeMode): Record<string, string> {
  const shown = formatOf(mode).formatToParts(new Date(iso));
  return Object.fromEntries(shown.map((part) => [part.type, part.value]));
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

const WALL = /^(?:(\d{4})-(\d\d)-(\d\d)[ T])?(\d{1,2}):(\d\d)(?::(\d\d)(?:\.(\d{1,3}))?)?$/;

/** A typed time as a moment: `10:05`, `10:05:30.250`, `2026-10-06 10:05`, or one with its zone.
 * Null when it is none. Without a day it is on `day`. */
export function momentFromText(text: string, mode: TimeMode, day: string): string | null {
  const typed = text.trim().replace(/ (ET|UTC|local)$/, "");
  const found = WALL.exec(typed);
  if (!found) {
    const isZoned = /^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.test(typed);
    return isZoned && !Number.isNaN(Date.parse(typed)) ? new Date(typed).toISOString() : null;
  }
  const [, year, month, date, hour = "", minute, second = "00", fraction = ""] = found;
  const on = year ? `${year}-${month}-${date}` : day;
  const clock = `${hour.padStart(2, "0")}:${minute}:${second}.${fraction.padEnd(3, "0")}`;
  const wall = Date.parse(`${on}T${clock}Z`);
  if (Number.isNaN(wall)) return null;
  // Twice, as the first guess may lie on the other side of a change of the clocks.
  const guess = wall - offsetMs(wall, mode);
  return new Date(wall - offsetMs(guess, mode)).toISOString();
}

/** How far the clocks of the zone are ahead of UTC at a moment. */
function offsetMs(at: number, mode: TimeMode): number {
  const second = Math.floor(at / 1_000) * 1_000;
  const shown = parts(new Date(second).toISOString(), mode);
  const { year, month, day, hour, minute } = shown;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${shown["second"]}Z`) - second;
}
