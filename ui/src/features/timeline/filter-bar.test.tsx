// @vitest-environment happy-dom
import { fireEvent, render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { NO_FILTERS, type TimelineFilters } from "../../models/timeline/filters";
import { PRESETS } from "../../models/timeline/presets";
import { DeskProvider } from "../login/session";
import { FilterBar } from "./filter-bar";

const SESSION = { who: "operator", csrf_token: "t", seconds_left: 60, mode: "sandbox" };

function shown(values: Partial<TimelineFilters> = {}): TimelineFilters[] {
  const changes: TimelineFilters[] = [];
  render(
    <DeskProvider session={SESSION}>
      <FilterBar
        filters={{ ...NO_FILTERS, ...values }}
        isFocused={false}
        onChange={(changed) => changes.push(changed)}
      />
    </DeskProvider>,
  );
  return changes;
}

it("takes filters out of the words that are searched for", () => {
  const changes = shown({ retention: "all" });
  const box = screen.getByRole("searchbox");
  fireEvent.change(box, { target: { value: "sym:SPY type:FillRecorded late" } });
  const form = box.closest("form");
  if (form) fireEvent.submit(form);
  expect(changes).toEqual([
    { ...NO_FILTERS, retention: "all", symbol: "SPY", type: "FillRecorded", text: "late" },
  ]);
});

it("sets types by one press and clears them by another", () => {
  const types = PRESETS[0]?.types.join(",") ?? "";
  const off = shown();
  fireEvent.click(screen.getByRole("button", { name: "Trades", pressed: false }));
  expect(off[0]?.type).toBe(types);
});

it("shows which types are set, and clears them by the same button", () => {
  const on = shown({ type: PRESETS[0]?.types.join(",") ?? "" });
  fireEvent.click(screen.getByRole("button", { name: "Trades", pressed: true }));
  expect(on[0]?.type).toBe("");
});

it("reads a time with its day in the zone that is shown", () => {
  const changes = shown();
  const from = screen.getByLabelText("From");
  fireEvent.blur(from, { target: { value: "2026-10-06 10:05" } });
  expect(changes[0]?.from).toBe("2026-10-06T14:05:00.000Z");
});

it("says what a time looks like instead of guessing", () => {
  const changes = shown();
  const from = screen.getByLabelText("From");
  fireEvent.blur(from, { target: { value: "after lunch" } });
  expect(screen.getByRole("alert").textContent).toContain("a time is like 10:05");
  expect(changes).toEqual([]);
});
