// @vitest-environment happy-dom
import { fireEvent, render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { Shortcuts } from "./shortcuts";

function press(...keys: string[]): void {
  for (const key of keys) fireEvent.keyDown(document.activeElement ?? document.body, { key });
}

it("goes to a view by two keys, but not while somebody types", () => {
  render(
    <>
      <Shortcuts />
      <input aria-label="words" />
    </>,
  );
  press("t");
  expect(window.location.pathname).toBe("/");
  press("g", "t");
  expect(window.location.pathname).toBe("/timeline");
  screen.getByLabelText("words").focus();
  press("g", "m");
  expect(window.location.pathname).toBe("/timeline");
});

it("steps through rows and opens the one that has the focus", () => {
  const opened: string[] = [];
  const open = (name: string) => () => opened.push(name);
  render(
    <>
      <Shortcuts />
      <button data-row="" onClick={open("first")}>
        first
      </button>
      <button data-row="" onClick={open("second")}>
        second
      </button>
    </>,
  );
  press("j", "j", "j", "o", "k", "o");
  expect(opened).toEqual(["second", "first"]);
});

it("lists the keys", () => {
  render(<Shortcuts />);
  press("?");
  expect(screen.getByText("go to Timeline")).toBeTruthy();
});
