// @vitest-environment happy-dom
import { fireEvent, render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { ErrorBoundary } from "./error-boundary";

const broken = { isBroken: true };

function Part() {
  if (broken.isBroken) throw new Error("no figures");
  return <p>all is well</p>;
}

it("keeps the rest of the page when a part fails, and tries again when asked", () => {
  render(
    <>
      <p>the rest</p>
      <ErrorBoundary name="Orders">
        <Part />
      </ErrorBoundary>
    </>,
    { onCaughtError: () => undefined },
  );
  expect(screen.getByRole("alert").textContent).toContain("Orders cannot be shown");
  expect(screen.getByRole("alert").textContent).toContain("no figures");
  expect(screen.getByText("the rest")).toBeTruthy();
  broken.isBroken = false;
  fireEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(screen.getByText("all is well")).toBeTruthy();
});
