// What is wrong with a feed, or new about it, as lines of text; the worst first.
import type { Health } from "../../api/health-types";

export type Feed = NonNullable<Health["feeds"]>[number];

interface Finding {
  key: string;
  text: string;
  /** When it began, as a moment; empty when nobody said. */
  since: string;
  tone: "tone-bad" | "tone-warning" | "";
}

const KINDS: Record<string, string> = {
  new_field: "new field",
  vanished_field: "field gone",
  changed_type: "other kind of value in",
};

function named(channel: string): string {
  return channel || "all channels";
}

export function findings(feed: Feed): Finding[] {
  const found: Finding[] = [];
  function add(kind: string, name: string, text: string, since: string, tone: Finding["tone"]) {
    found.push({ key: `${kind} ${name} ${since}`, text: `${kind}: ${text}`, since, tone });
  }
  for (const { channel, cause, since } of feed.gaps)
    add("gap", channel, `${named(channel)}, ${cause}`, since, "tone-bad");
  const hidden = feed.gaps_open - feed.gaps.length;
  if (hidden > 0) add("gap", "others", `${hidden} more`, "", "tone-bad");
  for (const { channel, reason } of feed.refused)
    add("refused", channel, `${channel}, ${reason}`, "", "tone-warning");
  for (const { channel, phase, last_at, limit_seconds } of feed.stale)
    add(
      "silent",
      channel,
      `${channel}, more than ${limit_seconds} s (${phase.replace("_", " ")})`,
      last_at ?? "",
      "tone-warning",
    );
  for (const { channel, seconds, since } of feed.silent)
    add("silent line", channel, `${channel}, ${Math.round(seconds)} s`, since, "tone-warning");
  for (const { channel, kind, field, detail, since } of feed.drift)
    add(
      "drift",
      `${channel} ${kind} ${field}`,
      `${channel}, ${KINDS[kind] ?? kind} ${field}${detail && ` (${detail})`}`,
      since,
      "tone-warning",
    );
  for (const { channel, messages_per_minute, usual_min, usual_max, since } of feed.rates)
    add(
      "rate",
      channel,
      `${channel}, ${Math.round(messages_per_minute)} a minute, usual ${Math.round(usual_min)} to ${Math.round(usual_max)}`,
      since,
      "tone-warning",
    );
  for (const { path, status, reason, since } of feed.disabled)
    add("off", path, `${path}, ${status} ${reason}`, since, "tone-warning");
  if (feed.budget) {
    const { calls_planned, calls_left, dropped, quota_used } = feed.budget;
    const without = dropped.length ? ` without ${dropped.length} endpoints` : "";
    const used = quota_used === null ? "" : `; ${(Number(quota_used) * 100).toFixed(0)} % of the day used`;
    add("budget", "", `${calls_planned} of ${calls_left} calls planned${without}${used}`, "", "");
  }
  return found;
}
