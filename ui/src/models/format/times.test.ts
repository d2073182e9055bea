import { describe, expect, it } from "vitest";
import { clockText, momentFromText, momentText } from "./times";

describe("times", () => {
  it("shows the exchange's zone on both sides of a change of the clocks", () => {
    expect(momentText("2026-10-30T14:30:05.123456Z", "exchange")).toBe("2026-10-30 10:30:05.123 ET");
    expect(momentText("2026-11-02T14:30:05Z", "exchange")).toBe("2026-11-02 09:30:05.000 ET");
  });

  it("keeps UTC as it is and never shows 24:00", () => {
    expect(clockText("2026-11-02T00:00:00.5Z", "utc")).toBe("00:00:00.500");
    expect(clockText("2026-11-02T00:00:00.5Z", "utc", false)).toBe("00:00:00");
  });

  it("shows what is no time as it came", () => {
    expect(clockText("soon", "utc")).toBe("soon");
  });
});

describe("a typed time", () => {
  const day = "2026-10-06";

  it.each([
    ["10:05", "2026-10-06T14:05:00.000Z"],
    ["9:30:05.25", "2026-10-06T13:30:05.250Z"],
    ["2026-11-02 09:30", "2026-11-02T14:30:00.000Z"],
    ["2026-10-06 10:30:05.123 ET", "2026-10-06T14:30:05.123Z"],
    ["2026-10-06T14:05:00Z", "2026-10-06T14:05:00.000Z"],
    ["2026-10-06T10:05:00-04:00", "2026-10-06T14:05:00.000Z"],
  ])("%s of the exchange is %s", (text, moment) =>
    expect(momentFromText(text, "exchange", day)).toBe(moment),
  );

  it("is found again from how it is shown, on both sides of a change of the clocks", () => {
    for (const moment of ["2026-11-01T04:59:59.000Z", "2026-11-01T08:00:00.500Z"]) {
      expect(momentFromText(momentText(moment, "exchange"), "exchange", day)).toBe(moment);
    }
  });

  it.each(["", "soon", "10", "25:00", "10:99", "2026-10-06"])("%j is none", (text) =>
    expect(momentFromText(text, "utc", day)).toBeNull(),
  );
});
