import { describe, expect, it } from "vitest";
import { findings, type Feed } from "./findings";

const SINCE = "2026-10-06T14:00:00Z";
const QUIET: Feed = {
  name: "uw.socket",
  state: "ready",
  status: "up",
  reason: "",
  since: SINCE,
  gap: null,
  gaps: [],
  gaps_open: 0,
  refused: [],
  stale: [],
  silent: [],
  drift: [],
  drifts: 0,
  rates: [],
  disabled: [],
  budget: null,
};

function texts(feed: Partial<Feed>): string[] {
  return findings({ ...QUIET, ...feed }).map((finding) => finding.text);
}

describe("findings of a feed", () => {
  it("are none of one that is as it should be", () => expect(texts({})).toEqual([]));

  it("name each gap with its cause, and how many more there are", () => {
    const gaps = [
      { channel: "price:SPY", since: SINCE, cause: "connection lost" },
      { channel: "", since: SINCE, cause: "paused" },
    ];
    expect(texts({ gaps, gaps_open: 5 })).toEqual([
      "gap: price:SPY, connection lost",
      "gap: all channels, paused",
      "gap: 3 more",
    ]);
  });

  it("say what changed in its messages, and since when", () => {
    const drift = [
      { channel: "news", kind: "changed_type", field: "tickers", detail: "list, text", since: SINCE },
      { channel: "news", kind: "new_field", field: "score", detail: "", since: SINCE },
    ];
    expect(findings({ ...QUIET, drift }).map(({ text, since }) => [text, since])).toEqual([
      ["drift: news, other kind of value in tickers (list, text)", SINCE],
      ["drift: news, new field score", SINCE],
    ]);
  });

  it("tell silence with its limit and phase, and rates with their band", () => {
    const stale = [
      { channel: "gex:SPY", phase: "late_options", last_at: null, limit_seconds: 120 },
    ];
    const rates = [
      { channel: "gex:SPY", messages_per_minute: 3, usual_min: 20, usual_max: 500, since: SINCE },
    ];
    const silent = [{ channel: "ticks SPY 1", seconds: 31.4, since: SINCE }];
    expect(texts({ stale, rates, silent })).toEqual([
      "silent: gex:SPY, more than 120 s (late options)",
      "silent line: ticks SPY 1, 31 s",
      "rate: gex:SPY, 3 a minute, usual 20 to 500",
    ]);
  });

  it("tell the calls that are left and what is not asked any more", () => {
    const disabled = [{ path: "/api/x", status: 403, reason: "not in the plan", since: SINCE }];
    const budget = {
      calls_planned: 900,
      calls_left: 14_000,
      quota_used: "0.254",
      calls_a_minute_max: 100,
      dropped: ["/api/y"],
    };
    expect(texts({ disabled, budget })).toEqual([
      "off: /api/x, 403 not in the plan",
      "budget: 900 of 14000 calls planned without 1 endpoints; 25 % of the day used",
    ]);
  });
});
