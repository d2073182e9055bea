import { describe, expect, it } from "vitest";
import { clockText, momentText } from "./times";

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
