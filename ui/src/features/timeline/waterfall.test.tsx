// @vitest-environment happy-dom
import { fireEvent, render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { chainRows } from "../../models/timeline/chain-rows";
import { exampleEvent } from "../../models/timeline/example-events";
import { Waterfall } from "./waterfall";

const ROWS = chainRows({
  causes: [exampleEvent(1)],
  event: exampleEvent(2, { causation_id: "event-1" }),
  effects: Array.from({ length: 150 }, (_, index) => ({
    ...exampleEvent(3 + index, { causation_id: "event-2" }),
    depth: 1,
  })),
});

it("marks the event itself and opens any other in the drawer, with the filters kept", () => {
  window.history.replaceState(null, "", "/timeline?type=OrderIntended&event=event-2");
  render(<Waterfall rows={ROWS} />);
  const links = screen.getAllByRole("link");
  expect(links.findIndex((link) => link.getAttribute("aria-current") === "page")).toBe(1);
  fireEvent.click(links[2] as HTMLElement);
  expect(window.location.search).toBe("?type=OrderIntended&event=event-3");
});

it("shows a long chain in two steps and loses nothing", () => {
  render(<Waterfall rows={ROWS} />);
  expect(screen.getAllByRole("link")).toHaveLength(120);
  fireEvent.click(screen.getByRole("button", { name: "32 more events" }));
  expect(screen.getAllByRole("link")).toHaveLength(ROWS.length);
});
