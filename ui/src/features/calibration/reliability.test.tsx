// @vitest-environment happy-dom
import { render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { Reliability } from "./reliability";

const BIN = { p: 0.55, rate: 0.6, count: 40, low: 0.4, high: 0.75 };

it("draws each tenth with its interval and says the same in a table", () => {
  const { container } = render(<Reliability bins={[BIN, { ...BIN, p: 0.85, count: 10 }]} />);
  expect(screen.getByRole("img")).toBeTruthy();
  expect(container.querySelectorAll("circle")).toHaveLength(2);
  const interval = container.querySelector("line.interval");
  expect(interval?.getAttribute("y1")).toBe("144");
  expect(interval?.getAttribute("y2")).toBe("60");
  expect(screen.getAllByRole("row")[1]?.textContent).toBe("55.0 %60.0 %40.0 % to 75.0 %40");
});

it("says so when there is no outcome", () => {
  const { container } = render(<Reliability bins={[]} />);
  expect(container.textContent).toBe("No outcome yet.");
  expect(container.querySelector("svg")).toBeNull();
});
