// @vitest-environment happy-dom
import { render } from "@testing-library/react";
import { expect, it } from "vitest";
import { Money } from "./figures";

it.each([
  ["12.50", "▲ 12.50", "tone-good"],
  ["-0.01", "▼ -0.01", "tone-bad"],
  ["0", "0", ""],
  ["-0.00", "-0.00", ""],
  [null, "–", "faded"],
])("shows %s as %s, with a sign beside the colour", (value, text, tone) => {
  const { container } = render(<Money value={value} />);
  expect(container.textContent).toBe(text);
  expect(container.firstElementChild?.className).toBe(tone);
});
