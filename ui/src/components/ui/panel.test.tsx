// @vitest-environment happy-dom
import { act, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Panel } from "./panel";

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 9, 6, 14) });
});
afterEach(() => {
  vi.useRealTimers();
});

function shown(readAt: number | undefined) {
  render(
    <Panel title="Orders" staleAfterSeconds={6} {...(readAt === undefined ? {} : { readAt })}>
      <p>figures</p>
    </Panel>,
  );
  return screen.getByRole("region", { name: "Orders" });
}

describe("a panel", () => {
  it("grows stale by itself when nothing is read any more", () => {
    const panel = shown(Date.now());
    expect(panel.className).not.toContain("stale");
    act(() => {
      vi.advanceTimersByTime(6_000);
    });
    expect(panel.className).not.toContain("stale");
    act(() => {
      vi.advanceTimersByTime(2_000);
    });
    expect(panel.className).toContain("stale");
    expect(panel.textContent).toContain("stale: 8 s old");
    expect(panel.textContent).toContain("figures");
  });

  it("is stale until it was read for the first time", () => {
    const panel = shown(0);
    expect(panel.className).toContain("stale");
    expect(panel.textContent).toContain("not read yet");
  });

  it("without data of its own has no age", () => {
    expect(shown(undefined).className).toBe("panel");
  });
});
